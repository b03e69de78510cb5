//! Every byte flipped, every byte cut off, one at a time: a start finds what
//! was durable, or refuses. It never misreads, and never silently discards what
//! anything on disk proves to have been durable.

use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{FRAME_HEAD, SEGMENT_HEAD, encoded_len};
use crate::ledger::journal::open::Journal;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, evaluated, open, options, read_all,
};
use crate::ledger::journal::{OpenError, Options};
use crate::ledger::{ReadError, Record};

pub(super) const SEGMENT: u64 = 1024;

/// A journal of three segments and a preallocated one.
pub(super) struct SampleJournal {
    pub disk: Disk,
    pub records: Vec<Record>,
    /// Segment, start and end of each batch, and how many orders there are up
    /// to it.
    pub batches: Vec<(u32, usize, usize, usize)>,
}

impl SampleJournal {
    /// Sealed: ended cleanly; otherwise killed after its last completion.
    pub(super) fn new(sealed: bool) -> Self {
        let disk = Disk::new(1);
        let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
        let mut batches = Vec::new();
        let mut number = 0;
        for count in [1, 2, 1, 3, 1, 2, 1, 2] {
            let orders: Vec<_> = (number..number + count).map(|n| evaluated(n, 20)).collect();
            number += count;
            let frame = FRAME_HEAD + orders.iter().map(encoded_len).sum::<usize>();
            append(&mut journal.ledger, &orders).1.unwrap();
            let end = journal.ledger.end();
            let end_at = end.offset as usize;
            batches.push((end.segment, end_at - frame, end_at, number as usize));
        }
        assert_eq!(batches.last().unwrap().0, 3);
        let records = read_all(&journal);
        // As a kill leaves it, unless the journal may end cleanly.
        let killed = disk.copy();
        drop(journal);
        let disk = if sealed { disk } else { killed };
        Self {
            disk,
            records,
            batches,
        }
    }

    pub(super) fn end(&self, segment: u32) -> usize {
        let of_it = self.batches.iter().filter(|batch| batch.0 == segment);
        of_it.map(|batch| batch.2).max().unwrap_or(0)
    }
}

pub(super) fn names() -> impl Iterator<Item = (u32, String)> {
    (1..=4).map(|number| (number, segment_name(number)))
}

#[test]
fn every_byte_flipped() {
    for sealed in [true, false] {
        let sample = SampleJournal::new(sealed);
        let &(last_segment, last_start, last_end, all) = sample.batches.last().unwrap();
        let before_last = sample.batches[sample.batches.len() - 2].3;
        for (number, name) in names() {
            for at in 0..SEGMENT as usize {
                let flips: &[u8] = if at % 8 == 0 {
                    &[1, 0x80, 0xFF]
                } else {
                    &[0x10]
                };
                for flip in flips {
                    let disk = sample.disk.copy();
                    disk.change(&name, |bytes| bytes[at] ^= flip);
                    let found = open(&disk, &options(SEGMENT));
                    let case = format!("{name}[{at}] ^ {flip:#x}, sealed: {sealed}");
                    let in_last = number == last_segment && (last_start..last_end).contains(&at);
                    if at < sample.end(number) && (sealed || !in_last) {
                        let error = found.err().unwrap_or_else(|| panic!("{case} was read"));
                        let OpenError::Damaged { file, .. } = &error else {
                            panic!("{case}: {error}");
                        };
                        assert_eq!(*file, name, "{case}: {error}");
                        continue;
                    }
                    let (journal, visited) =
                        found.unwrap_or_else(|error| panic!("{case}: {error}"));
                    let whole = if in_last { before_last } else { all };
                    assert_eq!(visited, sample.records[..whole], "{case}");
                    assert_eq!(read_all(&journal), visited, "{case}");
                    // Discarded bytes of a segment that has a next one are not
                    // read.
                    let is_last = number >= last_segment;
                    let torn_tail = &journal.recovered.torn_tail;
                    assert_eq!(torn_tail.is_some(), is_last, "{case}");
                    if let Some(torn) = torn_tail {
                        assert!(
                            torn.file == name && torn.offset as usize <= at,
                            "{case}: {torn:?}"
                        );
                    }
                    continues(&disk, journal, &visited);
                }
            }
        }
    }
}

/// After a torn tail, the journal continues, and what was discarded doesn't
/// come back.
fn continues(disk: &Disk, mut journal: Journal<Evaluated>, visited: &[Record]) {
    append(&mut journal.ledger, &[evaluated(1000, 10)])
        .1
        .unwrap();
    drop(journal);
    let (_, again) = open(disk, &options(SEGMENT)).unwrap();
    assert_eq!(again[..visited.len()], *visited);
    assert_eq!(again.len(), visited.len() + 1);
    assert_eq!(&*again[visited.len()].id, "o-1000");
}

#[test]
fn every_file_cut_short_is_refused() {
    let sample = SampleJournal::new(true);
    for (number, name) in names() {
        for len in 0..SEGMENT as usize {
            let disk = sample.disk.copy();
            disk.change(&name, |bytes| bytes.truncate(len));
            let found = open(&disk, &options(SEGMENT)).map(|_| ());
            let refused = matches!(&found, Err(OpenError::Size { file, .. }) if *file == name);
            assert!(refused, "{number}, {len}: {found:?}");
        }
    }
}

/// All that was written after some byte is lost, as if it had never been
/// written: the batches before it are found.
#[test]
fn every_prefix_is_found_as_it_was() {
    let sample = SampleJournal::new(false);
    let mut ends = 0;
    for (number, name) in names().take(3) {
        for len in 0..SEGMENT as usize {
            let disk = sample.disk.copy();
            disk.change(&name, |bytes| bytes[len..].fill(0));
            (number + 1..=4).for_each(|later| {
                disk.change(&segment_name(later), |bytes| bytes.fill(0));
            });
            // The last bytes of a batch may have been zero anyway.
            let written = |end: usize| {
                let bytes = sample.disk.bytes(&name);
                bytes[..end]
                    .iter()
                    .rposition(|&byte| byte != 0)
                    .map_or(0, |last| last + 1)
            };
            let whole = sample
                .batches
                .iter()
                .rfind(|batch| batch.0 < number || (batch.0 == number && written(batch.2) <= len));
            let whole = whole.map_or(0, |batch| batch.3);
            ends = ends.max(whole);
            let (journal, visited) = open(&disk, &options(SEGMENT)).unwrap();
            assert_eq!(visited, sample.records[..whole], "{name} up to {len}");
            continues(&disk, journal, &visited);
        }
    }
    assert_eq!(ends, sample.records.len());
}

/// The same, while later segments remain: that was no crash.
#[test]
fn a_segment_that_ends_too_early_is_refused() {
    let sample = SampleJournal::new(false);
    for (number, name) in names().take(2) {
        for len in 0..SEGMENT as usize {
            let disk = sample.disk.copy();
            disk.change(&name, |bytes| bytes[len..].fill(0));
            let found = open(&disk, &options(SEGMENT));
            // The last bytes of a record may have been zero before.
            if disk.bytes(&name) == sample.disk.bytes(&name) {
                assert_eq!(found.unwrap().1, sample.records);
            } else {
                assert!(
                    matches!(found, Err(OpenError::Damaged { .. })),
                    "{number}, {len}"
                );
            }
        }
    }
}

/// Segments that the window doesn't reach are not read at the start: damage in
/// them is found by a reader, who gets what comes before it.
#[test]
fn damage_behind_the_window_fails_the_reader() {
    let sample = SampleJournal::new(true);
    let options = Options {
        window: 1,
        ..options(SEGMENT)
    };
    let name = segment_name(1);
    let in_first = sample.batches.iter().filter(|batch| batch.0 == 1);
    let in_first = in_first.map(|batch| batch.3).max().unwrap();
    for at in SEGMENT_HEAD..sample.end(1) {
        let disk = sample.disk.copy();
        disk.change(&name, |bytes| bytes[at] ^= 0x10);
        let (journal, _) = open(&disk, &options).unwrap();
        // The batch that is damaged, and how many records are before it.
        let hit = sample
            .batches
            .iter()
            .position(|batch| at < batch.2)
            .unwrap();
        let whole = hit
            .checked_sub(1)
            .map_or(0, |before| sample.batches[before].3);
        let mut reached = 0;
        let damage = loop {
            match journal
                .archive
                .range(reached as u64, usize::MAX, usize::MAX)
            {
                Ok(found) => {
                    assert!(!found.is_empty(), "{at}");
                    for record in found {
                        assert_eq!(*record, sample.records[reached]);
                        reached += 1;
                    }
                }
                Err(error) => break error,
            }
        };
        assert!((whole..in_first).contains(&reached), "{at}: {reached}");
        let ReadError::Damaged { seq, file, offset } = damage else {
            panic!("{damage}");
        };
        assert_eq!((seq, &file), (reached as u64 + 1, &name));
        assert!(offset as usize <= at, "{at}: {offset}");
        assert_eq!(journal.metrics.read_errors(), 1);
        // Other segments are read as before.
        let later = journal.archive.range(in_first as u64, 1, 0).unwrap();
        assert_eq!(*later[0], sample.records[in_first]);
    }
}
