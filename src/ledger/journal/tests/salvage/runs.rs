//! What becomes of the runs between holes, and of pending orders.

use crate::ledger::journal::file_names::{PENDING, SALVAGE_REPORT, SALVAGE_REST, segment_name};
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tests::damage::{SEGMENT, SampleJournal};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{
    append, evaluated, open, open_locked, options, read_all,
};
use crate::ledger::journal::tests::salvage::{salvage, salvage_onto};
use crate::ledger::journal::{Lost, OpenError, PendingOrder, Run, SalvagedPending};

/// A missing segment splits the journal; the longest run is the default, and
/// another can be asked for.
#[test]
fn a_hole_leaves_runs_to_choose_from() {
    let sample = SampleJournal::new(true);
    let in_first = sample.batches.iter().filter(|batch| batch.0 == 1);
    let in_first = in_first.map(|batch| batch.3).max().unwrap() as u64;
    let in_second = sample.batches.iter().filter(|batch| batch.0 == 2);
    let in_second = in_second.map(|batch| batch.3).max().unwrap() as u64;
    let last = sample.records.len() as u64;
    let disk = sample.disk.copy();
    disk.forget(&segment_name(2));
    let made = salvage(&disk).unwrap();
    made.check(&sample.records, "second missing");
    let run = |first_seq, last_seq| Run {
        first_seq,
        last_seq,
    };
    let runs = [run(1, in_first), run(in_second + 1, last)];
    assert_eq!(made.salvaged.runs, runs);
    let longest = runs.into_iter().max_by_key(|run| run.outcomes());
    assert_eq!(made.salvaged.kept, longest);
    let hole = Lost {
        first_seq: Some(in_first + 1),
        last_seq: Some(in_second),
    };
    assert_eq!(made.salvaged.lost, [hole]);
    assert_eq!(made.salvaged.damages[0].lost, Some(hole));
    for wanted in runs {
        for seq in [wanted.first_seq, wanted.last_seq] {
            let made = salvage_onto(&disk, &Disk::new(3), Some(seq)).unwrap();
            assert_eq!(made.salvaged.kept, Some(wanted));
            made.check(&sample.records, "chosen");
            let has_rest = made
                .disk
                .names()
                .unwrap()
                .contains(&SALVAGE_REST.to_owned());
            assert!(
                has_rest
                    && made
                        .disk
                        .names()
                        .unwrap()
                        .contains(&SALVAGE_REPORT.to_owned())
            );
        }
    }
    for seq in [in_first + 1, last + 1, 0] {
        let refused = salvage_onto(&disk, &Disk::new(3), Some(seq)).map(|_| ());
        assert!(matches!(refused, Err(OpenError::NoSuchRun { .. })), "{seq}");
    }
    // The first one: as if removed by retention, but the extent knows better
    // of the last.
    for (missing, lost) in [(1, false), (3, true)] {
        let disk = sample.disk.copy();
        disk.forget(&segment_name(missing));
        let made = salvage(&disk).unwrap();
        assert_eq!(made.salvaged.lost.is_empty(), !lost, "{missing}");
        let expected = match missing {
            1 => &sample.records[in_first as usize..],
            _ => &sample.records[..],
        };
        made.check(expected, "an end missing");
    }
}

#[test]
fn pending_orders_come_along() {
    let disk = Disk::new(9);
    let (mut journal, _) = open_locked(&disk, &options(SEGMENT)).unwrap();
    let orders: Vec<_> = (1..=6).map(|number| evaluated(number, 100)).collect();
    append(&mut journal.ledger, &orders[..2]).1.unwrap();
    let waiting = [evaluated(4, 100), evaluated(80, 0), evaluated(81, 0)];
    let pending = waiting
        .iter()
        .map(|order| PendingOrder::new(order.accepted_at, &order.order));
    journal.pending_file.write(2, pending).unwrap();
    // Killed behind the outcome of one of them.
    append(&mut journal.ledger, &orders[2..]).1.unwrap();
    let all = read_all(&journal);
    let killed = disk.copy();
    drop(journal);
    let whole = |orders, finished, in_doubt| SalvagedPending::Whole {
        orders,
        finished,
        in_doubt,
    };
    let found = (1..=2).find_map(|number| {
        let name = segment_name(number);
        let bytes = killed.bytes(&name);
        let at = bytes.windows(3).position(|three| three == b"o-4")?;
        Some((name, at))
    });
    let outcome = found.expect("it is in the journal");
    for (damage, pending, taken_up) in [
        (None, whole(2, 1, false), 2),
        // The outcome of that one is lost: nobody knows that it has one.
        (Some(outcome), whole(3, 0, true), 3),
        (
            Some((PENDING.to_owned(), 70)),
            SalvagedPending::Damaged(String::new()),
            0,
        ),
    ] {
        let disk = killed.copy();
        if let Some((name, at)) = &damage {
            disk.change(name, |bytes| bytes[*at] ^= 1);
        }
        let made = salvage(&disk).unwrap();
        made.check(&all, &format!("{damage:?}"));
        match &made.salvaged.pending {
            SalvagedPending::Damaged(why) => {
                assert!(why.contains("damaged") && taken_up == 0, "{why}");
                assert!(!made.salvaged.is_complete());
            }
            found => assert_eq!(*found, pending),
        }
        let (journal, _) = open(&made.disk, &options(SEGMENT)).unwrap();
        assert_eq!(journal.pending_orders.len(), taken_up, "{damage:?}");
    }
}
