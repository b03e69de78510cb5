//! A salvage that doesn't come to its end.

use crate::ledger::journal::file_names::{MANIFEST, SALVAGE_REPORT, SALVAGE_REST, segment_name};
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tests::damage::{SEGMENT, SampleJournal, names};
use crate::ledger::journal::tests::disk::{Crash, Disk, Fault};
use crate::ledger::journal::tests::fixture::{open, options, read_all};
use crate::ledger::journal::tests::salvage::salvage_onto;

/// Whatever fails, and wherever it dies: the manifest, which comes last, is
/// there with all the rest, or there is no journal.
#[test]
fn a_salvage_that_is_broken_off_makes_no_journal() {
    let sample = SampleJournal::new(true);
    sample.disk.forget(&segment_name(2));
    let target = Disk::new(4);
    let whole = salvage_onto(&sample.disk, &target, None).unwrap();
    let total = target.ops();
    for at in 1..=total {
        for fault in [Fault::Dies, Fault::Fails, Fault::SyncFails, Fault::Full(3)] {
            let disk = Disk::new(at);
            disk.plan(at, fault);
            let made = salvage_onto(&sample.disk, &disk, None);
            if fault == Fault::Dies {
                disk.restart(Crash::PowerLoss);
            }
            let case = format!("{fault:?} at {at}");
            if disk.names().unwrap().iter().any(|name| name == MANIFEST) {
                disk.plan_nothing();
                let (journal, _) = open(&disk, &options(SEGMENT)).unwrap();
                let run = whole.salvaged.kept.unwrap();
                let found = read_all(&journal);
                assert_eq!(found.len() as u64, run.outcomes(), "{case}");
                assert_eq!(found[0].outcome.seq, run.first_seq, "{case}");
                for name in [SALVAGE_REST, SALVAGE_REPORT] {
                    assert_eq!(disk.bytes(name), target.bytes(name), "{case}");
                }
            } else {
                assert!(made.is_err(), "{case}");
                disk.plan_nothing();
                let has_segments = names().any(|(_, name)| disk.has(&name));
                let opened = open(&disk, &options(SEGMENT));
                assert_eq!(opened.is_err(), has_segments, "{case}");
            }
        }
    }
    // The last two operations give the manifest its name. How many there are
    // depends on the seed, and is the same each time.
    for seed in 0..64 {
        let disk = Disk::new(seed);
        salvage_onto(&sample.disk, &disk, None).unwrap();
        let last = disk.ops();
        for dies_at in last - 1..=last + 1 {
            let disk = Disk::new(seed);
            disk.plan(dies_at, Fault::Dies);
            let made = salvage_onto(&sample.disk, &disk, None);
            disk.restart(Crash::PowerLoss);
            let case = format!("seed {seed}, dies at {dies_at} of {last}");
            assert_eq!(made.is_ok(), dies_at > last, "{case}");
            let is_there = disk.has(MANIFEST);
            assert!(is_there || made.is_err(), "{case}");
            if is_there {
                for name in [SALVAGE_REST, SALVAGE_REPORT] {
                    assert_eq!(disk.bytes(name), target.bytes(name), "{case}");
                }
            }
        }
    }
}
