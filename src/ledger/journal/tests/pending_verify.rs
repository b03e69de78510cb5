//! The pending file verified from outside: damage is named, and a service that
//! removes or replaces the file meanwhile is not mistaken for it.

use std::sync::{Arc, Mutex};

use crate::ledger::journal::file_names::PENDING;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{Evaluated, append, evaluated, open, options};
use crate::ledger::journal::tests::live_reader::verified;
use crate::ledger::journal::tests::live_writes::InterruptedSource;
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

fn write(journal: &Journal<Evaluated>, after_seq: u64, numbers: std::ops::Range<u64>) {
    let orders: Vec<_> = numbers.map(|number| evaluated(number, 20)).collect();
    let pending = orders
        .iter()
        .map(|order| PendingOrder::new(1, &order.order));
    journal.pending_file.write(after_seq, pending).unwrap();
}

#[test]
fn they_are_counted() {
    let (disk, journal) = ten();
    assert_eq!(verified(&disk).unwrap().pending_orders, None);
    write(&journal, 8, 20..27);
    let found = verified(&disk).unwrap();
    assert_eq!((found.pending_orders, found.last_seq), (Some(7), 10));
}

#[test]
fn every_flip_and_every_cut_is_named() {
    let (disk, journal) = ten();
    write(&journal, 10, 20..22);
    let len = disk.bytes(PENDING).len();
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let disk = disk.copy();
        disk.change(PENDING, |file| change(file));
        let error = verified(&disk).unwrap_err().to_string();
        assert!(error.starts_with(PENDING), "{error}");
    };
    for at in 0..len {
        damaged(&|file| file[at] ^= 0x10);
        damaged(&|file| file.truncate(at));
    }
    damaged(&|file| file.push(0));
}

/// What a start would refuse, the verification refuses, too.
#[test]
fn those_of_another_time_are_named() {
    let refused = |journal: &Journal<Evaluated>, disk: &Disk, what: &str| {
        let error = verified(disk).unwrap_err();
        assert!(matches!(error, OpenError::PendingFile { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        let start = open(&disk.copy(), &options(SEGMENT))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(start.to_string(), error.to_string());
        journal.pending_file.remove().unwrap();
        assert_eq!(verified(disk).unwrap().pending_orders, None);
    };
    let (disk, journal) = ten();
    write(&journal, 11, 20..22);
    refused(&journal, &disk, "the journal ends at sequence 10");
    let twice = [20, 20].map(|number| evaluated(number, 0));
    let twice = twice.iter().map(|order| PendingOrder::new(1, &order.order));
    journal.pending_file.write(10, twice).unwrap();
    refused(&journal, &disk, "is in it twice");
}

/// A service commits, and removes or replaces the file, at any moment of the
/// verification.
#[test]
fn what_a_service_does_meanwhile_is_no_damage() {
    for action in 0..3 {
        let (mut moment, mut moments) = (0, 1);
        while moment < moments {
            let (disk, journal) = ten();
            write(&journal, 10, 20..25);
            let state = Arc::new(Mutex::new((0, journal)));
            let shared = state.clone();
            let interrupt = move || {
                let (count, journal) = &mut *shared.lock().unwrap();
                if *count == moment {
                    for number in 20..25 {
                        append(&mut journal.ledger, &[evaluated(number, 20)])
                            .1
                            .unwrap();
                    }
                    match action {
                        0 => {}
                        1 => journal.pending_file.remove().unwrap(),
                        _ => write(journal, 15, 30..33),
                    }
                }
                *count += 1;
            };
            let source = InterruptedSource {
                disk,
                interrupt: Arc::new(interrupt),
            };
            let case = format!("{action} at moment {moment}");
            let found = verified(&source).unwrap_or_else(|error| panic!("{case}: {error}"));
            let allowed = match action {
                0 => [Some(5), Some(5)],
                1 => [Some(5), None],
                _ => [Some(5), Some(3)],
            };
            assert!(
                allowed.contains(&found.pending_orders),
                "{case}: {:?}",
                found.pending_orders
            );
            moments = state.lock().unwrap().0;
            moment += 1;
        }
        assert!(moments > 5);
    }
}
