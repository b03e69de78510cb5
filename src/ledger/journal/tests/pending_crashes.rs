//! Pending orders, over kills, power losses, failures and full disks at any
//! operation: each has one outcome in the end, or is still pending.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::journal::tests::disk::{Crash, Disk, Fault};
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, evaluated, open_locked, options, read_all,
};
use crate::ledger::journal::tests::random::{Random, for_seeds};
use crate::ledger::journal::{Journal, OpenError, Options, PendingOrder};
use crate::ledger::{Archive, CommitResult, Ledger};

/// What must be found.
#[derive(Clone, Default)]
struct Oracle {
    orders: BTreeMap<String, Evaluated>,
    /// Written to the pending file for sure, at some time.
    pending: BTreeSet<String>,
    /// Perhaps written: an error was returned, or the process died.
    attempted: BTreeSet<String>,
    /// Found committed, or completed so.
    committed: BTreeSet<String>,
    number: u64,
}

impl Oracle {
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

    /// Writes orders to the pending file, beside those that it holds; orders in
    /// it may be committed later. Returns whether they are there for sure.
    fn add_to_file(
        &mut self,
        journal: &Journal<Evaluated>,
        waiting: &[Evaluated],
        in_file: bool,
    ) -> bool {
        let ids: Vec<_> = waiting.iter().map(|it| it.order.id().to_string()).collect();
        let orders = waiting
            .iter()
            .map(|order| PendingOrder::new(order.accepted_at, &order.order));
        let after_seq = journal.archive.last_seq();
        if waiting.is_empty() || !journal.pending_file.pin(after_seq) {
            return false;
        }
        let written = if in_file {
            journal.pending_file.append(after_seq, orders)
        } else {
            journal.pending_file.write(after_seq, orders)
        };
        let is_there = written.is_ok();
        let those = if is_there {
            &mut self.pending
        } else {
            &mut self.attempted
        };
        those.extend(ids);
        is_there
    }

    /// One process, from start to end. `Err`: it could not start.
    fn run_process(
        &mut self,
        disk: &Disk,
        options: &Options,
        random: &mut Random,
    ) -> Result<(), OpenError> {
        let (mut journal, _) = open_locked(disk, options)?;
        // Each id is in the journal once.
        let mut seen = BTreeSet::new();
        for record in read_all(&journal) {
            assert!(seen.insert(record.id.to_string()), "{} twice", record.id);
        }
        self.committed.append(&mut seen);
        let mut waiting: Vec<Evaluated> = Vec::new();
        for pending in &journal.pending_orders {
            let id = &*pending.id;
            assert!(!self.committed.contains(id), "{id} would run again");
            assert!(self.pending.contains(id) || self.attempted.contains(id));
            let order = &self.orders[id];
            assert_eq!(*pending, PendingOrder::new(order.accepted_at, &order.order));
            waiting.push(order.clone());
        }
        let pending = journal.pending_orders.iter();
        let back: BTreeSet<&str> = pending.map(|order| &*order.id).collect();
        for id in &self.pending {
            assert!(
                self.committed.contains(id) || back.contains(id.as_str()),
                "{id} was pending and is gone"
            );
        }

        let mut failed = false;
        let mut in_file = !waiting.is_empty();
        for _ in 0..random.below(8) {
            // A drain begins with what waits, or goes on with what has come.
            if !failed && random.percent(25) {
                waiting.extend(self.new_orders(random, 3));
                in_file |= self.add_to_file(&journal, &waiting, in_file);
            }
            let mut batch = self.new_orders(random, 3);
            let fed = random.below(4).min(waiting.len() as u64) as usize;
            batch.extend(waiting.drain(..fed));
            if batch.is_empty() {
                continue;
            }
            let (mut completions, result) = append(&mut journal.ledger, &batch);
            for completion in completions.drain(..) {
                let item = completion.item;
                match completion.result {
                    CommitResult::Committed { .. } => self.commit(item.order.id().as_str()),
                    // It may be committed all the same: a later start finds
                    // out.
                    _ => waiting.push(item),
                }
            }
            journal.ledger.reclaim(&mut waiting);
            let after = journal.ledger.completions(&mut completions);
            assert!(after.is_ok() == result.is_ok());
            assert!(completions.is_empty(), "reclaimed items get no completion");
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
            if in_file || random.percent(50) {
                let _ = journal.pending_file.remove();
            }
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
        let after_seq = journal.archive.last_seq();
        match journal.pending_file.write(after_seq, orders) {
            Ok(()) => self.pending.extend(ids),
            Err(_) => self.attempted.extend(ids),
        }
        Ok(())
    }
}

#[test]
fn pending_orders_have_one_outcome_after_any_fault() {
    let (ended, still_pending) = (Cell::new(0), Cell::new(0));
    for_seeds(1500, |seed| {
        let mut random = Random(seed ^ 0x6b65_7074);
        let disk = Disk::new(seed);
        let options = Options {
            // Mostly shorter than what must be searched.
            window: if random.percent(70) { 2 } else { 1_000_000 },
            retain_bytes: random.percent(50).then_some(1),
            ..options([1024, 2048][random.below(2) as usize])
        };
        let mut oracle = Oracle::default();
        for _ in 0..3 + random.below(5) {
            let at = 1 + random.below(40);
            let fault = match random.below(10) {
                0..4 => Some(Fault::Dies),
                4 => Some(Fault::Full(random.below(12))),
                5..7 => Some(Fault::SyncFails),
                7 => Some(Fault::Fails),
                _ => None,
            };
            fault.inspect(|&fault| disk.plan(at, fault));
            if let Err(error) = oracle.run_process(&disk, &options, &mut random) {
                let system = matches!(error, OpenError::Io { .. } | OpenError::Directory { .. });
                assert!(system, "no damage, but refused: {error}");
            }
            disk.restart(if random.percent(60) {
                Crash::PowerLoss
            } else {
                Crash::Kill
            });
        }
        let opened = oracle.run_process(&disk, &options, &mut random);
        opened.unwrap_or_else(|error| panic!("refused: {error}"));
        let done = oracle.pending.intersection(&oracle.committed).count();
        ended.set(ended.get() + done);
        still_pending.set(still_pending.get() + oracle.pending.len() - done);
    });
    if std::env::var_os("ORDERS_TEST_SEED").is_none() {
        assert!(
            ended.get() > 100 && still_pending.get() > 100,
            "both happen"
        );
    }
}

/// The same run each time, dying in each of its operations.
#[test]
fn every_operation_may_be_the_last() {
    let run = |disk: &Disk| {
        let mut oracle = Oracle::default();
        for seed in 0..6 {
            if oracle
                .run_process(disk, &options(1024), &mut Random(seed))
                .is_err()
            {
                break;
            }
            if disk.is_dead() {
                break;
            }
        }
        oracle
    };
    let disk = Disk::new(0);
    let whole = run(&disk);
    assert!(!whole.pending.is_empty() && disk.ops() > 50);
    let mut deaths = 0;
    for at in 1..=disk.ops() {
        for (seed, crash) in [
            (1, Crash::Kill),
            (2, Crash::PowerLoss),
            (3, Crash::PowerLoss),
        ] {
            let disk = Disk::new(seed * 1000 + at);
            disk.plan(at, Fault::Dies);
            let mut oracle = run(&disk);
            deaths += u64::from(disk.is_dead());
            disk.restart(crash);
            for seed in 10..13 {
                let ran = oracle.run_process(&disk, &options(1024), &mut Random(seed));
                ran.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
        }
    }
    assert!(deaths > 2 * disk.ops(), "{deaths}");
}
