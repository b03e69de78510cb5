//! Looking at a journal from outside: damage is named, and a service that runs
//! meanwhile is not taken for it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::{fs, io};

use crate::ledger::journal::format::segment_name;
use crate::ledger::journal::replay::ReplayError;
use crate::ledger::journal::storage::{File, Source};
use crate::ledger::journal::tests::damage::{SEGMENT, Story, names};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::files::{Scratch, start};
use crate::ledger::journal::tests::{ID, append, evaluated, open, options};
use crate::ledger::journal::{OpenError, Options, Verified, replay, verify};
use crate::ledger::{Record, Status};

const NOWHERE: &str = "nowhere";

pub(super) fn look(source: &dyn Source) -> Result<Verified, OpenError> {
    verify::run(source, Path::new(NOWHERE), &mut |_| {})
}

fn all(source: &dyn Source, after: Option<u64>) -> Result<Vec<Record>, ReplayError> {
    let mut found = Vec::new();
    replay::run(source, Path::new(NOWHERE), after, &mut |record| {
        found.push(record.to_record());
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// A directory in which something happens before each time that it is read.
#[derive(Clone)]
pub(super) struct Meanwhile {
    pub disk: Disk,
    pub happens: Arc<dyn Fn() + Send + Sync>,
}

struct MeanwhileFile(Meanwhile, Box<dyn File>);

impl File for MeanwhileFile {
    fn len(&self) -> io::Result<u64> {
        self.1.len()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.0.happens)();
        self.1.read_at(bytes, offset)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        panic!("a look changes nothing")
    }
    fn sync(&self) -> io::Result<()> {
        self.1.sync()
    }
}

impl Source for Meanwhile {
    fn names(&self) -> io::Result<Vec<String>> {
        (self.happens)();
        self.disk.names()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        (self.happens)();
        let file = self.disk.open(name)?;
        Ok(Box::new(MeanwhileFile(self.clone(), file)))
    }
}

#[test]
fn a_whole_journal_is_summed_up() {
    for sealed in [true, false] {
        let story = Story::new(sealed);
        let found = look(&story.disk).unwrap();
        let failed = |record: &&Record| record.outcome.status == Status::Failed;
        let failed = story.records.iter().filter(failed).count() as u64;
        let want = Verified {
            ledger: ID,
            segments: 4,
            bytes: 4 * SEGMENT,
            removed: 0,
            first_seq: 1,
            last_seq: story.records.len() as u64,
            processed: story.records.len() as u64 - failed,
            failed,
            cut: None,
            void_bytes: 0,
            went_on: false,
            sealed,
            kept: None,
        };
        assert_eq!(found, want);
        assert_eq!(all(&story.disk, None).unwrap(), story.records);
        for after in 0..=story.records.len() {
            let found = all(&story.disk, Some(after as u64)).unwrap();
            assert_eq!(found, story.records[after..]);
        }
        assert!(all(&story.disk, Some(u64::MAX)).unwrap().is_empty());
    }
    let empty = Disk::new(1);
    drop(open(&empty, &options(SEGMENT)).unwrap());
    let found = look(&empty).unwrap();
    assert_eq!((found.first_seq, found.last_seq, found.segments), (1, 0, 1));
    assert!(all(&empty, None).unwrap().is_empty());
}

/// Each flipped byte is named, or reported as what can't be told from a crash:
/// the last batch of a process that was killed.
#[test]
fn every_byte_flipped_is_told() {
    for sealed in [true, false] {
        let story = Story::new(sealed);
        let whole = look(&story.disk).unwrap();
        let &(last_segment, last_start, last_end, _) = story.batches.last().unwrap();
        let before_last = story.batches[story.batches.len() - 2].3 as u64;
        for (number, name) in names() {
            for at in 0..SEGMENT as usize {
                let disk = story.disk.copy();
                disk.change(&name, |bytes| bytes[at] ^= 0xFF);
                let case = format!("{name}[{at}], sealed: {sealed}");
                let in_last = number == last_segment && (last_start..last_end).contains(&at);
                let found = look(&disk);
                if at < story.end(number) && (sealed || !in_last) {
                    let Err(OpenError::Damaged { file, offset, .. }) = &found else {
                        panic!("{case}: {found:?}");
                    };
                    assert!(*file == name && *offset as usize <= at, "{case}: {found:?}");
                    assert!(all(&disk, None).is_err(), "{case}");
                    continue;
                }
                let found = found.unwrap_or_else(|error| panic!("{case}: {error}"));
                let last_seq = if in_last { before_last } else { whole.last_seq };
                assert_eq!(found.last_seq, last_seq, "{case}");
                assert_eq!(all(&disk, None).unwrap().len() as u64, last_seq, "{case}");
                let told = found.cut.is_some() == (number >= last_segment)
                    && (found.void_bytes > 0) == (number < last_segment);
                assert!(told && !found.went_on, "{case}: {found:?}");
            }
        }
    }
}

#[test]
fn what_is_no_journal_is_told() {
    let nothing = Disk::new(1);
    let error = look(&nothing).unwrap_err();
    assert!(matches!(error, OpenError::NoJournal { .. }), "{error}");
    let scratch = Scratch::new("no-journal");
    for dir in [scratch.0.clone(), scratch.0.join("missing")] {
        let error = verify(&dir, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("holds no journal"), "{error}");
    }
    let story = Story::new(true);
    story.disk.change("ledger", |bytes| bytes[20] ^= 1);
    assert!(matches!(
        look(&story.disk).unwrap_err(),
        OpenError::Manifest { .. }
    ));
    story.disk.change("ledger", |bytes| bytes[20] ^= 1);
    let name = segment_name(2);
    crate::ledger::journal::Storage::remove(&story.disk, &name).unwrap();
    let error = look(&story.disk).unwrap_err();
    assert!(
        matches!(&error, OpenError::Missing { file } if *file == name),
        "{error}"
    );
}

/// A batch is committed at every moment of a look, one after the other: never
/// is that damage, and what was there before is all found.
#[test]
fn a_journal_that_goes_on_is_whole() {
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
                let source = Meanwhile {
                    disk: disk.clone(),
                    happens: Arc::new(move || {
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
                let found = look(&source).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert!(found.last_seq >= before, "{case}: {found:?}");
                assert_eq!(found.cut, None, "{case}");
                moments = state.lock().unwrap().0;
                let came = if moment < moments { more } else { 0 };
                let records = all(&disk, None).unwrap();
                assert_eq!(records.len() as u64, before + came, "{case}");
                moment += 1;
            }
            assert!(moments > 5);
        }
    }
}

/// On real files: a writer that is in a hurry, and retention behind it.
#[test]
fn a_running_service_is_looked_at() {
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
        let looker = scope.spawn(move || {
            let (mut verified, mut replayed, mut gone) = (0, 0, 0);
            loop {
                let last = ended.load(Ordering::Acquire);
                let found = verify(dir, &mut |_| {}).unwrap();
                let kept = found.last_seq + 1 - found.first_seq;
                assert_eq!(kept, found.processed + found.failed, "{found:?}");
                verified += 1;
                let mut next = None;
                match replay(dir, None, &mut |record| {
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
                if last {
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
        let (verified, replayed, gone, last_seq, next) = looker.join().unwrap();
        eprintln!("{verified} verified, {replayed} replayed, {gone} gone");
        assert_eq!((last_seq, next), (2000, Some(2001)));
    });
    // The first sequences are gone, and who asks for them hears so.
    let gone = replay(&dir, Some(0), &mut |_| ControlFlow::Continue(()));
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

#[test]
fn a_replay_ends_when_it_is_told_to() {
    let story = Story::new(true);
    let mut found = 0;
    let look: Arc<dyn Source> = Arc::new(story.disk.clone());
    replay::run(&*look, Path::new(NOWHERE), None, &mut |_| {
        found += 1;
        if found == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    assert_eq!(found, 3);
}
