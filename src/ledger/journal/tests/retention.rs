//! Segments whose outcomes are all too old are removed, at any time, and only
//! those.

use std::time::Duration;

use crate::ledger::journal::Options;
use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{FRAME_HEAD, SEGMENT_HEAD};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{
    append, evaluated, open, open_at, options, read_all, set_now,
};
use crate::ledger::{Archive, ReadError, Record};

const AGE: Duration = Duration::from_secs(3600);
const SEGMENT: u64 = 1024;

fn with_age(window: u64) -> Options {
    Options {
        window,
        retain_age: Some(AGE),
        ..options(SEGMENT)
    }
}

/// A journal of several segments, its records, and the first sequence of each
/// segment.
fn sample() -> (Disk, Vec<Record>, Vec<u64>) {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
    let mut firsts = Vec::new();
    for number in 0..12 {
        let before = journal.ledger.end().segment;
        let orders = [evaluated(2 * number, 30), evaluated(2 * number + 1, 30)];
        append(&mut journal.ledger, &orders).1.unwrap();
        if journal.ledger.end().segment > before {
            firsts.push(2 * number + 1);
        }
    }
    assert!(firsts.len() >= 4, "{firsts:?}");
    let records = read_all(&journal);
    (disk.copy(), records, firsts)
}

/// What the oldest sequence is after a start at this time, at which nothing is
/// committed.
fn oldest_at(disk: &Disk, options: &Options, unix_nanos: u64) -> u64 {
    let disk = disk.copy();
    let (journal, _) = open_at(&disk, options, unix_nanos).unwrap();
    let oldest = journal.archive.oldest_seq();
    if oldest > 1 {
        let gone = ReadError::Gone { seq: 1, oldest };
        assert_eq!(journal.archive.range(0, 1, 1).unwrap_err(), gone);
        assert!(!disk.has(&segment_name(1)));
    }
    let last = journal.archive.last_seq();
    let rest = journal.archive.range(oldest - 1, usize::MAX, usize::MAX);
    if let Ok(rest) = rest {
        assert_eq!(rest.len() as u64, last + 1 - oldest);
    }
    oldest
}

#[test]
fn a_segment_goes_when_its_newest_outcome_is_too_old() {
    let (disk, records, firsts) = sample();
    let age = AGE.as_nanos() as u64;
    for pair in firsts.windows(2) {
        let [first, next] = pair else { unreachable!() };
        let newest = records[*next as usize - 2].committed_at;
        let oldest = oldest_at(&disk, &with_age(1), newest + age);
        assert_eq!(oldest, *first, "not yet");
        let oldest = oldest_at(&disk, &with_age(1), newest + age + 1);
        assert_eq!(oldest, *next, "now");
    }
    // The one that is written to stays, however old.
    let last = *firsts.last().unwrap();
    assert_eq!(oldest_at(&disk, &with_age(1), u64::MAX), last);
    // A clock that is behind removes nothing.
    assert_eq!(oldest_at(&disk, &with_age(1), 0), 1);
}

#[test]
fn the_window_stays_and_the_first_limit_counts() {
    let (disk, records, firsts) = sample();
    let total = records.len() as u64;
    for window in 0..=total {
        let oldest = oldest_at(&disk, &with_age(window), u64::MAX);
        let inside = oldest <= total + 1 - window;
        assert!(inside && firsts.contains(&oldest), "{window}: {oldest}");
    }
    let both = |bytes, unix_nanos| {
        let options = Options {
            retain_bytes: Some(bytes),
            ..with_age(1)
        };
        oldest_at(&disk, &options, unix_nanos)
    };
    assert!(both(3 * SEGMENT, 0) > 1, "by its bytes");
    assert_eq!(both(1 << 30, 0), 1, "by neither");
    assert_eq!(
        both(1 << 30, u64::MAX),
        *firsts.last().unwrap(),
        "by its age"
    );
}

/// Of a damaged segment the time of its newest outcome isn't known: it goes when
/// the first one behind it is too old.
#[test]
fn a_damaged_segment_goes_with_the_next_one() {
    let (disk, records, firsts) = sample();
    let age = AGE.as_nanos() as u64;
    disk.change(&segment_name(1), |bytes| bytes[200..400].fill(0));
    let next = records[firsts[1] as usize - 1].committed_at;
    assert_eq!(oldest_at(&disk, &with_age(1), next + age), 1);
    assert_eq!(oldest_at(&disk, &with_age(1), next + age + 1), firsts[1]);
}

/// Even if its first batch is the one that doesn't decode, and if that is so in
/// the next one, too: retention goes on.
#[test]
fn a_segment_without_a_first_batch_goes_with_a_later_one() {
    let (sample, records, firsts) = sample();
    let age = AGE.as_nanos() as u64;
    for damaged in 1..=2 {
        let disk = sample.copy();
        for number in 1..=damaged {
            disk.change(&segment_name(number), |bytes| {
                bytes[SEGMENT_HEAD..][..FRAME_HEAD].fill(0);
            });
        }
        let behind = firsts[damaged as usize];
        let next = records[behind as usize - 1].committed_at;
        assert_eq!(oldest_at(&disk, &with_age(1), next + age), 1, "{damaged}");
        let oldest = oldest_at(&disk, &with_age(1), next + age + 1);
        assert_eq!(oldest, behind, "{damaged}");
    }
}

/// While it runs, and has read none of its segments from the disk.
#[test]
fn a_running_journal_removes_what_becomes_too_old() {
    let disk = Disk::new(3);
    let (mut journal, _) = open_at(&disk, &with_age(3), 0).unwrap();
    let mut number = 0;
    let mut commit = |ledger: &mut _| {
        number += 1;
        append(ledger, &[evaluated(number, 200)]).1.unwrap();
    };
    (0..20).for_each(|_| commit(&mut journal.ledger));
    assert_eq!(journal.archive.oldest_seq(), 1);
    set_now(u64::MAX);
    (0..4).for_each(|_| commit(&mut journal.ledger));
    let oldest = journal.archive.oldest_seq();
    assert!((16..=22).contains(&oldest), "{oldest}");
}
