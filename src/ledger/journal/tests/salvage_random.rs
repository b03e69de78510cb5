//! Random damage of several kinds at once: what isn't saved is reported.

use crate::ledger::Record;
use crate::ledger::journal::OpenError;
use crate::ledger::journal::file_names::{EXTENT, MANIFEST, segment_name};
use crate::ledger::journal::format::{FRAME_HEAD, encoded_len};
use crate::ledger::journal::open::Journal;
use crate::ledger::journal::tests::damage::SEGMENT;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, evaluated, open, options, read_all,
};
use crate::ledger::journal::tests::random::{Random, for_seeds};
use crate::ledger::journal::tests::salvage::misplaced::misplace;
use crate::ledger::journal::tests::salvage::salvage;

/// A journal of several segments by several processes, some of which were
/// killed while they wrote.
fn history(random: &mut Random) -> (Disk, Vec<Record>, u32) {
    let mut disk = Disk::new(random.next());
    let mut number = 0;
    for _ in 0..=random.below(3) {
        let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
        for _ in 0..random.below(12) {
            append(&mut journal.ledger, &batch(random, &mut number))
                .1
                .unwrap();
        }
        if random.percent(40) {
            let torn = batch(random, &mut number);
            disk = killed(random, &disk, journal, &torn);
        }
    }
    let (journal, _) = open(&disk, &options(SEGMENT)).unwrap();
    let segments = journal.ledger.end().segment;
    let records = read_all(&journal);
    drop(journal);
    (disk, records, segments)
}

fn batch(random: &mut Random, number: &mut u64) -> Vec<Evaluated> {
    let count = 1 + random.below(4);
    let padding = random.below(60) as usize;
    let first = *number;
    *number += count;
    (first..*number)
        .map(|number| evaluated(number, padding))
        .collect()
}

/// The disk as a batch that was torn leaves it, whose head and other records
/// may be whole: the next start discards it.
fn killed(
    random: &mut Random,
    disk: &Disk,
    mut journal: Journal<Evaluated>,
    torn: &[Evaluated],
) -> Disk {
    append(&mut journal.ledger, torn).1.unwrap();
    let end = journal.ledger.end();
    let killed = disk.copy();
    drop(journal);
    let len = FRAME_HEAD + torn.iter().map(encoded_len).sum::<usize>();
    let start = end.offset as usize - len;
    killed.change(&segment_name(end.segment), |bytes| {
        for _ in 0..=random.below(2) {
            let at = start + 8 * random.below(len as u64 / 8) as usize;
            bytes[at..at + 8].copy_from_slice(&random.next().to_le_bytes());
        }
    });
    killed
}

fn damage(random: &mut Random, disk: &Disk, segments: u32) -> String {
    let number = 1 + random.below(u64::from(segments) + 1) as u32;
    let name = segment_name(number);
    let at = random.below(SEGMENT) as usize;
    let len = 1 + random.below(200) as usize;
    let end = (at + len).min(SEGMENT as usize);
    let exists = disk.has(&name);
    match random.below(10) {
        0 if exists && number > 1 => disk.forget(&name),
        1 if exists => disk.change(&name, |bytes| bytes.truncate(at)),
        2 if exists => disk.change(&name, |bytes| bytes.extend_from_slice(&[9; 24])),
        3 | 4 if exists => disk.change(&name, |bytes| zero(bytes, at..end)),
        5 if disk.has(MANIFEST) => disk.forget(MANIFEST),
        7 if exists => {
            let from = segment_name(1 + random.below(u64::from(segments) + 1) as u32);
            misplace(disk, (&from, 0..SEGMENT as usize), (&name, 0));
            return format!("{from} over {name}; ");
        }
        8 if exists => {
            let from = segment_name(1 + random.below(u64::from(segments) + 1) as u32);
            let to = 8 * random.below(SEGMENT / 8) as usize;
            let at = at & !7;
            misplace(disk, (&from, at..end.max(at)), (&name, to));
            return format!("{from} {at}..{end} over {name} {to}; ");
        }
        6 if disk.has(EXTENT) => disk.change(EXTENT, |bytes| bytes[at % 64] ^= 4),
        _ if exists => disk.change(&name, |bytes| {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }),
        _ => return String::new(),
    }
    format!("{name} {at}..{end}; ")
}

fn zero(bytes: &mut [u8], range: std::ops::Range<usize>) {
    let end = range.end.min(bytes.len());
    bytes[range.start.min(end)..end].fill(0);
}

#[test]
fn what_is_not_saved_is_reported() {
    for_seeds(600, |seed| {
        let mut random = Random(seed);
        let (disk, records, segments) = history(&mut random);
        let mut case = format!("seed {seed}: ");
        for _ in 0..random.below(5) {
            case += &damage(&mut random, &disk, segments);
        }
        match salvage(&disk) {
            Ok(made) => made.check(&records, &case),
            Err(OpenError::NothingToSave | OpenError::Manifest { .. }) => {}
            Err(error) => panic!("{case}: {error}"),
        }
    });
}
