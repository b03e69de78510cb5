//! A damaged journal salvaged: each outcome is saved as it was, or reported as
//! lost, and nothing comes back that was discarded.

use std::cell::RefCell;
use std::sync::Arc;

use crate::ledger::Record;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::salvage::salvage_source;
use crate::ledger::journal::storage::Storage;
use crate::ledger::journal::tests::damage::{SEGMENT, SampleJournal};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{ID, append, evaluated, open, options, read_all};
use crate::ledger::journal::tests::live_reader::verified;
use crate::ledger::journal::{OpenError, Output, Salvaged};

mod broken_off;
mod damage;
pub(super) mod misplaced;
mod runs;
mod unreadable;

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

/// Readers know a journal whose sequence has gone back by another id than that
/// in its segments.
#[test]
fn the_report_names_the_id_that_readers_saw() {
    let sample = SampleJournal::new(true);
    let manifest = Manifest::of(ID, SEGMENT).renamed();
    manifest.write(&sample.disk).unwrap();
    let made = salvage(&sample.disk).unwrap();
    assert_eq!(made.salvaged.from, manifest.shown);
    assert_ne!(made.salvaged.from, ID);
    made.check(&sample.records, "renamed");
}
