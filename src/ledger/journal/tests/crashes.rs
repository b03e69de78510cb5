//! Power losses and kills at any operation, recovery's own included: what was
//! acknowledged is found, once, in order, and nothing that was never appended.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::journal::extent::Rewound;
use crate::ledger::journal::tests::disk::{Crash, Disk, Fault};
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, evaluated, open, open_locked, options, read_all,
};
use crate::ledger::journal::tests::random::{Random, for_seeds};
use crate::ledger::journal::{OpenError, Options};
use crate::ledger::{CommitResult, Ledger, Record};
use crate::order::Submission;

/// What must be found.
#[derive(Clone, Default)]
struct Oracle {
    /// Every order that was appended, by id.
    appended: BTreeMap<String, Evaluated>,
    /// The id of each sequence that was acknowledged or visited by a start.
    acknowledged: Vec<String>,
    /// Ids that a start did not find: they must never come back.
    lost: BTreeSet<String>,
    number: u64,
}

impl Oracle {
    fn orders(&mut self, random: &mut Random, most: u64) -> Vec<Evaluated> {
        let count = 1 + random.below(most);
        // All of one length at times, so that one could pass for another.
        let same = random.percent(50);
        let orders = (0..count).map(|_| {
            self.number += 1;
            let (last, padding) = if same {
                (0, 100)
            } else {
                (self.number % 10, random.below(200) as usize)
            };
            let number = 1_000_000 + 10 * self.number + last;
            let mut order = evaluated(number, padding);
            if same {
                // Some have a client or a trace, which have lengths, too.
                order.order.set_submission(Submission::default());
            }
            self.appended.insert(format!("o-{number}"), order.clone());
            order
        });
        orders.collect()
    }

    /// Compares with what a start has found, which counts as acknowledged from
    /// now on.
    fn check(&mut self, found: &[Record]) {
        assert!(
            found.len() >= self.acknowledged.len(),
            "{} acknowledged, {} found",
            self.acknowledged.len(),
            found.len()
        );
        let mut seen = BTreeSet::new();
        for (at, record) in found.iter().enumerate() {
            assert_eq!(record.outcome.seq, at as u64 + 1);
            assert!(self.appended[&*record.id].is_in(record), "{record:?}");
            assert!(seen.insert(&*record.id), "{} is there twice", record.id);
            assert!(
                !self.lost.contains(&*record.id),
                "{} was discarded and is back",
                record.id
            );
            if let Some(acknowledged) = self.acknowledged.get(at) {
                assert_eq!(**acknowledged, *record.id);
            }
        }
        let lost = self
            .appended
            .keys()
            .filter(|id| !seen.contains(id.as_str()));
        self.lost.extend(lost.cloned());
        self.acknowledged = found.iter().map(|record| record.id.to_string()).collect();
    }

    /// One process: opens, checks, appends, and ends cleanly or by a fault.
    /// `Err`: it could not open.
    fn run_process(
        &mut self,
        disk: &Disk,
        options: &Options,
        random: &mut Random,
        batches: u64,
    ) -> Result<(), OpenError> {
        let (mut journal, visited) = open_locked(disk, options)?;
        // No crash is taken for missing segments; but the one that was only
        // prepared may be gone.
        match &journal.recovered.rewound {
            None => {}
            Some(Rewound::Emptied) if self.acknowledged.is_empty() => {}
            Some(rewound) => panic!("{rewound}"),
        }
        let all = read_all(&journal);
        assert!(all.ends_with(&visited), "the newest are visited");
        assert!(visited.len() as u64 >= options.window.min(all.len() as u64));
        self.check(&all);
        for _ in 0..batches {
            let orders = self.orders(random, 6);
            let (mut completions, mut result) = append(&mut journal.ledger, &orders);
            let mut tries = 0;
            while result.is_ok() && completions.len() < orders.len() && !disk.is_dead() {
                // No space, or no segment: tried again until there is.
                tries += 1;
                assert!(tries < 100, "there is space again by now");
                assert_eq!(journal.ledger.capacity_left(), 0);
                result = journal.ledger.completions(&mut completions);
            }
            for completion in &completions {
                match completion.result {
                    CommitResult::Committed { seq, .. } => {
                        assert_eq!(seq, self.acknowledged.len() as u64 + 1);
                        let id = completion.item.order.id();
                        self.acknowledged.push(id.as_str().into());
                    }
                    _ => assert!(result.is_err(), "in doubt only after a failure"),
                }
            }
            if result.is_ok() && completions.len() < orders.len() {
                break; // died while a segment was made, which is tried for ever
            }
            if result.is_err() {
                assert!(
                    append(&mut journal.ledger, &orders)
                        .0
                        .iter()
                        .all(|r| r.result == CommitResult::InDoubt)
                );
                break;
            }
            if random.percent(10) && !disk.is_dead() {
                assert_eq!(read_all(&journal).len(), self.acknowledged.len());
            }
        }
        // Dropped: sealed, or, after a fault, not.
        Ok(())
    }
}

#[test]
fn acknowledged_orders_survive_any_fault() {
    for_seeds(4000, |seed| {
        let mut random = Random(seed ^ 0x5eed);
        let disk = Disk::new(seed);
        let options = Options {
            window: if random.percent(50) { 5 } else { 1_000_000 },
            ..options([1024, 2048, 4096][random.below(3) as usize])
        };
        let mut oracle = Oracle::default();
        for _ in 0..2 + random.below(5) {
            let at = 1 + random.below(50);
            let fault = match random.below(10) {
                0..5 => Some(Fault::Dies),
                5 => Some(Fault::Full(random.below(6))),
                6..8 => Some(Fault::SyncFails),
                8 => Some(Fault::Fails),
                _ => None,
            };
            fault.inspect(|&fault| disk.plan(at, fault));
            let batches = random.below(20);
            if let Err(error) = oracle.run_process(&disk, &options, &mut random, batches) {
                assert!(
                    matches!(error, OpenError::Io { .. } | OpenError::Directory { .. }),
                    "no damage, but refused: {error}"
                );
            }
            disk.restart(if random.percent(60) {
                Crash::PowerLoss
            } else {
                Crash::Kill
            });
        }
        let opened = oracle.run_process(&disk, &options, &mut random, 3);
        opened.unwrap_or_else(|error| panic!("refused: {error}"));
    });
}

/// The same run each time, dying in each of its operations, and then in each of
/// the operations of the start after that.
#[test]
fn every_operation_may_be_the_last() {
    let run = |disk: &Disk| {
        let mut oracle = Oracle::default();
        let _ = oracle.run_process(disk, &options(1024), &mut Random(3), 12);
        oracle
    };
    let disk = Disk::new(0);
    run(&disk);
    let total = disk.ops();
    assert!(total > 50, "{total} operations");
    let mut deaths = 0;
    for dies_at in 1..=total {
        for seed in 0..4 {
            let disk = Disk::new(seed * 1000 + dies_at);
            disk.plan(dies_at, Fault::Dies);
            let oracle = run(&disk);
            if !disk.is_dead() {
                continue; // short writes were fewer this time, and it was done
            }
            deaths += 1;
            disk.restart(if seed == 0 {
                Crash::Kill
            } else {
                Crash::PowerLoss
            });
            for dies_again_at in 1.. {
                let (disk, mut oracle) = (disk.copy(), oracle.clone());
                disk.plan(dies_again_at, Fault::Dies);
                let _ = oracle.run_process(&disk, &options(1024), &mut Random(4), 2);
                let died = disk.is_dead();
                disk.restart(Crash::PowerLoss);
                let opened = oracle.run_process(&disk, &options(1024), &mut Random(5), 2);
                opened.unwrap_or_else(|error| panic!("{dies_at}, {dies_again_at}: {error}"));
                if !died {
                    break;
                }
            }
        }
    }
    assert!(deaths > 3 * total, "{deaths} of {total} operations");
}

/// A start after a kill makes the names durable that it finds. The next segment
/// can't be made here: its name would be synced together with them.
#[test]
fn names_that_a_start_finds_are_durable() {
    let mut relied = 0;
    for (seed, dies_at) in (0..200).map(|seed| (seed, 1 + seed % 20)) {
        let disk = Disk::new(seed);
        disk.plan(dies_at, Fault::Dies);
        drop(open(&disk, &options(1024)));
        disk.restart(Crash::Kill);
        let (mut journal, _) = open(&disk, &options(1024)).unwrap();
        disk.plan(1, Fault::Fails);
        let (completions, result) = append(&mut journal.ledger, &[evaluated(1, 0)]);
        if result.is_err() || completions.is_empty() {
            continue;
        }
        relied += 1;
        disk.plan(1, Fault::Dies); // a clean end would sync names
        drop(journal);
        disk.restart(Crash::PowerLoss);
        let opened = open(&disk, &options(1024));
        let (_, found) = opened.unwrap_or_else(|error| panic!("{seed}: {error}"));
        assert_eq!(found.len(), 1, "{seed}");
    }
    assert!(relied > 50, "{relied}");
}

/// A start that retains less removes several segments, dying in each of its
/// operations.
#[test]
fn removals_leave_no_gap() {
    let less = Options {
        window: 1,
        retain_bytes: Some(1),
        ..options(1024)
    };
    let mut deaths = 0;
    for seed in 0..20 {
        let full = Disk::new(seed);
        let mut oracle = Oracle::default();
        oracle
            .run_process(&full, &options(1024), &mut Random(seed), 30)
            .unwrap();
        for dies_at in 1.. {
            let disk = full.copy();
            disk.plan(dies_at, Fault::Dies);
            drop(open(&disk, &less));
            let died = disk.is_dead();
            disk.restart(Crash::PowerLoss);
            if let Err(error) = open(&disk, &less) {
                panic!("{seed}, {dies_at}: {error}");
            }
            if !died {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 200, "{deaths}");
}

/// A failed sync, a kill, a start, and then a power loss: what the start
/// visited is on disk, though the kernel took the pages for clean.
#[test]
fn a_start_makes_durable_what_it_visits() {
    let (failed, found) = (Cell::new(0), Cell::new(0));
    for_seeds(300, |seed| {
        let disk = Disk::new(seed);
        let options = options(16 << 10);
        let mut oracle = Oracle::default();
        oracle
            .run_process(&disk, &options, &mut Random(seed), 2)
            .unwrap();
        let (mut journal, _) = open(&disk, &options).unwrap();
        disk.plan(2, Fault::SyncFails);
        let orders = oracle.orders(&mut Random(seed), 6);
        if append(&mut journal.ledger, &orders).1.is_ok() {
            return; // it took two writes: not this case
        }
        failed.set(failed.get() + 1);
        drop(journal);
        disk.restart(Crash::Kill);
        let (journal, visited) = open(&disk, &options).unwrap();
        found.set(found.get() + u64::from(visited.len() > oracle.acknowledged.len()));
        oracle.check(&visited);
        drop(journal);
        disk.restart(Crash::PowerLoss);
        oracle
            .run_process(&disk, &options, &mut Random(seed), 1)
            .unwrap();
    });
    // The cache had it each time.
    assert!(failed.get() > 0 && found.get() == failed.get());
}
