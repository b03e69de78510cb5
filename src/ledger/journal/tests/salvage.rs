//! A damaged journal salvaged: each outcome is saved as it was, or reported as
//! lost, and nothing comes back that was discarded.

use std::cell::RefCell;
use std::sync::Arc;

use crate::ledger::Record;
use crate::ledger::journal::file_names::{
    EXTENT, MANIFEST, PENDING, SALVAGE_REPORT, SALVAGE_REST, segment_name,
};
use crate::ledger::journal::format::SEGMENT_HEAD;
use crate::ledger::journal::salvage::salvage_source;
use crate::ledger::journal::storage::{Source, Storage};
use crate::ledger::journal::tests::damage::{SEGMENT, SampleJournal, names};
use crate::ledger::journal::tests::disk::{Crash, Disk, Fault};
use crate::ledger::journal::tests::fixture::{
    ID, append, evaluated, open, open_locked, options, read_all,
};
use crate::ledger::journal::tests::live_reader::verified;
use crate::ledger::journal::{
    Lost, OpenError, Output, PendingOrder, Run, Salvaged, SalvagedPending,
};

/// What a salvage made.
pub(super) struct Made {
    pub(super) disk: Disk,
    /// The records outside of the journal.
    pub(super) rest: Vec<Record>,
    pub(super) salvaged: Salvaged,
}

pub(super) fn salvage_onto(
    source: &Disk,
    target: &Disk,
    keep: Option<u64>,
) -> Result<Made, OpenError> {
    let rest = RefCell::new(Vec::new());
    let storage: Arc<dyn Storage> = Arc::new(target.clone());
    let before = source.ops();
    let output = Output {
        line: &|record| {
            rest.borrow_mut().push(record.clone());
            record.id.as_bytes().to_vec()
        },
        report: &|_| b"{}".to_vec(),
    };
    let salvaged = salvage_source(source, &storage, keep, output)?;
    assert_eq!(source.ops(), before, "it is only read");
    Ok(Made {
        disk: target.clone(),
        rest: rest.into_inner(),
        salvaged,
    })
}

pub(super) fn salvage(source: &Disk) -> Result<Made, OpenError> {
    salvage_onto(source, &Disk::new(2), None)
}

impl Made {
    /// Opens the new journal, and checks that it and the rest have of `all`
    /// what isn't lost, and nothing else.
    #[track_caller]
    pub(super) fn check(&self, all: &[Record], case: &str) {
        let Salvaged {
            kept,
            lost,
            times_estimated,
            ..
        } = &self.salvaged;
        let (journal, visited) = open(&self.disk.copy(), &options(SEGMENT))
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(journal.recovered.ledger, self.salvaged.ledger, "{case}");
        assert_ne!(journal.recovered.ledger, ID, "{case}");
        assert_eq!(journal.recovered.rewound, None, "{case}");
        assert_eq!(read_all(&journal), visited, "{case}");
        let of_run = kept.map_or(0..0, |run| run.first_seq..run.last_seq + 1);
        let seqs = visited.iter().map(|record| record.outcome.seq);
        assert!(seqs.eq(of_run), "{case}");
        let mut saved = [&visited[..], &self.rest].concat();
        saved.sort_by_key(|record| record.outcome.seq);
        let is_lost = |seq: u64| {
            lost.iter().any(|lost| {
                lost.first_seq.is_none_or(|first| first <= seq)
                    && lost.last_seq.is_none_or(|last| seq <= last)
            })
        };
        let mut not_lost = all.iter().filter(|record| !is_lost(record.outcome.seq));
        let mut estimated = 0;
        for record in &saved {
            let original = not_lost
                .next()
                .unwrap_or_else(|| panic!("{case}: {record:?}"));
            let same_time = Record {
                committed_at: original.committed_at,
                ..record.clone()
            };
            assert_eq!(same_time, *original, "{case}");
            estimated += u64::from(record.committed_at != original.committed_at);
        }
        let forgotten = not_lost.next();
        assert!(forgotten.is_none(), "{case}: {forgotten:?} {lost:?}");
        assert_eq!(estimated, *times_estimated, "{case}");
        assert_eq!(
            saved.len() as u64,
            self.salvaged.in_journal() + self.salvaged.outside()
        );
    }
}

#[test]
fn a_whole_journal_is_copied() {
    for sealed in [true, false] {
        let sample = SampleJournal::new(sealed);
        let made = salvage(&sample.disk).unwrap();
        let Salvaged { damages, runs, .. } = &made.salvaged;
        assert_eq!((damages.len(), runs.len()), (0, 1), "{damages:?}");
        assert!(made.salvaged.is_complete() && made.salvaged.from == ID);
        made.check(&sample.records, "whole");
        // It is closed, and as long as the records need.
        let found = verified(&made.disk).unwrap();
        assert!(found.sealed && found.segments == 3, "{found:?}");
        // It goes on as any other.
        let (mut journal, _) = open(&made.disk, &options(SEGMENT)).unwrap();
        append(&mut journal.ledger, &[evaluated(50, 100)])
            .1
            .unwrap();
        drop(journal);
        let (_, again) = open(&made.disk, &options(SEGMENT)).unwrap();
        assert_eq!(again.len(), sample.records.len() + 1);
    }
}

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
                    // Whether there was more can't be told.
                    assert!(sealed || saved >= last - 2, "{case}: {lost:?}");
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

/// A missing segment splits the journal; the longest run is the default, and
/// another can be asked for.
#[test]
fn a_hole_leaves_runs_to_choose_from() {
    let sample = SampleJournal::new(true);
    let in_first = sample.batches.iter().filter(|batch| batch.0 == 1);
    let in_first = in_first.map(|batch| batch.3).max().unwrap() as u64;
    let in_second = sample.batches.iter().filter(|batch| batch.0 == 2);
    let in_second = in_second.map(|batch| batch.3).max().unwrap() as u64;
    let last = sample.records.len() as u64;
    let disk = sample.disk.copy();
    disk.forget(&segment_name(2));
    let made = salvage(&disk).unwrap();
    made.check(&sample.records, "second missing");
    let run = |first_seq, last_seq| Run {
        first_seq,
        last_seq,
    };
    let runs = [run(1, in_first), run(in_second + 1, last)];
    assert_eq!(made.salvaged.runs, runs);
    let longest = runs.into_iter().max_by_key(|run| run.outcomes());
    assert_eq!(made.salvaged.kept, longest);
    let hole = Lost {
        first_seq: Some(in_first + 1),
        last_seq: Some(in_second),
    };
    assert_eq!(made.salvaged.lost, [hole]);
    assert_eq!(made.salvaged.damages[0].lost, Some(hole));
    for wanted in runs {
        for seq in [wanted.first_seq, wanted.last_seq] {
            let made = salvage_onto(&disk, &Disk::new(3), Some(seq)).unwrap();
            assert_eq!(made.salvaged.kept, Some(wanted));
            made.check(&sample.records, "chosen");
            let has_rest = made
                .disk
                .names()
                .unwrap()
                .contains(&SALVAGE_REST.to_owned());
            assert!(
                has_rest
                    && made
                        .disk
                        .names()
                        .unwrap()
                        .contains(&SALVAGE_REPORT.to_owned())
            );
        }
    }
    for seq in [in_first + 1, last + 1, 0] {
        let refused = salvage_onto(&disk, &Disk::new(3), Some(seq)).map(|_| ());
        assert!(matches!(refused, Err(OpenError::NoSuchRun { .. })), "{seq}");
    }
    // The first one: as if removed by retention, but the extent knows better
    // of the last.
    for (missing, lost) in [(1, false), (3, true)] {
        let disk = sample.disk.copy();
        disk.forget(&segment_name(missing));
        let made = salvage(&disk).unwrap();
        assert_eq!(made.salvaged.lost.is_empty(), !lost, "{missing}");
        let expected = match missing {
            1 => &sample.records[in_first as usize..],
            _ => &sample.records[..],
        };
        made.check(expected, "an end missing");
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
    let &(segment, start, end, _) = sample.batches.last().unwrap();
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
    assert!(start > 0);
}

/// Whatever fails, and wherever it dies: the manifest, which comes last, is
/// there with all the rest, or there is no journal.
#[test]
fn a_salvage_that_is_broken_off_makes_no_journal() {
    let sample = SampleJournal::new(true);
    sample.disk.forget(&segment_name(2));
    let target = Disk::new(4);
    let whole = salvage_onto(&sample.disk, &target, None).unwrap();
    let total = target.ops();
    for at in 1..=total {
        for fault in [Fault::Dies, Fault::Fails, Fault::SyncFails, Fault::Full(3)] {
            let disk = Disk::new(at);
            disk.plan(at, fault);
            let made = salvage_onto(&sample.disk, &disk, None);
            if fault == Fault::Dies {
                disk.restart(Crash::PowerLoss);
            }
            let case = format!("{fault:?} at {at}");
            if disk.names().unwrap().iter().any(|name| name == MANIFEST) {
                disk.plan_nothing();
                let (journal, _) = open(&disk, &options(SEGMENT)).unwrap();
                let run = whole.salvaged.kept.unwrap();
                let found = read_all(&journal);
                assert_eq!(found.len() as u64, run.outcomes(), "{case}");
                assert_eq!(found[0].outcome.seq, run.first_seq, "{case}");
                for name in [SALVAGE_REST, SALVAGE_REPORT] {
                    assert_eq!(disk.bytes(name), target.bytes(name), "{case}");
                }
            } else {
                assert!(made.is_err(), "{case}");
                disk.plan_nothing();
                let has_segments = names().any(|(_, name)| disk.has(&name));
                let opened = open(&disk, &options(SEGMENT));
                assert_eq!(opened.is_err(), has_segments, "{case}");
            }
        }
    }
}

#[test]
fn pending_orders_come_along() {
    let disk = Disk::new(9);
    let (mut journal, _) = open_locked(&disk, &options(SEGMENT)).unwrap();
    let orders: Vec<_> = (1..=6).map(|number| evaluated(number, 100)).collect();
    append(&mut journal.ledger, &orders[..2]).1.unwrap();
    let waiting = [evaluated(4, 100), evaluated(80, 0), evaluated(81, 0)];
    let pending = waiting
        .iter()
        .map(|order| PendingOrder::new(order.accepted_at, &order.order));
    journal.pending_file.write(2, pending).unwrap();
    // Killed behind the outcome of one of them.
    append(&mut journal.ledger, &orders[2..]).1.unwrap();
    let all = read_all(&journal);
    let killed = disk.copy();
    drop(journal);
    let whole = |orders, finished, in_doubt| SalvagedPending::Whole {
        orders,
        finished,
        in_doubt,
    };
    let found = (1..=2).find_map(|number| {
        let name = segment_name(number);
        let bytes = killed.bytes(&name);
        let at = bytes.windows(3).position(|three| three == b"o-4")?;
        Some((name, at))
    });
    let outcome = found.expect("it is in the journal");
    for (damage, pending, taken_up) in [
        (None, whole(2, 1, false), 2),
        // The outcome of that one is lost: nobody knows that it has one.
        (Some(outcome), whole(3, 0, true), 3),
        (
            Some((PENDING.to_owned(), 70)),
            SalvagedPending::Damaged(String::new()),
            0,
        ),
    ] {
        let disk = killed.copy();
        if let Some((name, at)) = &damage {
            disk.change(name, |bytes| bytes[*at] ^= 1);
        }
        let made = salvage(&disk).unwrap();
        made.check(&all, &format!("{damage:?}"));
        match &made.salvaged.pending {
            SalvagedPending::Damaged(why) => {
                assert!(why.contains("damaged") && taken_up == 0, "{why}");
                assert!(!made.salvaged.is_complete());
            }
            found => assert_eq!(*found, pending),
        }
        let (journal, _) = open(&made.disk, &options(SEGMENT)).unwrap();
        assert_eq!(journal.pending_orders.len(), taken_up, "{damage:?}");
    }
}
