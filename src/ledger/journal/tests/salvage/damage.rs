//! Damage of one kind at a time: what it costs, and what it can't bring back.

use crate::ledger::journal::OpenError;
use crate::ledger::journal::file_names::{EXTENT, MANIFEST, segment_name};
use crate::ledger::journal::format::{FRAME_HEAD, SEGMENT_HEAD, record_len};
use crate::ledger::journal::tests::damage::{SEGMENT, SampleJournal, names};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{ID, append, evaluated, open, options, read_all};
use crate::ledger::journal::tests::salvage::salvage;

/// One byte costs one outcome at most, and none where it is in a head.
#[test]
fn every_byte_flipped_costs_one_outcome_at_most() {
    for sealed in [true, false] {
        let sample = SampleJournal::new(sealed);
        let last = sample.records.len() as u64;
        let &(last_segment, last_start, ..) = sample.batches.last().unwrap();
        for (number, name) in names() {
            for at in (0..SEGMENT as usize).step_by(3) {
                let disk = sample.disk.copy();
                disk.change(&name, |bytes| bytes[at] ^= 0x10);
                let case = format!("{name}[{at}], sealed: {sealed}");
                let made = salvage(&disk).unwrap_or_else(|error| panic!("{case}: {error}"));
                made.check(&sample.records, &case);
                let lost = &made.salvaged.lost;
                let saved = made.salvaged.in_journal() + made.salvaged.outside();
                let in_end = number == last_segment && at >= last_start;
                if in_end || number > last_segment {
                    // Whether there was more can't be told. Without a seal
                    // behind it, all of the last batch counts, or nothing.
                    let lost_most = if sealed { 1 } else { 2 };
                    assert!(saved >= last - lost_most, "{case}: {lost:?}");
                    continue;
                }
                assert!(saved >= last - 1, "{case}: {lost:?}");
                let known = lost.iter().all(|lost| lost.last_seq.is_some());
                assert!(known && lost.len() <= 1, "{case}: {lost:?}");
                let hit = at < sample.end(number);
                assert_eq!(made.salvaged.damages.len(), usize::from(hit), "{case}");
                let Some(damage) = made.salvaged.damages.first() else {
                    continue;
                };
                assert_eq!(damage.file, name);
                let range = damage.offset..damage.offset + damage.bytes;
                assert!(range.contains(&(at as u64)), "{case}: {damage:?}");
                assert_eq!(damage.lost, lost.first().copied(), "{case}");
                if at < SEGMENT_HEAD {
                    assert!(lost.is_empty(), "{case}: {lost:?}");
                }
            }
        }
    }
}

/// How many records these bytes hold before the end cuts through one.
fn orders_in(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some(len) = record_len(bytes) {
        bytes = &bytes[len..];
        count += 1;
    }
    count
}

/// A file that was cut inside of a batch: the batch's head, which is whole, has
/// the time of what is left of it.
#[test]
fn a_file_cut_short_costs_what_was_cut_off() {
    for sealed in [true, false] {
        let sample = SampleJournal::new(sealed);
        for (number, name) in names().take(3) {
            for len in (0..SEGMENT as usize).step_by(5) {
                let disk = sample.disk.copy();
                disk.change(&name, |bytes| bytes.truncate(len));
                let made = salvage(&disk).unwrap();
                let case = format!("{name} cut to {len}, sealed: {sealed}");
                made.check(&sample.records, &case);
                assert_eq!(made.salvaged.times_estimated, 0, "{case}");
                let bytes = sample.disk.bytes(&name);
                let (mut before, mut expected) = (0, 0);
                for &(segment, start, end, so_far) in &sample.batches {
                    expected += if segment != number || end <= len {
                        so_far - before
                    } else if number < 3 {
                        // The next segment proves it: what is left of it counts.
                        orders_in(&bytes[(start + FRAME_HEAD).min(len)..len])
                    } else {
                        0
                    };
                    before = so_far;
                }
                let saved = made.salvaged.in_journal() + made.salvaged.outside();
                assert_eq!(saved, expected as u64, "{case}");
            }
        }
    }
}

#[test]
fn the_manifest_is_made_up_from_the_other_files() {
    let sample = SampleJournal::new(true);
    for missing in [true, false] {
        let disk = sample.disk.copy();
        match missing {
            true => disk.forget(MANIFEST),
            false => disk.change(MANIFEST, |bytes| bytes[20] ^= 1),
        }
        let made = salvage(&disk).unwrap();
        assert!(made.salvaged.is_complete() && made.salvaged.from == ID);
        assert_eq!(made.salvaged.damages[0].file, MANIFEST);
        made.check(&sample.records, "no manifest");
        // Even if no segment has its head.
        for (_, name) in names() {
            disk.change(&name, |bytes| bytes[..SEGMENT_HEAD].fill(0));
        }
        let made = salvage(&disk).unwrap();
        assert!(made.salvaged.from == ID && made.salvaged.runs.len() == 1);
        made.check(&sample.records, "no manifest, no heads");
        disk.forget(EXTENT);
        let refused = salvage(&disk).map(|_| ());
        assert!(
            matches!(refused, Err(OpenError::Manifest { .. })),
            "{refused:?}"
        );
    }
    let nothing = salvage(&Disk::new(1)).map(|_| ());
    assert!(matches!(nothing, Err(OpenError::NoJournal { .. })));
    let disk = sample.disk.copy();
    for (_, name) in names() {
        disk.change(&name, |bytes| bytes.fill(7));
    }
    let nothing = salvage(&disk).map(|_| ());
    assert!(matches!(nothing, Err(OpenError::NothingToSave)));
}

/// A batch that a start has cut off, and whose sequences were given to others,
/// doesn't come back, whatever becomes of the segment behind it.
#[test]
fn what_was_discarded_does_not_come_back() {
    let sample = SampleJournal::new(false);
    let &(segment, _, end, _) = sample.batches.last().unwrap();
    let torn = sample.disk.copy();
    // Its last record is torn; the one before it is whole.
    torn.change(&segment_name(segment), |bytes| bytes[end - 8] ^= 1);
    let (mut journal, before) = open(&torn, &options(SEGMENT)).unwrap();
    let orders = [evaluated(70, 10), evaluated(71, 10), evaluated(72, 10)];
    append(&mut journal.ledger, &orders).1.unwrap();
    let all = read_all(&journal);
    assert_eq!(journal.ledger.end().segment, segment + 1);
    drop(journal);
    assert_eq!(all.len(), before.len() + 3);
    let next = segment_name(segment + 1);
    let frame = SEGMENT_HEAD + 10;
    let damages: [&dyn Fn(&Disk); 6] = [
        &|_| {},
        &|disk| disk.change(&next, |bytes| bytes[3] ^= 1),
        &|disk| disk.change(&next, |bytes| bytes[frame] ^= 1),
        &|disk| disk.change(&next, |bytes| bytes[..frame].fill(0)),
        &|disk| disk.change(&next, |bytes| bytes.fill(0)),
        &|disk| disk.forget(&next),
    ];
    for (at, damage) in damages.iter().enumerate() {
        let disk = torn.copy();
        damage(&disk);
        let made = salvage(&disk).unwrap();
        made.check(&all, &format!("damage {at}"));
        let whole = made.salvaged.in_journal() + made.salvaged.outside();
        let expected = if at < 4 { all.len() } else { before.len() };
        assert_eq!(whole, expected as u64, "damage {at}");
        let damages = made.salvaged.damages.len();
        assert_eq!(damages == 0, at == 0, "{:?}", made.salvaged.damages);
    }
}
