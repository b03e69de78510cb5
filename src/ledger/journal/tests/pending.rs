//! Orders kept by a drain, over kills, power losses, failures and full disks at
//! any operation: each has one outcome in the end, or is still kept.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tests::disk::{Disk, Fault, Loss, Random};
use crate::ledger::journal::tests::{
    Evaluated, append, evaluated, for_seeds, open, options, read_all,
};
use crate::ledger::journal::{OpenError, Options, PendingOrder, pending_file};
use crate::ledger::{Archive, CommitResult, Ledger};

/// What the outside knows.
#[derive(Clone, Default)]
struct Outside {
    orders: BTreeMap<String, Evaluated>,
    /// PendingOrder for sure, at some time.
    promised: BTreeSet<String>,
    /// Perhaps kept: the file could not be written, or the process died.
    attempted: BTreeSet<String>,
    /// Seen committed, or told so.
    committed: BTreeSet<String>,
    number: u64,
}

impl Outside {
    fn new_orders(&mut self, random: &mut Random, most: u64) -> Vec<Evaluated> {
        let count = random.below(most + 1);
        let orders = (0..count).map(|_| {
            self.number += 1;
            let order = evaluated(self.number, random.below(200) as usize);
            let id = order.order.id().to_string();
            self.orders.insert(id, order.clone());
            order
        });
        orders.collect()
    }

    fn commit(&mut self, id: &str) {
        let fresh = self.committed.insert(id.to_owned());
        assert!(fresh, "{id} is committed twice");
    }

    /// One process, from start to end. `Err`: it could not start.
    fn live(
        &mut self,
        disk: &Disk,
        options: &Options,
        random: &mut Random,
    ) -> Result<(), OpenError> {
        let (mut journal, _) = open(disk, options)?;
        // Ids stand in the journal once.
        let mut seen = BTreeSet::new();
        for record in read_all(&journal) {
            assert!(seen.insert(record.id.to_string()), "{} twice", record.id);
        }
        self.committed.append(&mut seen);
        let mut waiting: Vec<Evaluated> = Vec::new();
        for kept in &journal.kept {
            let id = &*kept.id;
            assert!(!self.committed.contains(id), "{id} would run again");
            assert!(self.promised.contains(id) || self.attempted.contains(id));
            let order = &self.orders[id];
            assert_eq!(*kept, PendingOrder::new(order.accepted_at, &order.order));
            waiting.push(order.clone());
        }
        let back: BTreeSet<&str> = journal.kept.iter().map(|kept| &*kept.id).collect();
        for id in &self.promised {
            assert!(
                self.committed.contains(id) || back.contains(id.as_str()),
                "{id} was kept and is gone"
            );
        }

        let mut failed = false;
        for _ in 0..random.below(8) {
            let mut batch = self.new_orders(random, 3);
            let fed = random.below(4).min(waiting.len() as u64) as usize;
            batch.extend(waiting.drain(..fed));
            if batch.is_empty() {
                continue;
            }
            let (mut receipts, result) = append(&mut journal.ledger, &batch);
            for receipt in receipts.drain(..) {
                match receipt.result {
                    CommitResult::Committed { .. } => self.commit(receipt.item.order.id().as_str()),
                    // It may be there all the same: kept, and found out later.
                    _ => waiting.push(receipt.item),
                }
            }
            journal.ledger.reclaim(&mut waiting);
            assert!(journal.ledger.completions(&mut receipts).is_ok() == result.is_ok());
            assert!(receipts.is_empty(), "what was given back gets no receipt");
            if result.is_err() {
                failed = true;
                break;
            }
        }
        if random.percent(20) {
            return Ok(()); // killed
        }
        // Drained, in time or not.
        if waiting.is_empty() && !failed && random.percent(70) {
            let _ = journal.pending.clear();
            return Ok(());
        }
        waiting.extend(self.new_orders(random, 3));
        if waiting.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = waiting.iter().map(|it| it.order.id().to_string()).collect();
        let orders = waiting
            .iter()
            .map(|order| PendingOrder::new(order.accepted_at, &order.order));
        match journal.pending.keep(journal.archive.last_seq(), orders) {
            Ok(()) => self.promised.extend(ids),
            Err(_) => self.attempted.extend(ids),
        }
        Ok(())
    }
}

#[test]
fn kept_orders_have_one_outcome_whatever_happens() {
    let (ended, kept_still) = (Cell::new(0), Cell::new(0));
    for_seeds(1500, |seed| {
        let mut random = Random(seed ^ 0x6b65_7074);
        let disk = Disk::new(seed);
        let options = Options {
            // Mostly shorter than what must be looked through.
            window: if random.percent(70) { 2 } else { 1_000_000 },
            retain_bytes: random.percent(50).then_some(1),
            ..options([1024, 2048][random.below(2) as usize])
        };
        let mut outside = Outside::default();
        for _ in 0..3 + random.below(5) {
            let at = 1 + random.below(40);
            let fault = match random.below(10) {
                0..4 => Some(Fault::Death),
                4 => Some(Fault::Full(random.below(12))),
                5..7 => Some(Fault::SyncFails),
                7 => Some(Fault::Fails),
                _ => None,
            };
            fault.inspect(|&fault| disk.plan(at, fault));
            if let Err(error) = outside.live(&disk, &options, &mut random) {
                let system = matches!(error, OpenError::Io { .. });
                assert!(system, "no damage, but refused: {error}");
            }
            disk.restart(if random.percent(60) {
                Loss::Power
            } else {
                Loss::Process
            });
        }
        let opened = outside.live(&disk, &options, &mut random);
        opened.unwrap_or_else(|error| panic!("refused: {error}"));
        let done = outside.promised.intersection(&outside.committed).count();
        ended.set(ended.get() + done);
        kept_still.set(kept_still.get() + outside.promised.len() - done);
    });
    if std::env::var_os("ORDERS_TEST_SEED").is_none() {
        assert!(ended.get() > 100 && kept_still.get() > 100, "both happen");
    }
}

/// The same story each time, dying in each of its operations.
#[test]
fn every_operation_may_be_the_last() {
    let story = |disk: &Disk| {
        let mut outside = Outside::default();
        for seed in 0..6 {
            if outside
                .live(disk, &options(1024), &mut Random(seed))
                .is_err()
            {
                break;
            }
            if disk.is_dead() {
                break;
            }
        }
        outside
    };
    let disk = Disk::new(0);
    let whole = story(&disk);
    assert!(!whole.promised.is_empty() && disk.ops() > 50);
    let mut deaths = 0;
    for at in 1..=disk.ops() {
        for (seed, loss) in [(1, Loss::Process), (2, Loss::Power), (3, Loss::Power)] {
            let disk = Disk::new(seed * 1000 + at);
            disk.plan(at, Fault::Death);
            let mut outside = story(&disk);
            deaths += u64::from(disk.is_dead());
            disk.restart(loss);
            for seed in 10..13 {
                let lived = outside.live(&disk, &options(1024), &mut Random(seed));
                lived.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
        }
    }
    assert!(deaths > 2 * disk.ops(), "{deaths}");
}

/// A directory with one kept order, three outcomes before it and two after.
fn with_one_kept() -> (Disk, Options) {
    let disk = Disk::new(5);
    let options = Options {
        window: 1,
        retain_bytes: Some(1),
        ..options(1024)
    };
    let (mut journal, _) = open(&disk, &options).unwrap();
    let orders: Vec<_> = (1..=3).map(|number| evaluated(number, 0)).collect();
    append(&mut journal.ledger, &orders).1.unwrap();
    let waits = evaluated(10, 0);
    let kept = PendingOrder::new(waits.accepted_at, &waits.order);
    journal.pending.keep(3, [kept].into_iter()).unwrap();
    let later: Vec<_> = (4..=5).map(|number| evaluated(number, 0)).collect();
    append(&mut journal.ledger, &later).1.unwrap();
    (disk, options)
}

#[test]
fn outcomes_are_not_removed_while_they_may_be_looked_for() {
    let (disk, options) = with_one_kept();
    let (mut journal, _) = open(&disk, &options).unwrap();
    assert_eq!(journal.kept.len(), 1);
    append(&mut journal.ledger, &[evaluated(10, 0)]).1.unwrap();
    for number in 20..60 {
        append(&mut journal.ledger, &[evaluated(number, 200)])
            .1
            .unwrap();
    }
    assert!(journal.archive.oldest_seq() <= 4, "kept for the next start");
    // Killed before the file is removed: it is found out far behind the window.
    drop(journal);
    let (mut journal, _) = open(&disk, &options).unwrap();
    assert!(journal.kept.is_empty());
    assert!(
        !disk
            .names()
            .unwrap()
            .iter()
            .any(|name| name == pending_file::NAME)
    );
    for number in 60..100 {
        append(&mut journal.ledger, &[evaluated(number, 200)])
            .1
            .unwrap();
    }
    assert!(journal.archive.oldest_seq() > 40, "removed again");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let refusal = |change: &dyn Fn(&Disk, &Options)| {
        let (disk, options) = with_one_kept();
        change(&disk, &options);
        let error = open(&disk, &options).map(|_| ()).unwrap_err();
        assert!(
            disk.names()
                .unwrap()
                .iter()
                .any(|name| name == pending_file::NAME)
        );
        error
    };
    // The journal is older than what was kept.
    let keep_at = |disk: &Disk, options: &Options, seq, ids: &[u64]| {
        let (journal, _) = open(disk, options).unwrap();
        let orders: Vec<_> = ids.iter().map(|&id| evaluated(id, 0)).collect();
        let kept = orders
            .iter()
            .map(|order| PendingOrder::new(1, &order.order));
        journal.pending.keep(seq, kept).unwrap();
    };
    for (seq, ids, why) in [
        (6, &[10][..], "ends at sequence 5, though it reached 6"),
        (3, &[10, 11, 10], "the id o-10 is in it twice"),
    ] {
        let error = refusal(&|disk, options| keep_at(disk, options, seq, ids));
        assert!(error.to_string().contains(why), "{error}");
    }
    let gone = refusal(&|disk, options| {
        {
            let (mut journal, _) = open(disk, options).unwrap();
            journal.pending.clear().unwrap();
            for number in 20..60 {
                append(&mut journal.ledger, &[evaluated(number, 200)])
                    .1
                    .unwrap();
            }
        }
        keep_at(disk, options, 5, &[10]);
    });
    assert!(gone.to_string().contains("are gone"), "{gone}");
    let no_identity = refusal(&|disk, _| {
        let segments = disk.names().unwrap();
        for name in segments.iter().filter(|name| *name != pending_file::NAME) {
            disk.forget(name);
        }
    });
    assert!(
        matches!(no_identity, OpenError::NoIdentity { .. }),
        "{no_identity}"
    );
}
