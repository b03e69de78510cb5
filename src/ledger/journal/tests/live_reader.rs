//! Reading a journal from outside: what is found, and damage named.

use std::ops::ControlFlow;
use std::path::Path;

use crate::ledger::journal::file_names::{MANIFEST, segment_name};
use crate::ledger::journal::format::{FRAME_HEAD, SEGMENT_HEAD};
use crate::ledger::journal::replay::{ReplayError, replay_source};
use crate::ledger::journal::storage::{Source, Storage};
use crate::ledger::journal::tests::damage::{SEGMENT, SampleJournal, names};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{ID, open, options};
use crate::ledger::journal::tests::real_files::Scratch;
use crate::ledger::journal::verify::verify_source;
use crate::ledger::journal::{OpenError, Verified, verify};
use crate::ledger::{Record, Status};

const NOWHERE: &str = "nowhere";

pub(super) fn verified(source: &dyn Source) -> Result<Verified, OpenError> {
    verify_source(source, Path::new(NOWHERE), &mut |_| {})
}

pub(super) fn replayed(
    source: &dyn Source,
    after: Option<u64>,
) -> Result<Vec<Record>, ReplayError> {
    let mut found = Vec::new();
    replay_source(source, Path::new(NOWHERE), after, None, &mut |record| {
        found.push(record.to_record());
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// What a replay hands out before it fails.
fn before_damage(source: &dyn Source) -> Vec<Record> {
    let mut found = Vec::new();
    let result = replay_source(source, Path::new(NOWHERE), None, None, &mut |record| {
        found.push(record.to_record());
        ControlFlow::Continue(())
    });
    result.expect_err("it is damaged");
    found
}

#[test]
fn a_whole_journal_is_verified_and_replayed() {
    for sealed in [true, false] {
        let sample = SampleJournal::new(sealed);
        let found = verified(&sample.disk).unwrap();
        let failed = |record: &&Record| record.outcome.status == Status::Failed;
        let failed = sample.records.iter().filter(failed).count() as u64;
        let want = Verified {
            ledger: ID,
            segments: 4,
            bytes: 4 * SEGMENT,
            removed: 0,
            first_seq: 1,
            last_seq: sample.records.len() as u64,
            processed: sample.records.len() as u64 - failed,
            failed,
            torn_tail: None,
            discarded_bytes: 0,
            grew: false,
            sealed,
            rewound: None,
            pending_orders: None,
        };
        assert_eq!(found, want);
        assert_eq!(replayed(&sample.disk, None).unwrap(), sample.records);
        for after in 0..=sample.records.len() {
            let found = replayed(&sample.disk, Some(after as u64)).unwrap();
            assert_eq!(found, sample.records[after..]);
        }
        assert!(replayed(&sample.disk, Some(u64::MAX)).unwrap().is_empty());
    }
    let empty = Disk::new(1);
    drop(open(&empty, &options(SEGMENT)).unwrap());
    let found = verified(&empty).unwrap();
    assert_eq!((found.first_seq, found.last_seq, found.segments), (1, 0, 1));
    assert!(replayed(&empty, None).unwrap().is_empty());
}

/// Each flipped byte is named, or reported as what can't be told from a crash:
/// the last batch of a process that was killed.
#[test]
fn every_byte_flipped_is_named() {
    for sealed in [true, false] {
        let sample = SampleJournal::new(sealed);
        let whole = verified(&sample.disk).unwrap();
        let &(last_segment, last_start, last_end, _) = sample.batches.last().unwrap();
        let before_last = sample.batches[sample.batches.len() - 2].3 as u64;
        for (number, name) in names() {
            for at in 0..SEGMENT as usize {
                let disk = sample.disk.copy();
                disk.change(&name, |bytes| bytes[at] ^= 0xFF);
                let case = format!("{name}[{at}], sealed: {sealed}");
                let in_last = number == last_segment && (last_start..last_end).contains(&at);
                let found = verified(&disk);
                if at < sample.end(number) && (sealed || !in_last) {
                    let Err(OpenError::Damaged { file, offset, .. }) = &found else {
                        panic!("{case}: {found:?}");
                    };
                    assert!(*file == name && *offset as usize <= at, "{case}: {found:?}");
                    let before = before_damage(&disk);
                    let whole = sample.batches.iter().filter(|batch| {
                        let is_before = batch.0 == number && batch.2 <= at && at >= SEGMENT_HEAD;
                        batch.0 < number || is_before
                    });
                    let whole = whole.map(|batch| batch.3).max().unwrap_or(0);
                    assert_eq!(before, sample.records[..whole], "{case}");
                    continue;
                }
                let found = found.unwrap_or_else(|error| panic!("{case}: {error}"));
                let last_seq = if in_last { before_last } else { whole.last_seq };
                assert_eq!(found.last_seq, last_seq, "{case}");
                assert_eq!(
                    replayed(&disk, None).unwrap().len() as u64,
                    last_seq,
                    "{case}"
                );
                let reported = found.torn_tail.is_some() == (number >= last_segment)
                    && (found.discarded_bytes > 0) == (number < last_segment);
                assert!(reported && !found.grew, "{case}: {found:?}");
            }
        }
    }
}

#[test]
fn what_is_no_journal_is_refused() {
    let nothing = Disk::new(1);
    let error = verified(&nothing).unwrap_err();
    assert!(matches!(error, OpenError::NoJournal { .. }), "{error}");
    let scratch = Scratch::new("no-journal");
    for dir in [scratch.0.clone(), scratch.0.join("missing")] {
        let error = verify(&dir, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("holds no journal"), "{error}");
    }
    let sample = SampleJournal::new(true);
    sample.disk.change(MANIFEST, |bytes| bytes[20] ^= 1);
    assert!(matches!(
        verified(&sample.disk).unwrap_err(),
        OpenError::Manifest { .. }
    ));
    sample.disk.change(MANIFEST, |bytes| bytes[20] ^= 1);
    let name = segment_name(2);
    sample.disk.remove(&name).unwrap();
    let in_first = sample.batches.iter().rfind(|batch| batch.0 == 1).unwrap().3;
    assert_eq!(before_damage(&sample.disk), sample.records[..in_first]);
    let error = verified(&sample.disk).unwrap_err();
    assert!(
        matches!(&error, OpenError::Missing { file } if *file == name),
        "{error}"
    );
}

#[test]
fn a_replay_begins_at_a_time() {
    let sample = SampleJournal::new(true);
    let from = |after, time| {
        let mut found = Vec::new();
        replay_source(
            &sample.disk,
            Path::new(NOWHERE),
            after,
            time,
            &mut |record| {
                found.push(record.to_record());
                ControlFlow::Continue(())
            },
        )
        .unwrap();
        found
    };
    for (at, record) in sample.records.iter().enumerate() {
        let time = record.committed_at;
        let records = &sample.records;
        let first = records.iter().position(|other| other.committed_at >= time);
        assert_eq!(from(None, Some(time)), records[first.unwrap()..]);
        let next = records.iter().position(|other| other.committed_at > time);
        let next = next.unwrap_or(records.len());
        assert_eq!(from(None, Some(time + 1)), records[next..]);
        // Both hold.
        let later = from(Some(at as u64 + 1), Some(time));
        assert_eq!(later, records[at + 1..]);
    }
    assert_eq!(from(None, Some(0)), sample.records);
    assert!(from(None, Some(u64::MAX)).is_empty());
}

/// A segment whose first batch is damaged has no time to look at: what comes in
/// front of the damage is not skipped for it.
#[test]
fn a_replay_from_a_time_skips_nothing_for_damage() {
    let sample = SampleJournal::new(true);
    for number in 1..=3 {
        let disk = sample.disk.copy();
        disk.change(&segment_name(number), |bytes| {
            bytes[SEGMENT_HEAD..][..FRAME_HEAD].fill(0);
        });
        let in_front = sample.batches.iter().filter(|batch| batch.0 < number);
        let in_front = in_front.map(|batch| batch.3).max().unwrap_or(0);
        for (at, record) in sample.records[..in_front].iter().enumerate() {
            let mut found = Vec::new();
            let time = Some(record.committed_at);
            let ended = replay_source(&disk, Path::new(NOWHERE), None, time, &mut |record| {
                found.push(record.to_record());
                ControlFlow::Continue(())
            });
            ended.expect_err("it is damaged");
            let records = &sample.records[..in_front];
            let first = records
                .iter()
                .position(|other| other.committed_at >= record.committed_at);
            assert_eq!(found, records[first.unwrap()..], "{number}, {at}");
        }
    }
}

#[test]
fn a_replay_can_be_broken_off() {
    let sample = SampleJournal::new(true);
    let mut found = 0;
    replay_source(&sample.disk, Path::new(NOWHERE), None, None, &mut |_| {
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
