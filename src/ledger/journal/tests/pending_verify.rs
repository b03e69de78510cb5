//! The file of kept orders, looked at from outside: damage is named, and a
//! service that removes or replaces it meanwhile is not taken for it.

use std::sync::{Arc, Mutex};

use crate::ledger::journal::pending_file::NAME;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::live_reader::{Meanwhile, look};
use crate::ledger::journal::tests::{Evaluated, append, evaluated, open, options};
use crate::ledger::journal::{Journal, OpenError, PendingOrder};

const SEGMENT: u64 = 4096;

/// A journal with the outcomes of orders 0 to 9.
fn ten() -> (Disk, Journal<Evaluated>) {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
    for number in 0..10 {
        append(&mut journal.ledger, &[evaluated(number, 60)])
            .1
            .unwrap();
    }
    (disk, journal)
}

fn keep(journal: &Journal<Evaluated>, after_seq: u64, numbers: std::ops::Range<u64>) {
    let orders: Vec<_> = numbers.map(|number| evaluated(number, 20)).collect();
    let kept = orders
        .iter()
        .map(|order| PendingOrder::new(1, &order.order));
    journal.pending.keep(after_seq, kept).unwrap();
}

#[test]
fn they_are_counted() {
    let (disk, journal) = ten();
    assert_eq!(look(&disk).unwrap().kept, None);
    keep(&journal, 8, 20..27);
    let found = look(&disk).unwrap();
    assert_eq!((found.kept, found.last_seq), (Some(7), 10));
}

#[test]
fn every_flip_and_every_cut_is_named() {
    let (disk, journal) = ten();
    keep(&journal, 10, 20..22);
    let len = disk.bytes(NAME).len();
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let disk = disk.copy();
        disk.change(NAME, |file| change(file));
        let told = look(&disk).unwrap_err().to_string();
        assert!(told.starts_with(NAME), "{told}");
    };
    for at in 0..len {
        damaged(&|file| file[at] ^= 0x10);
        damaged(&|file| file.truncate(at));
    }
    damaged(&|file| file.push(0));
}

/// Where a start would refuse them, so does a look.
#[test]
fn those_of_another_time_are_named() {
    let refused = |journal: &Journal<Evaluated>, disk: &Disk, what: &str| {
        let told = look(disk).unwrap_err();
        assert!(matches!(told, OpenError::PendingOrder { .. }), "{told}");
        assert!(told.to_string().contains(what), "{told}");
        let start = open(&disk.copy(), &options(SEGMENT))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(start.to_string(), told.to_string());
        journal.pending.clear().unwrap();
        assert_eq!(look(disk).unwrap().kept, None);
    };
    let (disk, journal) = ten();
    keep(&journal, 11, 20..22);
    refused(&journal, &disk, "the journal ends at sequence 10");
    let twice = [20, 20].map(|number| evaluated(number, 0));
    let twice = twice.iter().map(|order| PendingOrder::new(1, &order.order));
    journal.pending.keep(10, twice).unwrap();
    refused(&journal, &disk, "is in it twice");
}

/// A service runs on, commits, removes the file or puts another one there, at
/// whatever moment of the look.
#[test]
fn what_a_service_does_meanwhile_is_no_damage() {
    for does in 0..3 {
        let (mut moment, mut moments) = (0, 1);
        while moment < moments {
            let (disk, journal) = ten();
            keep(&journal, 10, 20..25);
            let state = Arc::new(Mutex::new((0, journal)));
            let shared = state.clone();
            let happens = move || {
                let (count, journal) = &mut *shared.lock().unwrap();
                if *count == moment {
                    for number in 20..25 {
                        append(&mut journal.ledger, &[evaluated(number, 20)])
                            .1
                            .unwrap();
                    }
                    match does {
                        0 => {}
                        1 => journal.pending.clear().unwrap(),
                        _ => keep(journal, 15, 30..33),
                    }
                }
                *count += 1;
            };
            let source = Meanwhile {
                disk,
                happens: Arc::new(happens),
            };
            let case = format!("{does} at moment {moment}");
            let found = look(&source).unwrap_or_else(|error| panic!("{case}: {error}"));
            let allowed = match does {
                0 => [Some(5), Some(5)],
                1 => [Some(5), None],
                _ => [Some(5), Some(3)],
            };
            assert!(allowed.contains(&found.kept), "{case}: {:?}", found.kept);
            moments = state.lock().unwrap().0;
            moment += 1;
        }
        assert!(moments > 5);
    }
}
