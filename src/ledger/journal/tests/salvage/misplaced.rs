//! Blocks and segments that were written where others were: they cost what was
//! there, and nothing else.

use std::collections::HashSet;
use std::ops::Range;

use crate::ledger::Record;
use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{FRAME_HEAD, SEGMENT_HEAD, encoded_len};
use crate::ledger::journal::tests::damage::{SEGMENT, SampleJournal};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{append, evaluated, open, options, read_all};
use crate::ledger::journal::tests::salvage::{Made, salvage};

/// Bytes that a disk wrote to another address.
const BLOCK: usize = 256;

/// Copies bytes of one file over those from an offset on of another, as far as
/// both have them.
pub(in crate::ledger::journal::tests) fn misplace(
    disk: &Disk,
    (from, range): (&str, Range<usize>),
    (to, offset): (&str, usize),
) {
    if !disk.has(from) {
        return;
    }
    let bytes = disk.bytes(from);
    let end = range.end.min(bytes.len());
    let bytes = &bytes[range.start.min(end)..end];
    disk.change(to, |over| {
        let over = over.get_mut(offset..).unwrap_or_default();
        let len = over.len().min(bytes.len());
        over[..len].copy_from_slice(&bytes[..len]);
    });
}

/// The same with the segments of a sample, which is then salvaged.
fn misplaced(sample: &SampleJournal, from: (u32, Range<usize>), to: (u32, usize)) -> Made {
    let case = format!("{from:?} over {to:?}");
    let disk = sample.disk.copy();
    let names = (segment_name(from.0), segment_name(to.0));
    misplace(&disk, (&names.0, from.1), (&names.1, to.1));
    let made = salvage(&disk).unwrap();
    made.check(&sample.records, &case);
    made
}

fn saved(made: &Made) -> usize {
    (made.salvaged.in_journal() + made.salvaged.outside()) as usize
}

#[test]
fn a_misplaced_segment_costs_one_segment() {
    for sealed in [true, false] {
        let sample = SampleJournal::new(sealed);
        for (from, to) in [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)] {
            let made = misplaced(&sample, (from, 0..SEGMENT as usize), (to, 0));
            let (mut before, mut expected) = (0, 0);
            for &(segment, .., so_far) in &sample.batches {
                expected += if segment == to { 0 } else { so_far - before };
                before = so_far;
            }
            let case = format!("{from} over {to}, sealed: {sealed}");
            assert_eq!(saved(&made), expected, "{case}");
            assert!(!made.salvaged.is_complete(), "{case}");
            // One for each kind, not for each batch.
            let of_it = made.salvaged.damages.iter();
            let of_it = of_it.map(|damage| (&*damage.file, &*damage.what));
            let kinds: HashSet<_> = of_it.clone().collect();
            assert_eq!(of_it.count(), kinds.len(), "{case}");
        }
    }
}

/// Batches that it doesn't touch are saved.
#[test]
fn a_misplaced_block_costs_what_it_overwrote() {
    let sample = SampleJournal::new(true);
    let starts = || (0..=SEGMENT as usize - BLOCK).step_by(64);
    for (from, to) in (1..=3).flat_map(|from| (1..=3).map(move |to| (from, to))) {
        for (from_at, to_at) in starts().flat_map(|from| starts().map(move |to| (from, to))) {
            let made = misplaced(&sample, (from, from_at..from_at + BLOCK), (to, to_at));
            let (mut before, mut expected) = (0, 0);
            for &(segment, start, end, so_far) in &sample.batches {
                let is_hit = segment == to && start < to_at + BLOCK && to_at < end;
                expected += if is_hit { 0 } else { so_far - before };
                before = so_far;
            }
            let found = saved(&made);
            let case = format!("{from}[{from_at}..] over {to}[{to_at}..]");
            assert!(found >= expected, "{case}: {found} of {expected}");
        }
    }
}

/// Records whose head another one was written over are still where they were.
#[test]
fn a_misplaced_head_costs_no_record() {
    let sample = SampleJournal::new(true);
    let all = sample.records.len();
    for &(from, from_at, ..) in &sample.batches {
        for &(to, to_at, ..) in &sample.batches {
            let head = from_at..from_at + FRAME_HEAD;
            let made = misplaced(&sample, (from, head), (to, to_at));
            assert_eq!(saved(&made), all, "{from}[{from_at}] over {to}[{to_at}]");
        }
    }
}

/// A block with the head of a discarded batch, and whole records of it, is in
/// the wrong place inside of a later batch, which has the same sequences for
/// other orders.
#[test]
fn what_was_discarded_does_not_come_back_inside_of_a_batch() {
    let sample = SampleJournal::new(false);
    let disk = sample.disk.copy();
    let discarded: Vec<_> = (20..24).map(|number| evaluated(number, 10)).collect();
    let (mut journal, before) = open(&disk, &options(SEGMENT)).unwrap();
    append(&mut journal.ledger, &discarded).1.unwrap();
    let end = journal.ledger.end();
    let killed = disk.copy();
    drop(journal);
    let (disk, segment) = (killed, end.segment);
    disk.change(&segment_name(segment), |bytes| {
        bytes[end.offset as usize - 8] ^= 1;
    });
    let orders: Vec<_> = (70..76).map(|number| evaluated(number, 10)).collect();
    let (mut journal, visited) = open(&disk, &options(SEGMENT)).unwrap();
    assert_eq!(visited, before);
    append(&mut journal.ledger, &orders).1.unwrap();
    let batch = journal.ledger.end();
    assert_eq!(batch.segment, segment + 1);
    let all = read_all(&journal);
    drop(journal);
    let len_of = |orders: &[_]| orders.iter().map(encoded_len).sum::<usize>();
    let frame = end.offset as usize - FRAME_HEAD - len_of(&discarded);
    let body = batch.offset as usize - len_of(&orders);
    // The head and so many records, over the end of the first, from there on.
    for records in 0..=3 {
        for to in (body..batch.offset as usize).step_by(8) {
            let block = frame..frame + FRAME_HEAD + len_of(&discarded[..records]);
            let disk = disk.copy();
            let names = (segment_name(segment), segment_name(segment + 1));
            misplace(&disk, (&names.0, block), (&names.1, to));
            let made = salvage(&disk).unwrap();
            made.check(&all, &format!("{records} records at {to}"));
            assert!(saved(&made) >= before.len(), "{records} records at {to}");
        }
    }
}

/// The next start discards the end of the last segment and fills the one behind
/// it, which the discarded one is then copied over.
fn stays_away(disk: &Disk, segment: u32, before: &[Record], case: &str) {
    let (mut journal, visited) = open(disk, &options(SEGMENT)).unwrap();
    assert_eq!(visited, before, "{case}");
    let mut number = 70;
    while journal.ledger.end().segment < segment + 2 {
        append(&mut journal.ledger, &[evaluated(number, 10)])
            .1
            .unwrap();
        number += 1;
    }
    let all = read_all(&journal);
    drop(journal);
    let names = (segment_name(segment), segment_name(segment + 1));
    misplace(disk, (&names.0, 0..SEGMENT as usize), (&names.1, 0));
    let made = salvage(disk).unwrap();
    made.check(&all, case);
    assert_eq!(saved(&made), before.len() + 1, "{case}");
}

/// A batch that a start has cut off doesn't come back with a copy of its segment,
/// whichever part of it is torn, even in front of the end of the one that it is
/// copied over.
#[test]
fn what_was_discarded_does_not_come_back_elsewhere() {
    let sample = SampleJournal::new(false);
    let orders: Vec<_> = (20..23).map(|number| evaluated(number, 10)).collect();
    let lens: Vec<_> = orders.iter().map(encoded_len).collect();
    // Back from its end: a byte of each record, and of the head.
    let of_record = |at: usize| lens[at..].iter().sum::<usize>() - 8;
    let of_head = of_record(0) + 16;
    let mut torn: Vec<_> = (0..3).map(|at| vec![of_record(at)]).collect();
    torn.extend([vec![of_head], vec![of_head, of_record(0)]]);
    torn.push(vec![of_record(0), of_record(1)]);
    for torn in torn {
        let disk = sample.disk.copy();
        let (mut journal, before) = open(&disk, &options(SEGMENT)).unwrap();
        append(&mut journal.ledger, &orders).1.unwrap();
        let end = journal.ledger.end();
        let killed = disk.copy();
        drop(journal);
        let (disk, segment) = (killed, end.segment);
        disk.change(&segment_name(segment), |bytes| {
            for back in &torn {
                bytes[end.offset as usize - back] ^= 1;
            }
        });
        stays_away(&disk, segment, &before, &format!("torn: {torn:?}"));
    }
}

/// Nor does the only one of a segment, whose head is torn.
#[test]
fn a_discarded_segment_does_not_come_back_elsewhere() {
    let sample = SampleJournal::new(false);
    let disk = sample.disk.copy();
    // A torn batch: the start begins a segment.
    let &(segment, _, end, _) = sample.batches.last().unwrap();
    disk.change(&segment_name(segment), |bytes| bytes[end - 8] ^= 1);
    let (mut journal, before) = open(&disk, &options(SEGMENT)).unwrap();
    let orders = [evaluated(20, 10), evaluated(21, 10)];
    append(&mut journal.ledger, &orders).1.unwrap();
    assert_eq!(journal.ledger.end().segment, segment + 1);
    let killed = disk.copy();
    drop(journal);
    let (disk, segment) = (killed, segment + 1);
    disk.change(&segment_name(segment), |bytes| {
        bytes[SEGMENT_HEAD + 16] ^= 1
    });
    stays_away(&disk, segment, &before, "all of its segment");
}
