//! The data directory is held, not its path: locks that can't be taken away
//! unseen, and a directory that is moved or removed under the journal.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::journal::file_names::{LOCK, MANIFEST, segment_name};
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, committed, evaluated, options, read_all,
};
use crate::ledger::journal::tests::real_files::{Scratch, start};
use crate::ledger::journal::{Journal, OpenError, Options, open};
use crate::ledger::{CommitResult, Ledger};

fn start_in(dir: &Path, options: &Options) -> Result<Journal<Evaluated>, OpenError> {
    open(dir, options, Arc::new(|| {}), &mut |_| {}, &mut |_| {})
}

#[track_caller]
fn refused(dir: &Path) -> OpenError {
    match start_in(dir, &options(1 << 16)) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn removing_the_lock_file_lets_nobody_in() {
    let scratch = Scratch::new("unlocked");
    let dir = scratch.data();
    let mut journal = start(&scratch, &options(1 << 16)).unwrap();
    fs::remove_file(dir.join(LOCK)).unwrap();
    for _ in 0..2 {
        let error = refused(&dir);
        let OpenError::Locked { holder: None, .. } = &error else {
            panic!("{error}");
        };
        let told = error.to_string();
        assert!(
            told.contains("in use by another process") && told.contains("doesn't release it"),
            "{told}"
        );
    }
    let done = append(&mut journal.ledger, &[evaluated(1, 0)]).0;
    assert_eq!(committed(&done), [1]);
}

/// Earlier versions of the program lock that file and nothing else.
#[test]
fn the_lock_file_counts_as_well() {
    let scratch = Scratch::new("lock-file");
    let dir = scratch.data();
    drop(start(&scratch, &options(1 << 16)).unwrap());
    let earlier = fs::File::options()
        .write(true)
        .open(dir.join(LOCK))
        .unwrap();
    earlier.lock().unwrap();
    let error = refused(&dir);
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    let told = format!("process {} on host ", std::process::id());
    assert!(error.to_string().contains(&told), "{error}");
    drop(earlier);
    start(&scratch, &options(1 << 16)).unwrap();
}

#[test]
fn a_directory_of_hard_links_is_locked_too() {
    let scratch = Scratch::new("links");
    let dir = scratch.data();
    let _journal = start(&scratch, &options(1 << 16)).unwrap();
    let links = scratch.0.join("links");
    fs::create_dir(&links).unwrap();
    for name in [MANIFEST, &segment_name(1)] {
        fs::hard_link(dir.join(name), links.join(name)).unwrap();
    }
    let error = refused(&links);
    assert!(matches!(error, OpenError::SharedFiles { .. }), "{error}");
}

/// Two journals, one of which was moved away from the other's path: neither
/// touches the other's files.
#[test]
fn a_journal_goes_on_in_a_directory_that_is_moved() {
    let scratch = Scratch::new("moved");
    let (dir, moved) = (scratch.data(), scratch.0.join("moved"));
    let options = options(1 << 12);
    let mut first = start_in(&dir, &options).unwrap();
    let mut number = 0;
    let mut commit = |journal: &mut Journal<Evaluated>| {
        number += 1;
        let (done, result) = append(&mut journal.ledger, &[evaluated(number, 800)]);
        result.unwrap();
        committed(&done)[0]
    };
    assert_eq!(commit(&mut first), 1);
    fs::rename(&dir, &moved).unwrap();
    let mut second = start_in(&dir, &options).unwrap();
    assert_ne!(first.recovered.ledger, second.recovered.ledger);
    for seq in 1..=30 {
        assert_eq!((commit(&mut first), commit(&mut second)), (seq + 1, seq));
    }
    assert!(matches!(refused(&moved), OpenError::Locked { .. }));
    let found = [read_all(&first), read_all(&second)];
    drop((first, second));
    for (dir, found) in [&moved, &dir].into_iter().zip(found) {
        let again = start_in(dir, &options).unwrap();
        assert_eq!(read_all(&again), found, "{}", dir.display());
    }
}

#[test]
fn nothing_is_acknowledged_into_a_directory_that_is_gone() {
    let scratch = Scratch::new("gone");
    let mut journal = start(&scratch, &options(1 << 16)).unwrap();
    append(&mut journal.ledger, &[evaluated(0, 0)]).1.unwrap();
    // From then on the preallocator has nothing to do for seconds, in which the
    // commits themselves must notice.
    while !scratch.data().join(segment_name(2)).exists() {
        thread::yield_now();
    }
    // It may be writing the extent.
    while scratch.data().exists() {
        let _ = fs::remove_dir_all(scratch.data());
    }
    let removed = Instant::now();
    let mut numbers = 1..;
    loop {
        let order = evaluated(numbers.next().unwrap(), 0);
        let begun = Instant::now();
        let (_, result) = append(&mut journal.ledger, &[order]);
        let Err(error) = result else {
            let late = begun - removed;
            assert!(late < Duration::from_millis(20), "committed {late:?} later");
            continue;
        };
        assert!(error.to_string().contains("was removed"), "{error}");
        break;
    }
    let (done, _) = append(&mut journal.ledger, &[evaluated(1, 0)]);
    assert_eq!(done[0].result, CommitResult::InDoubt);
}

#[test]
fn an_idle_journal_notices_that_its_directory_is_gone() {
    let scratch = Scratch::new("idle");
    let (woken, wakes) = std::sync::mpsc::channel();
    let wake = Arc::new(move || {
        let _ = woken.send(()); // the test may be over
    });
    let options = options(1 << 16);
    let mut journal: Journal<Evaluated> =
        open(&scratch.data(), &options, wake, &mut |_| {}, &mut |_| {}).unwrap();
    append(&mut journal.ledger, &[evaluated(0, 0)]).1.unwrap();
    // A file may be made in it meanwhile.
    while scratch.data().exists() {
        let _ = fs::remove_dir_all(scratch.data());
    }
    wakes.recv_timeout(Duration::from_secs(60)).expect("woken");
    let error = journal.ledger.completions(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("was removed"), "{error}");
}
