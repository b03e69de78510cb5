//! A start with pending orders: their outcomes are searched for, and a file
//! that doesn't belong to the journal is refused.

use crate::ledger::Archive;
use crate::ledger::journal::file_names::PENDING;
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tests::disk::{Disk, Fault};
use crate::ledger::journal::tests::fixture::{append, evaluated, open, options};
use crate::ledger::journal::{OpenError, Options, PendingOrder};

/// A journal with one pending order, three outcomes before it and two after.
fn with_one_pending(seed: u64) -> (Disk, Options) {
    let disk = Disk::new(seed);
    let options = Options {
        window: 1,
        retain_bytes: Some(1),
        ..options(1024)
    };
    let (mut journal, _) = open(&disk, &options).unwrap();
    let orders: Vec<_> = (1..=3).map(|number| evaluated(number, 0)).collect();
    append(&mut journal.ledger, &orders).1.unwrap();
    let waits = evaluated(10, 0);
    let pending = PendingOrder::new(waits.accepted_at, &waits.order);
    let pending = [pending].into_iter();
    journal.pending_file.write(3, pending).unwrap();
    let later: Vec<_> = (4..=5).map(|number| evaluated(number, 0)).collect();
    append(&mut journal.ledger, &later).1.unwrap();
    (disk, options)
}

#[test]
fn outcomes_are_not_removed_while_they_may_be_searched() {
    let (disk, options) = with_one_pending(5);
    let (mut journal, _) = open(&disk, &options).unwrap();
    assert_eq!(journal.pending_orders.len(), 1);
    append(&mut journal.ledger, &[evaluated(10, 0)]).1.unwrap();
    for number in 20..60 {
        append(&mut journal.ledger, &[evaluated(number, 200)])
            .1
            .unwrap();
    }
    assert!(
        journal.archive.oldest_seq() <= 4,
        "retained for the next start"
    );
    // Killed before the file is removed: its outcome is far behind the window.
    drop(journal);
    let (mut journal, _) = open(&disk, &options).unwrap();
    assert!(journal.pending_orders.is_empty());
    assert!(!disk.names().unwrap().iter().any(|name| name == PENDING));
    for number in 60..100 {
        append(&mut journal.ledger, &[evaluated(number, 200)])
            .1
            .unwrap();
    }
    assert!(journal.archive.oldest_seq() > 40, "removed again");
}

/// A file whose removal may not be durable may come back.
#[test]
fn outcomes_are_not_removed_before_the_file_is() {
    for seed in 0..10 {
        let (disk, options) = with_one_pending(seed);
        let (mut journal, _) = open(&disk, &options).unwrap();
        append(&mut journal.ledger, &[evaluated(10, 0)]).1.unwrap();
        disk.plan(2, Fault::SyncFails);
        assert!(journal.pending_file.remove().is_err());
        assert!(!disk.names().unwrap().iter().any(|name| name == PENDING));
        for number in 20..60 {
            let orders = [evaluated(number, 200)];
            append(&mut journal.ledger, &orders).1.unwrap();
        }
        let oldest = journal.archive.oldest_seq();
        assert!(oldest <= 4, "{oldest}: retained for the next start");
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let refusal = |change: &dyn Fn(&Disk, &Options)| {
        let (disk, options) = with_one_pending(5);
        change(&disk, &options);
        let error = open(&disk, &options).map(|_| ()).unwrap_err();
        assert!(disk.names().unwrap().iter().any(|name| name == PENDING));
        error
    };
    // The journal is older than the pending file.
    let write_at = |disk: &Disk, options: &Options, seq, ids: &[u64]| {
        let (journal, _) = open(disk, options).unwrap();
        let orders: Vec<_> = ids.iter().map(|&id| evaluated(id, 0)).collect();
        let pending = orders
            .iter()
            .map(|order| PendingOrder::new(1, &order.order));
        journal.pending_file.write(seq, pending).unwrap();
    };
    for (seq, ids, why) in [
        (6, &[10][..], "ends at sequence 5, though it reached 6"),
        (3, &[10, 11, 10], "the id o-10 is in it twice"),
    ] {
        let error = refusal(&|disk, options| write_at(disk, options, seq, ids));
        assert!(error.to_string().contains(why), "{error}");
    }
    let gone = refusal(&|disk, options| {
        {
            let (mut journal, _) = open(disk, options).unwrap();
            journal.pending_file.remove().unwrap();
            for number in 20..60 {
                append(&mut journal.ledger, &[evaluated(number, 200)])
                    .1
                    .unwrap();
            }
        }
        write_at(disk, options, 5, &[10]);
    });
    assert!(gone.to_string().contains("are gone"), "{gone}");
    let no_manifest = refusal(&|disk, _| {
        let segments = disk.names().unwrap();
        for name in segments.iter().filter(|name| *name != PENDING) {
            disk.forget(name);
        }
    });
    assert!(
        matches!(no_manifest, OpenError::NoManifest { .. }),
        "{no_manifest}"
    );
}
