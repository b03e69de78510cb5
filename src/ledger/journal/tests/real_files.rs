//! On real files: the lock, directories, threads, retention.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, committed, evaluated, options, read_all,
};
use crate::ledger::journal::{Journal, OpenError, Options, open};
use crate::ledger::{Archive, ReadError};

/// A directory that is removed with the test.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("orders-journal-{}-{number}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Of an earlier process with this number, which was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.join("a")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn start(scratch: &Scratch, options: &Options) -> Result<Journal<Evaluated>, OpenError> {
    open(
        &scratch.data(),
        options,
        Arc::new(|| {}),
        &mut |_| {},
        &mut |_| {},
    )
}

/// Copies of this process's descriptors of what is in the directory, and of
/// itself.
fn opened_below(dir: &Path) -> Vec<OwnedFd> {
    let process = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let below = descriptors.filter(|entry| {
        let opened = fs::read_link(entry.path());
        opened.is_ok_and(|path| path.starts_with(dir))
    });
    let copies = below.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()
    });
    copies.collect()
}

#[test]
fn one_process_at_a_time() {
    let scratch = Scratch::new("lock");
    let mut journal = start(&scratch, &options(1 << 16)).unwrap();
    append(&mut journal.ledger, &[evaluated(1, 0)]).1.unwrap();
    let refused = start(&scratch, &options(1 << 16)).map(|_| ()).unwrap_err();
    let OpenError::Locked { holder, .. } = &refused else {
        panic!("{refused}");
    };
    let holder = holder.as_ref().expect("it is named");
    assert_eq!(holder.pid, std::process::id());
    let id = journal.recovered.ledger;
    // What may still write into it keeps it locked.
    drop(journal.ledger);
    assert!(start(&scratch, &options(1 << 16)).is_err());
    drop(journal.pending_file);
    let journal = start(&scratch, &options(1 << 16)).unwrap();
    assert_eq!(
        (journal.recovered.ledger, journal.recovered.last_seq),
        (id, 1)
    );
    assert_eq!(id.to_string().len(), 32);
    // Nor does a child that was forked keep it locked, which has the same files
    // open until it comes to execve(2).
    let as_in_a_child = opened_below(&scratch.data());
    assert!(as_in_a_child.len() >= 3, "lock, manifest, directory");
    drop(journal);
    drop(start(&scratch, &options(1 << 16)).unwrap());
    drop(as_in_a_child);
    // Another directory is another ledger.
    let other = Scratch::new("other");
    assert_ne!(
        start(&other, &options(1 << 16)).unwrap().recovered.ledger,
        id
    );
}

#[test]
fn a_directory_that_is_none_is_refused() {
    let scratch = Scratch::new("none");
    fs::write(scratch.0.join("a"), "a file").unwrap();
    let refused = start(&scratch, &options(1 << 16)).map(|_| ()).unwrap_err();
    assert!(matches!(refused, OpenError::Directory { .. }), "{refused}");
    // Nobody can write there, root included.
    let proc = std::path::Path::new("/proc/self");
    let refused = open::<Evaluated>(
        proc,
        &options(1 << 16),
        Arc::new(|| {}),
        &mut |_| {},
        &mut |_| {},
    );
    let refused = refused.map(|_| ()).unwrap_err();
    assert!(matches!(refused, OpenError::Directory { .. }), "{refused}");
    assert!(refused.to_string().contains("/proc/self"), "{refused}");
}

#[test]
fn readers_follow_while_segments_change() {
    let scratch = Scratch::new("along");
    let options = options(64 << 10);
    let mut journal = start(&scratch, &options).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (archive, ended) = (&journal.archive, &ended);
        scope.spawn(move || {
            let (mut after, mut last) = (0, false);
            loop {
                let found = archive.range(after, 100, 20_000).unwrap();
                for record in &found {
                    after += 1;
                    assert_eq!(record.outcome.seq, after);
                    assert!(evaluated(after, 200).is_in(record));
                }
                if last && found.is_empty() {
                    break;
                }
                last = ended.load(Ordering::Acquire);
            }
            assert_eq!(after, 2000);
        });
        /// Ends the reader, also if the test panics.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let _end = End(ended);
        let mut next = 1;
        for batch in 1..=100_u64 {
            let count = batch % 49 + 1;
            let orders: Vec<_> = (next..=2000.min(next + count - 1))
                .map(|n| evaluated(n, 200))
                .collect();
            let (completions, result) = append(&mut journal.ledger, &orders);
            result.unwrap();
            next += committed(&completions).len() as u64;
        }
        assert_eq!(next, 2001);
    });
    assert!(scratch.data().join(segment_name(8)).exists());
    // Through the threads, in one go.
    let (replies, replied) = mpsc::channel();
    for seq in 1..=100 {
        let replies = replies.clone();
        journal.archive.read(
            seq,
            Box::new(move |read| replies.send((seq, read)).unwrap()),
        );
    }
    for _ in 1..=100 {
        let (seq, read) = replied.recv().unwrap();
        assert_eq!(read.unwrap().outcome.seq, seq);
    }
    let sender = replies.clone();
    journal
        .archive
        .read(2001, Box::new(move |read| sender.send((0, read)).unwrap()));
    assert!(matches!(
        replied.recv().unwrap().1,
        Err(ReadError::Failed(_))
    ));
    drop(journal);
    let journal = start(
        &scratch,
        &Options {
            window: 10,
            ..options
        },
    )
    .unwrap();
    assert!((10..500).contains(&journal.recovered.records));
    assert_eq!(read_all(&journal).len(), 2000);
}

#[test]
fn too_many_reads_are_refused_at_once() {
    let scratch = Scratch::new("busy");
    let mut journal = start(&scratch, &options(1 << 16)).unwrap();
    append(&mut journal.ledger, &[evaluated(1, 0)]).1.unwrap();
    let (hold, held) = (
        Arc::new(std::sync::Barrier::new(3)),
        Arc::new(std::sync::Barrier::new(3)),
    );
    for _ in 0..2 {
        let (hold, held) = (hold.clone(), held.clone());
        let block = move |_| {
            held.wait();
            hold.wait();
        };
        journal.archive.read_range(0, 1, 1, Box::new(block));
    }
    held.wait(); // both readers are busy now
    let (replies, replied) = mpsc::channel();
    for _ in 0..300 {
        let replies = replies.clone();
        journal
            .archive
            .read(1, Box::new(move |read| replies.send(read).unwrap()));
    }
    let busy = replied
        .try_iter()
        .filter(|read| *read == Err(ReadError::Busy))
        .count();
    assert_eq!(busy, 300 - 256);
    hold.wait();
    assert!((0..256).all(|_| replied.recv().unwrap().is_ok()));
}

#[test]
fn the_oldest_segments_are_removed_and_the_window_stays() {
    let scratch = Scratch::new("retain");
    let options = Options {
        window: 300,
        retain_bytes: Some(4 << 16),
        retain_age: None,
        expected: None,
        segment_bytes: Some(1 << 16),
    };
    let mut journal = start(&scratch, &options).unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    let mut next = 1;
    let files = || fs::read_dir(scratch.data()).unwrap().count() - 3; // lock, ledger, extent
    // Fifty orders are some 60 KiB, a segment; the window is some six.
    for _ in 0..30 {
        let orders: Vec<_> = (next..next + 50).map(|n| evaluated(n, 1000)).collect();
        append(&mut journal.ledger, &orders).1.unwrap();
        next += 50;
        let oldest = journal.archive.oldest_seq();
        assert!(oldest == 1 || oldest + 300 <= next, "{oldest} at {next}");
    }
    let last = next - 1;
    // The preallocator removes them concurrently.
    while files() > 8 {
        assert!(Instant::now() < limit, "{} segments are left", files());
        std::thread::yield_now();
    }
    let Journal {
        ledger,
        archive,
        metrics,
        pending_file,
        ..
    } = journal;
    drop(ledger);
    drop(pending_file);
    let oldest = archive.oldest_seq();
    assert!(oldest > 1 && oldest + 300 <= last + 1);
    let gone = ReadError::Gone { seq: 1, oldest };
    assert_eq!(archive.range(0, 1, 1).unwrap_err(), gone);
    let rest = archive.range(oldest - 1, usize::MAX, usize::MAX).unwrap();
    assert_eq!(rest.len() as u64, last - oldest + 1);
    assert!(metrics.bytes() <= 9 << 16);
    let journal = start(&scratch, &options).unwrap();
    assert_eq!(
        (journal.recovered.oldest_seq, journal.recovered.last_seq),
        (oldest, last)
    );
    assert!(journal.recovered.records >= 300);
}

/// A reader thread's panic ends the process, as any other thread's: nobody waits
/// for an answer that doesn't come. In a process of its own.
#[test]
fn a_reader_that_panics_ends_the_process() {
    const CHILD: &str = "ORDERS_TEST_READER_PANICS";
    const THIS: &str = "ledger::journal::tests::real_files::a_reader_that_panics_ends_the_process";
    if let Some(dir) = std::env::var_os(CHILD) {
        let options = options(1 << 16);
        let dir = PathBuf::from(dir);
        let journal: Journal<Evaluated> =
            open(&dir, &options, Arc::new(|| {}), &mut |_| {}, &mut |_| {}).unwrap();
        journal
            .archive
            .read(1, Box::new(|_| panic!("as the test asked for")));
        std::thread::sleep(Duration::from_secs(60)); // it ends before
        return;
    }
    let scratch = Scratch::new("panics");
    let begun = Instant::now();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", THIS])
        .env(CHILD, scratch.data())
        .output()
        .unwrap();
    // The test runner's own code for a failed test is 101, for a passed one 0.
    assert_eq!(child.status.code(), Some(1), "{child:?}");
    assert!(begun.elapsed() < Duration::from_secs(50));
}

/// What is removed is gone: no reader holds it open.
#[test]
fn a_removed_segment_is_not_held_open() {
    let scratch = Scratch::new("held");
    let options = Options {
        window: 1,
        retain_bytes: Some(3 << 16),
        retain_age: None,
        expected: None,
        segment_bytes: Some(1 << 16),
    };
    let mut journal = start(&scratch, &options).unwrap();
    let (replies, replied) = mpsc::channel();
    let limit = Instant::now() + Duration::from_secs(60);
    for batch in 0.. {
        let orders: Vec<_> = (0..20).map(|n| evaluated(batch * 20 + n, 1000)).collect();
        append(&mut journal.ledger, &orders).1.unwrap();
        // The oldest of all is what goes next.
        let replies = replies.clone();
        let oldest = journal.archive.oldest_seq();
        let reply = move |read: crate::ledger::Read| replies.send(read.is_ok()).unwrap();
        journal.archive.read(oldest, Box::new(reply));
        replied.recv().unwrap();
        if oldest > 200 {
            break;
        }
        assert!(Instant::now() < limit, "{oldest}");
    }
    let dir = scratch.data();
    let deleted = || {
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let mut files = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        files.find(|file| file.starts_with(&dir) && file.to_string_lossy().ends_with("(deleted)"))
    };
    // A removal may be under way.
    while let Some(held) = deleted() {
        assert!(Instant::now() < limit, "{}", held.display());
        std::thread::yield_now();
    }
}

#[test]
fn files_and_directories_are_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("modes");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let all_are_restricted = || {
        for entry in fs::read_dir(scratch.data()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    };
    drop(start(&scratch, &options(1 << 16)).unwrap());
    assert_eq!(mode(&scratch.data()), 0o700);
    all_are_restricted();
    for entry in fs::read_dir(scratch.data()).unwrap() {
        let open = fs::Permissions::from_mode(0o666);
        fs::set_permissions(entry.unwrap().path(), open).unwrap();
    }
    drop(start(&scratch, &options(1 << 16)).unwrap());
    all_are_restricted();
}
