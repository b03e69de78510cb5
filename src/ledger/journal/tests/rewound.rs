//! A journal that went back: segments gone, an older copy in their place, a
//! backup restored. Its ledger id changes, so that readers notice.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::ledger::journal::copy::{Kind, copy};
use crate::ledger::journal::extent::Rewound;
use crate::ledger::journal::file_names::{EXTENT, MANIFEST, segment_name, segment_number};
use crate::ledger::journal::storage::{Source, Storage};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, evaluated, open, options, read_all,
};
use crate::ledger::journal::tests::live_reader::{replayed, verified};
use crate::ledger::journal::tests::live_writes::InterruptedSource;
use crate::ledger::journal::tests::real_files::{Scratch, start};
use crate::ledger::journal::{Journal, OpenError, backup, replay, restore, verify};
use crate::ledger::{Archive, LedgerId};

const SEGMENT: u64 = 1024;

fn write(journal: &mut Journal<Evaluated>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        append(&mut journal.ledger, &[evaluated(number, 60)])
            .1
            .unwrap();
    }
}

/// The id and the reason of a start.
fn opened(disk: &Disk) -> (LedgerId, Option<Rewound>) {
    let (journal, _) = open(disk, &options(SEGMENT)).unwrap();
    assert_eq!(journal.archive.ledger_id(), journal.recovered.ledger);
    (journal.recovered.ledger, journal.recovered.rewound.clone())
}

#[test]
fn a_journal_whose_segments_are_gone_is_another_ledger() {
    for orders in [1, 20] {
        for killed in [false, true] {
            let disk = Disk::new(1);
            let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
            let id = journal.recovered.ledger;
            write(&mut journal, 0..orders);
            let disk = if killed {
                disk.copy()
            } else {
                drop(journal);
                disk
            };
            assert_eq!(opened(&disk.copy()), (id, None), "nothing is gone");
            let found = verified(&disk).unwrap();
            assert_eq!((found.ledger, found.rewound), (id, None));
            for name in disk.names().unwrap() {
                if segment_number(&name).is_some() {
                    disk.forget(&name);
                }
            }
            let found = verified(&disk).unwrap();
            assert_eq!(
                (found.ledger, &found.rewound),
                (id, &Some(Rewound::Emptied))
            );
            let (renamed, why) = opened(&disk);
            assert_ne!(renamed, id);
            assert_eq!(why, Some(Rewound::Emptied));
            // Once: the next start finds it in order, and the same id.
            assert_eq!(opened(&disk), (renamed, None));
        }
    }
}

#[test]
fn a_journal_that_ends_earlier_is_another_ledger() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
    let id = journal.recovered.ledger;
    write(&mut journal, 0..5);
    let older = disk.copy();
    write(&mut journal, 5..30);
    drop(journal);
    // The segments of then, the extent of now.
    for name in disk.names().unwrap() {
        if segment_number(&name).is_some() {
            disk.forget(&name);
        }
    }
    for number in 1.. {
        let name = segment_name(number);
        if !older.names().unwrap().contains(&name) {
            break;
        }
        disk.create(&name).unwrap();
        disk.change(&name, |bytes| *bytes = older.bytes(&name));
    }
    disk.sync_names().unwrap();
    let why = Some(Rewound::Behind {
        found: 5,
        reached: 30,
    });
    assert_eq!(verified(&disk).unwrap().rewound, why);
    let (renamed, found) = opened(&disk);
    assert!(renamed != id && found == why, "{found:?}");
    assert_eq!(opened(&disk), (renamed, None));
}

#[test]
fn a_damaged_extent_is_no_proof_that_nothing_is_gone() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
    let id = journal.recovered.ledger;
    write(&mut journal, 0..5);
    drop(journal);
    for at in 0..64 {
        let disk = disk.copy();
        disk.change(EXTENT, |bytes| bytes[at] ^= 1);
        let (renamed, why) = opened(&disk);
        assert_eq!((renamed != id, why), (true, Some(Rewound::Unreadable)));
    }
    // Earlier versions have none.
    disk.forget(EXTENT);
    assert_eq!(opened(&disk), (id, None));
}

/// A backup at every moment of a writer: it is whole, holds what was there when
/// it began, and is another ledger once it is restored.
#[test]
fn a_backup_beside_a_writer_is_whole() {
    let mut moments = 1;
    let mut moment = 0;
    while moment < moments {
        let disk = Disk::new(1);
        let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
        write(&mut journal, 0..7);
        let id = journal.recovered.ledger;
        let state = Arc::new(std::sync::Mutex::new((0, journal)));
        let shared = state.clone();
        let source = InterruptedSource {
            disk: disk.clone(),
            interrupt: Arc::new(move || {
                let (count, journal) = &mut *shared.lock().unwrap();
                if *count == moment {
                    write(journal, 7..20);
                }
                *count += 1;
            }),
        };
        for (kind, keeps_id) in [(Kind::Backup, true), (Kind::Restored, false)] {
            let target = Disk::new(2);
            let storage: Arc<dyn Storage> = Arc::new(target.clone());
            let copied = copy(&source, Path::new("nowhere"), &storage, kind).unwrap();
            assert_eq!(copied.ledger == id, keeps_id);
            assert!((7..=20).contains(&copied.last_seq), "{moment}: {copied:?}");
            target.restart(crate::ledger::journal::tests::disk::Crash::PowerLoss);
            let found = verified(&target).unwrap();
            assert_eq!(found.last_seq, copied.last_seq, "{moment}");
            assert_eq!(found.rewound.is_some(), kind == Kind::Backup);
            let all = replayed(&disk, None).unwrap();
            let there = replayed(&target, None).unwrap();
            assert_eq!(there[..], all[..copied.last_seq as usize]);
            let (started, why) = opened(&target);
            assert_ne!(started, id);
            assert_eq!(why, (kind == Kind::Backup).then_some(Rewound::Copy));
        }
        moments = state.lock().unwrap().0.min(60);
        moment += 1;
    }
    assert!(moments > 5);
}

/// On real files: a plain copy, a backup, and a backup restored.
#[test]
fn copies_of_a_directory_are_other_ledgers() {
    let scratch = Scratch::new("copies");
    let options = options(1 << 14);
    let mut journal = start(&scratch, &options).unwrap();
    let id = journal.recovered.ledger;
    write(&mut journal, 0..100);
    let data = scratch.data();
    let (saved, restored) = (scratch.0.join("saved"), scratch.0.join("restored"));
    let made = backup(&data, &saved).unwrap();
    assert_eq!((made.ledger, made.first_seq, made.last_seq), (id, 1, 100));
    write(&mut journal, 100..150);
    let all = read_all(&journal);
    drop(journal);
    assert_eq!(start(&scratch, &options).unwrap().recovered.ledger, id);
    let occupied = backup(&data, &saved).unwrap_err();
    assert!(matches!(occupied, OpenError::Occupied { .. }), "{occupied}");
    let nothing = restore(&scratch.0.join("none"), &scratch.0.join("new")).unwrap_err();
    assert!(matches!(nothing, OpenError::NoJournal { .. }), "{nothing}");
    assert!(!scratch.0.join("new").exists());

    let made = restore(&saved, &restored).unwrap();
    assert!(made.ledger != id && made.last_seq == 100);
    let mut seqs = 0;
    replay(&restored, None, None, &mut |record| {
        assert_eq!(record.to_record(), all[seqs]);
        seqs += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seqs, 100);
    let found = verify(&restored, &mut |_| {}).unwrap();
    assert_eq!((found.ledger, found.rewound), (made.ledger, None));

    // File by file, after a clean end.
    let plain = scratch.0.join("plain");
    fs::create_dir(&plain).unwrap();
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, plain.join(path.file_name().unwrap())).unwrap();
    }
    assert!(plain.join(MANIFEST).exists());
    let found = verify(&plain, &mut |_| {}).unwrap();
    if fs::metadata(plain.join(EXTENT)).unwrap().created().is_ok() {
        assert_eq!(found.rewound, Some(Rewound::Copy));
    }
}
