//! Every byte flipped, every byte cut off, one at a time: a start finds what
//! was durable, or refuses; it never misreads, and never cuts in silence what
//! anything on disk says was durable.

use crate::ledger::journal::format::{FRAME_HEAD, SEGMENT_HEAD, segment_name};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::{append, evaluated, open, options, read_all};
use crate::ledger::journal::{OpenError, Options};
use crate::ledger::{ReadError, Record};

pub(super) const SEGMENT: u64 = 1024;

/// A journal of three segments and a prepared one, with the batches' places.
pub(super) struct Story {
    pub disk: Disk,
    pub records: Vec<Record>,
    /// Segment, start and end of each batch, and how many orders there are up
    /// to it.
    pub batches: Vec<(u32, usize, usize, usize)>,
}

impl Story {
    /// Sealed: ended by itself; otherwise killed after its last receipt.
    pub(super) fn new(sealed: bool) -> Self {
        let disk = Disk::new(1);
        let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
        let mut batches = Vec::new();
        let mut number = 0;
        for count in [1, 2, 1, 3, 1, 2, 1, 2] {
            let orders: Vec<_> = (number..number + count).map(|n| evaluated(n, 20)).collect();
            number += count;
            let frame = FRAME_HEAD
                + orders
                    .iter()
                    .map(crate::ledger::journal::record::encoded_len)
                    .sum::<usize>();
            append(&mut journal.ledger, &orders).1.unwrap();
            let end = journal.ledger.end;
            let end_at = end.offset as usize;
            batches.push((end.segment, end_at - frame, end_at, number as usize));
        }
        assert_eq!(batches.last().unwrap().0, 3);
        let records = read_all(&journal);
        // As a kill leaves it, unless the journal may end by itself.
        let killed = disk.copy();
        drop(journal);
        let disk = if sealed { disk } else { killed };
        Self {
            disk,
            records,
            batches,
        }
    }

    /// Where the segment's batches end.
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
        let story = Story::new(sealed);
        let &(last_segment, last_start, last_end, all) = story.batches.last().unwrap();
        let before_last = story.batches[story.batches.len() - 2].3;
        for (number, name) in names() {
            for at in 0..SEGMENT as usize {
                let flips: &[u8] = if at % 8 == 0 {
                    &[1, 0x80, 0xFF]
                } else {
                    &[0x10]
                };
                for flip in flips {
                    let disk = story.disk.copy();
                    disk.change(&name, |bytes| bytes[at] ^= flip);
                    let found = open(&disk, &options(SEGMENT));
                    let case = format!("{name}[{at}] ^ {flip:#x}, sealed: {sealed}");
                    let in_last = number == last_segment && (last_start..last_end).contains(&at);
                    if at < story.end(number) && (sealed || !in_last) {
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
                    assert_eq!(visited, story.records[..whole], "{case}");
                    assert_eq!(read_all(&journal), visited, "{case}");
                    // In the void of a segment that has a next one, nobody looks.
                    let is_last = number >= last_segment;
                    assert_eq!(journal.recovered.cut.is_some(), is_last, "{case}");
                    if let Some(cut) = &journal.recovered.cut {
                        assert!(
                            cut.file == name && cut.offset as usize <= at,
                            "{case}: {cut:?}"
                        );
                    }
                    goes_on(&disk, journal, &visited);
                }
            }
        }
    }
}

/// After a cut, the journal goes on, and what was cut does not come back.
fn goes_on(
    disk: &Disk,
    mut journal: crate::ledger::journal::tests::Journal<crate::ledger::journal::tests::Evaluated>,
    visited: &[Record],
) {
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
    let story = Story::new(true);
    for (number, name) in names() {
        for len in 0..SEGMENT as usize {
            let disk = story.disk.copy();
            disk.change(&name, |bytes| bytes.truncate(len));
            let found = open(&disk, &options(SEGMENT)).map(|_| ());
            let refused = matches!(&found, Err(OpenError::Size { file, .. }) if *file == name);
            assert!(refused, "{number}, {len}: {found:?}");
        }
    }
}

/// All that was written after some byte is lost, as if it had never been: the
/// batches before it are found.
#[test]
fn every_prefix_is_found_as_it_was() {
    let story = Story::new(false);
    let mut ends = 0;
    for (number, name) in names().take(3) {
        for len in 0..SEGMENT as usize {
            let disk = story.disk.copy();
            disk.change(&name, |bytes| bytes[len..].fill(0));
            (number + 1..=4).for_each(|later| {
                disk.change(&segment_name(later), |bytes| bytes.fill(0));
            });
            // The last bytes of a batch may have been zero anyway.
            let written = |end: usize| {
                let bytes = story.disk.bytes(&name);
                bytes[..end]
                    .iter()
                    .rposition(|&byte| byte != 0)
                    .map_or(0, |last| last + 1)
            };
            let whole = story
                .batches
                .iter()
                .rfind(|batch| batch.0 < number || (batch.0 == number && written(batch.2) <= len));
            let whole = whole.map_or(0, |batch| batch.3);
            ends = ends.max(whole);
            let (journal, visited) = open(&disk, &options(SEGMENT)).unwrap();
            assert_eq!(visited, story.records[..whole], "{name} up to {len}");
            goes_on(&disk, journal, &visited);
        }
    }
    assert_eq!(ends, story.records.len());
}

/// The same, while later segments stand: that was no crash.
#[test]
fn a_segment_that_ends_too_early_is_refused() {
    let story = Story::new(false);
    for (number, name) in names().take(2) {
        for len in 0..SEGMENT as usize {
            let disk = story.disk.copy();
            disk.change(&name, |bytes| bytes[len..].fill(0));
            let found = open(&disk, &options(SEGMENT));
            // The last bytes of a record may have been zero before.
            if disk.bytes(&name) == story.disk.bytes(&name) {
                assert_eq!(found.unwrap().1, story.records);
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
/// them is found by who reads them.
#[test]
fn damage_behind_the_window_fails_the_reader() {
    let story = Story::new(true);
    let options = Options {
        window: 1,
        ..options(SEGMENT)
    };
    let name = segment_name(1);
    let mut failed = 0;
    for at in SEGMENT_HEAD..story.end(1) {
        let disk = story.disk.copy();
        disk.change(&name, |bytes| bytes[at] ^= 0x10);
        let (journal, _) = open(&disk, &options).unwrap();
        for record in &story.records {
            match journal.archive.range(record.outcome.seq - 1, 1, 0) {
                Ok(found) => assert_eq!(*found[0], *record),
                Err(ReadError::Failed(why)) => {
                    assert!(why.contains(&name), "{why}");
                    failed += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(failed > 0);
}
