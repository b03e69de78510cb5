//! Reading a journal that grows meanwhile, which is not mistaken for damage.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::{fs, io};

use crate::ledger::journal::replay::ReplayError;
use crate::ledger::journal::storage::{File, Source};
use crate::ledger::journal::tests::damage::SEGMENT;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{append, evaluated, open, options};
use crate::ledger::journal::tests::live_reader::{replayed, verified};
use crate::ledger::journal::tests::real_files::{Scratch, start};
use crate::ledger::journal::{Options, replay, verify};

/// A disk on which something happens before every read.
#[derive(Clone)]
pub(super) struct InterruptedSource {
    pub disk: Disk,
    pub interrupt: Arc<dyn Fn() + Send + Sync>,
}

struct InterruptedFile(InterruptedSource, Box<dyn File>);

impl File for InterruptedFile {
    fn len(&self) -> io::Result<u64> {
        self.1.len()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.0.interrupt)();
        self.1.read_at(bytes, offset)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        panic!("a reader changes nothing")
    }
    fn sync(&self) -> io::Result<()> {
        self.1.sync()
    }
    fn is_linked(&self) -> io::Result<bool> {
        self.1.is_linked()
    }
    fn made_at(&self) -> io::Result<Option<u64>> {
        self.1.made_at()
    }
    fn try_lock(&self) -> io::Result<bool> {
        panic!("a reader locks nothing")
    }
}

impl Source for InterruptedSource {
    fn names(&self) -> io::Result<Vec<String>> {
        (self.interrupt)();
        self.disk.names()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        (self.interrupt)();
        let file = self.disk.open(name)?;
        Ok(Box::new(InterruptedFile(self.clone(), file)))
    }
}

/// A batch is committed at every moment of a verification, one after the other:
/// that is never damage, and what was there before is all found.
#[test]
fn a_journal_that_grows_is_whole() {
    // In the middle of a segment, at its end, and over several segments.
    for more in [1, 3, 20] {
        for before in [0, 1, 4, 7] {
            let mut moments = 1;
            let mut moment = 0;
            while moment < moments {
                let disk = Disk::new(1);
                let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
                for number in 0..before {
                    append(&mut journal.ledger, &[evaluated(number, 60)])
                        .1
                        .unwrap();
                }
                let state = Arc::new(Mutex::new((0, journal)));
                let shared = state.clone();
                let source = InterruptedSource {
                    disk: disk.clone(),
                    interrupt: Arc::new(move || {
                        let (count, journal) = &mut *shared.lock().unwrap();
                        if *count == moment {
                            for number in before..before + more {
                                append(&mut journal.ledger, &[evaluated(number, 60)])
                                    .1
                                    .unwrap();
                            }
                        }
                        *count += 1;
                    }),
                };
                let case = format!("{more} behind {before}, at moment {moment}");
                let found = verified(&source).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert!(found.last_seq >= before, "{case}: {found:?}");
                assert_eq!(found.torn_tail, None, "{case}");
                moments = state.lock().unwrap().0;
                let appended = if moment < moments { more } else { 0 };
                let records = replayed(&disk, None).unwrap();
                assert_eq!(records.len() as u64, before + appended, "{case}");
                moment += 1;
            }
            assert!(moments > 5);
        }
    }
}

/// On real files: a busy writer, and retention behind it.
#[test]
fn a_running_service_is_verified_and_replayed() {
    let scratch = Scratch::new("running");
    let options = Options {
        window: 100,
        retain_bytes: Some(6 << 14),
        ..options(1 << 14)
    };
    let mut journal = start(&scratch, &options).unwrap();
    let ended = AtomicBool::new(false);
    let dir = scratch.data();
    std::thread::scope(|scope| {
        let (ended, dir) = (&ended, &dir);
        let reader = scope.spawn(move || {
            let (mut verified, mut replayed, mut gone) = (0, 0, 0);
            loop {
                let last = ended.load(Ordering::Acquire);
                let found = verify(dir, &mut |_| {}).unwrap();
                let retained = found.last_seq + 1 - found.first_seq;
                assert_eq!(retained, found.processed + found.failed, "{found:?}");
                verified += 1;
                let mut next = None;
                match replay(dir, None, None, &mut |record| {
                    assert_eq!(next.unwrap_or(record.seq), record.seq, "a gap");
                    next = Some(record.seq + 1);
                    ControlFlow::Continue(())
                }) {
                    Ok(()) => replayed += 1,
                    Err(ReplayError::Gone { seq, oldest }) => {
                        assert!(seq < oldest);
                        gone += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
                // The removal behind the last write may be under way.
                let is_whole = next == Some(found.last_seq + 1);
                if last && is_whole {
                    return (verified, replayed, gone, found.last_seq, next);
                }
            }
        });
        for number in 0..2000 {
            append(&mut journal.ledger, &[evaluated(number, 200)])
                .1
                .unwrap();
        }
        ended.store(true, Ordering::Release);
        let (verified, replayed, gone, last_seq, next) = reader.join().unwrap();
        eprintln!("{verified} verified, {replayed} replayed, {gone} gone");
        assert_eq!((last_seq, next), (2000, Some(2001)));
    });
    // The first sequences have been removed, and the error says so.
    let gone = replay(&dir, Some(0), None, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(gone, Err(ReplayError::Gone { seq: 1, .. })));
    drop(journal);
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = names(&dir);
    assert!(verify(&dir, &mut |_| {}).unwrap().sealed);
    assert_eq!(names(&dir), before, "nothing is changed");
}
