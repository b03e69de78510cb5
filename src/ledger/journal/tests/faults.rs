//! Failed syncs and full disks, one at each operation.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::ledger::journal::directory_tree::DirectoryTree;
use crate::ledger::journal::file_names::{MANIFEST, segment_name, segment_number};
use crate::ledger::journal::lock::DirectoryLock;
use crate::ledger::journal::storage::{Source, Storage};
use crate::ledger::journal::tests::disk::{Crash, Disk, Fault};
use crate::ledger::journal::tests::fixture::{
    append, committed, evaluated, open, options, read_all,
};
use crate::ledger::journal::writer::WriterState;
use crate::ledger::journal::{OpenError, Options};
use crate::ledger::{Archive, CommitResult, Ledger};

#[test]
fn a_failed_sync_ends_the_ledger() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(4096)).unwrap();
    assert_eq!(
        committed(&append(&mut journal.ledger, &[evaluated(1, 0)]).0),
        [1]
    );
    disk.plan(2, Fault::SyncFails); // a write, then the sync
    let (completions, result) = append(&mut journal.ledger, &[evaluated(2, 0)]);
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("fdatasync of journal-0000000001.seg")
    );
    assert!(
        completions
            .iter()
            .all(|completion| completion.result == CommitResult::InDoubt)
    );
    let WriterState::Failed(why) = journal.ledger.state() else {
        panic!("{:?}", journal.ledger.state());
    };
    assert!(why.contains("fdatasync"), "{why}");
    // Nothing is written or synced any more, not even a seal.
    let ops = disk.ops();
    assert_eq!(journal.ledger.capacity_left(), 0);
    let (completions, result) = append(&mut journal.ledger, &[evaluated(3, 0)]);
    assert!(result.is_err() && completions[0].result == CommitResult::InDoubt);
    assert!(journal.ledger.completions(&mut Vec::new()).is_err());
    // What was durable can still be read, and nothing else.
    assert_eq!(read_all(&journal).len(), 1);
    drop(journal);
    assert_eq!(disk.ops(), ops);
}

#[test]
fn a_failed_write_ends_the_ledger() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(4096)).unwrap();
    append(&mut journal.ledger, &[evaluated(0, 0)]).1.unwrap();
    disk.plan(1, Fault::Fails);
    assert!(append(&mut journal.ledger, &[evaluated(1, 0)]).1.is_err());
    assert!(matches!(journal.ledger.state(), WriterState::Failed(_)));
}

/// No space at each operation of a run that changes segments: nothing is half
/// written, and it resumes when there is space.
#[test]
fn a_full_disk_is_waited_out() {
    let batches: Vec<Vec<_>> = (0..12)
        .map(|batch| (0..3).map(|n| evaluated(batch * 3 + n, 60)).collect())
        .collect();
    let run = |disk: &Disk, dies_full: bool| {
        let (mut journal, _) = open(disk, &options(1024)).ok()?;
        let mut was_full = false;
        let mut acknowledged = 0;
        for batch in &batches {
            let (mut completions, result) = append(&mut journal.ledger, batch);
            // A sync that finds no space is a failed sync.
            if result.is_err() {
                disk.plan_nothing();
                break;
            }
            while completions.len() < batch.len() {
                was_full = true;
                let WriterState::Waiting(why) = journal.ledger.state() else {
                    panic!("{:?}", journal.ledger.state());
                };
                assert!(why.contains("can't"), "{why}");
                assert_eq!(journal.ledger.capacity_left(), 0);
                // No reader sees a part of it.
                assert_eq!(read_all(&journal).len(), acknowledged + completions.len());
                if dies_full {
                    drop(journal);
                    return Some((true, acknowledged + completions.len()));
                }
                journal.ledger.completions(&mut completions).unwrap();
            }
            assert!(matches!(journal.ledger.state(), WriterState::Healthy));
            assert!(journal.ledger.capacity_left() > 0);
            acknowledged += committed(&completions).len();
        }
        Some((was_full, acknowledged))
    };
    let disk = Disk::new(0);
    assert_eq!(run(&disk, false), Some((false, 36)));
    let total = disk.ops();
    let (mut full, mut died) = (0, 0);
    for at in 1..=total {
        for ops in [0, 1, 3, 7] {
            for dies_full in [false, true] {
                let disk = Disk::new(at * 10 + ops);
                disk.plan(at, Fault::Full(ops));
                let Some((was_full, acknowledged)) = run(&disk, dies_full) else {
                    continue; // the start itself found no space
                };
                full += u64::from(was_full);
                died += u64::from(was_full && dies_full);
                disk.restart(if at % 2 == 0 {
                    Crash::PowerLoss
                } else {
                    Crash::Kill
                });
                let (_, visited) = open(&disk, &options(1024))
                    .unwrap_or_else(|error| panic!("{at}, {ops}: {error}"));
                // A batch whose sync failed may be there; half of one never.
                assert!(
                    visited.len() == acknowledged || visited.len() == acknowledged + 3,
                    "{at}, {ops}"
                );
            }
        }
    }
    assert!(full > 20 && died > 10, "{full}, {died}");
}

/// A directory whose names can't be synced.
struct Unsyncable(Disk, Errno);

impl DirectoryTree for Unsyncable {
    fn is_dir(&self, path: &Path) -> bool {
        self.0.is_dir(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<()> {
        self.0.read_dir(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Err(self.1.into())
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Storage>> {
        DirectoryTree::open(&self.0, path)
    }
}

/// A parent on a read-only file system, or one that can't sync directories, is
/// no reason not to start; a disk that fails is.
#[test]
fn a_parent_that_cannot_be_synced_is_no_obstacle() {
    for (errno, starts) in [
        (Errno::INVAL, true),
        (Errno::ROFS, true),
        (Errno::NOTSUP, true),
        (Errno::NOSYS, true),
        (Errno::ACCESS, true),
        (Errno::PERM, true),
        (Errno::IO, false),
        (Errno::NOSPC, false),
    ] {
        let tree = Unsyncable(Disk::new(1), errno);
        for _ in 0..2 {
            let locked = DirectoryLock::acquire(&tree, Path::new("/data/orders"));
            assert_eq!(locked.is_ok(), starts, "{errno:?}");
        }
    }
}

/// An error at each operation of the preallocator, one at a time: it makes the
/// next segment all the same, and goes on removing old ones.
#[test]
fn an_error_of_the_preallocator_ends_nothing() {
    let options = Options {
        window: 1,
        retain_bytes: Some(4 << 10),
        ..options(1024)
    };
    let run = |disk: &Disk, fails_at: Option<u64>| {
        let (mut journal, _) = open(disk, &options).unwrap();
        fails_at.inspect(|&at| disk.plan(at, Fault::Fails));
        let mut committed_up_to = 0;
        for number in 0..60 {
            let (mut done, mut result) = append(&mut journal.ledger, &[evaluated(number, 300)]);
            let mut tries = 0;
            while result.is_ok() && done.is_empty() {
                tries += 1;
                assert!(tries < 10, "{fails_at:?}: {:?}", journal.ledger.state());
                result = journal.ledger.completions(&mut done);
            }
            if let Err(error) = result {
                // An operation of the writer: not of what a failed attempt at a
                // segment has left behind.
                assert!(!error.to_string().contains("exists already"), "{error}");
                return None;
            }
            committed_up_to = committed(&done)[0];
            // The one that was handed out last counts, written to or not.
            let names = disk.names().unwrap();
            let segments = names.iter().filter_map(|name| segment_number(name));
            assert!(fails_at.is_some() || segments.count() <= 4, "{names:?}");
        }
        assert_eq!(committed_up_to, 60);
        let oldest = journal.archive.oldest_seq();
        let segments = disk.names().unwrap();
        let segments = segments.iter().filter_map(|name| segment_number(name));
        assert!(oldest > 50, "{fails_at:?}: {oldest}");
        Some(segments.count())
    };
    let disk = Disk::new(0);
    let segments = run(&disk, None).unwrap();
    assert!(segments <= 4, "{segments}");
    let (total, mut survived) = (disk.ops(), 0);
    for at in 1..total {
        let disk = Disk::new(at);
        if let Some(found) = run(&disk, Some(at)) {
            // The last removal may be waiting to be tried again.
            assert!(found <= segments + 1, "{at}: {found}");
            survived += 1;
        }
        disk.restart(Crash::PowerLoss);
        let opened = open(&disk, &options);
        opened.unwrap_or_else(|error| panic!("{at}: {error}"));
    }
    assert!(survived > total / 2, "{survived} of {total}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(1024)).unwrap();
    for number in 0..20 {
        append(&mut journal.ledger, &[evaluated(number, 60)])
            .1
            .unwrap();
    }
    drop(journal);
    let refusal = |change: &dyn Fn(&Disk)| {
        let disk = disk.copy();
        change(&disk);
        open(&disk, &options(1024)).map(|_| ()).unwrap_err()
    };
    let missing = refusal(&|disk| disk.forget(&segment_name(2)));
    assert!(
        matches!(&missing, OpenError::Missing { file } if *file == segment_name(2)),
        "{missing}"
    );
    // The oldest may be missing.
    let without_first = disk.copy();
    without_first.forget(&segment_name(1));
    assert!(
        open(&without_first, &options(1024))
            .unwrap()
            .0
            .recovered
            .oldest_seq
            > 1
    );
    let no_manifest = refusal(&|disk| disk.forget(MANIFEST));
    assert!(
        matches!(no_manifest, OpenError::NoManifest { .. }),
        "{no_manifest}"
    );
    for at in 0..64 {
        let error = refusal(&|disk| disk.change(MANIFEST, |bytes| bytes[at] ^= 4));
        assert!(matches!(error, OpenError::Manifest { .. }), "{at}: {error}");
    }
    let header = |disk: &Disk, change: fn(&mut [u8])| {
        disk.change(&segment_name(2), |bytes| {
            change(bytes);
            let sum = crc32c::crc32c(&bytes[..60]).to_le_bytes();
            bytes[60..64].copy_from_slice(&sum);
        });
    };
    let newer = refusal(&|disk| header(disk, |bytes| bytes[8] = 3));
    assert!(
        matches!(newer, OpenError::Version { version: 3, .. }),
        "{newer}"
    );
    // The number of the segment before, the largest there is.
    let follows_none = refusal(&|disk| header(disk, |bytes| bytes[40..44].fill(0xFF)));
    assert!(
        matches!(follows_none, OpenError::Damaged { .. }),
        "{follows_none}"
    );
    let foreign = refusal(&|disk| header(disk, |bytes| bytes[16] ^= 1));
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign}");
    let other_number = refusal(&|disk| header(disk, |bytes| bytes[12] = 9));
    assert!(
        matches!(other_number, OpenError::Damaged { .. }),
        "{other_number}"
    );
    let gap = refusal(&|disk| header(disk, |bytes| bytes[32] += 1));
    assert!(matches!(gap, OpenError::Damaged { .. }), "{gap}");
    // All segments are lost except for the preallocated one.
    let last = disk
        .names()
        .unwrap()
        .iter()
        .filter_map(|name| segment_number(name))
        .max()
        .unwrap();
    let emptied = refusal(&|disk| (1..last).for_each(|number| disk.forget(&segment_name(number))));
    assert!(matches!(emptied, OpenError::Missing { .. }), "{emptied}");
}
