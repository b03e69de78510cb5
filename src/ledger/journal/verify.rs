//! Reads every byte of a journal and says whether it is whole.

use std::path::Path;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::extent::{FoundExtent, Rewound};
use crate::ledger::journal::file_names::EXTENT;
use crate::ledger::journal::format::{Position, RecordView, SegmentHead};
use crate::ledger::journal::live_reader::{LiveReader, open_to_read};
use crate::ledger::journal::pending_file::PendingSummary;
use crate::ledger::journal::report::{RecoveryProgress, TornTail};
use crate::ledger::journal::segment_files::SegmentList;
use crate::ledger::journal::segment_reader::{SegmentEnd, Visitor};
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tail_scan::{TailScan, discarded_bytes};
use crate::ledger::{LedgerId, Status};

/// A journal that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which ledger it is.
    pub ledger: LedgerId,
    /// Segments read, the preallocated one included.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Segments that the service removed meanwhile.
    pub removed: usize,
    /// The first sequence found; one more than the last if there is none.
    pub first_seq: u64,
    /// The last sequence found; 0: none ever was.
    pub last_seq: u64,
    /// Outcomes found: processed.
    pub processed: u64,
    /// And failed.
    pub failed: u64,
    /// A batch at the end that is not whole: it was being written when the
    /// process was killed, or is being written now.
    pub torn_tail: Option<TornTail>,
    /// Bytes of torn writes that earlier starts discarded.
    pub discarded_bytes: u64,
    /// The journal grew while it was read; what was appended then was not.
    pub grew: bool,
    /// The journal ends with a seal or is empty: its last process ended
    /// cleanly, and no damage can pass for a torn write.
    pub sealed: bool,
    /// Why the next start gives the ledger a new id, if it does.
    pub rewound: Option<Rewound>,
    /// Orders in the pending file, which is whole. Some of them may have an
    /// outcome by now.
    pub pending_orders: Option<u64>,
}

/// Reads every byte of the segments in `dir`, and checks all checksums, that
/// headers and batches follow from one another, and that sequences have no gap;
/// then the pending orders, if there are any: checksums, that each is there
/// once, and that they belong to this journal. Changes nothing, and takes no
/// lock: a service may run on the directory, and what it had committed when
/// this began is checked. `progress` is called every few megabytes.
///
/// Damage to the last batch of a process that ended without a seal can't be
/// told from a torn write: it is reported as [`Verified::torn_tail`].
///
/// # Errors
/// The first [`OpenError`]: where the damage is, or why there is nothing to
/// read.
pub fn verify(
    dir: &Path,
    progress: &mut dyn FnMut(RecoveryProgress),
) -> Result<Verified, OpenError> {
    verify_source(&open_to_read(dir)?, dir, progress)
}

pub(crate) fn verify_source(
    source: &dyn Source,
    dir: &Path,
    progress: &mut dyn FnMut(RecoveryProgress),
) -> Result<Verified, OpenError> {
    let reader = LiveReader::open(source, dir)?;
    let manifest = reader.manifest();
    // Read before the journal, which then can't be older than these files.
    let extent =
        FoundExtent::read(source, manifest.ledger).map_err(OpenError::io(EXTENT, "read"))?;
    let pending = PendingSummary::read(source, manifest.ledger)?;
    let list = reader.list()?;
    let found = SegmentsFound::read(&reader, &list.heads, progress)?;
    let scan = found.scan_tail(&reader, &list)?;
    let last_seq = found.last_seq(&list.heads);
    let first_seq = found.first_seq.unwrap_or(last_seq + 1);
    let pending = match pending {
        Some(pending) => pending.read_again(source, manifest.ledger, (first_seq, last_seq))?,
        None => None,
    };
    let segments = list.heads.len() + list.headless.len() - found.removed;
    let position = found.end.as_ref().map(SegmentEnd::position);
    Ok(Verified {
        ledger: manifest.shown,
        segments,
        bytes: segments as u64 * manifest.segment_bytes,
        removed: found.removed,
        first_seq,
        last_seq,
        processed: found.processed,
        failed: found.failed,
        torn_tail: scan
            .as_ref()
            .and_then(|scan| scan.torn_tail(position.unwrap_or(Position::START))),
        discarded_bytes: found.discarded_bytes,
        grew: scan.is_none(),
        sealed: found.end.is_none_or(|end| end.sealed),
        rewound: extent.rewound(last_seq, segments + found.removed > 0),
        pending_orders: pending.map(|pending| pending.orders),
    })
}

/// What the segments that are still there hold.
#[derive(Default)]
struct SegmentsFound {
    removed: usize,
    first_seq: Option<u64>,
    processed: u64,
    failed: u64,
    discarded_bytes: u64,
    /// Of the last segment; `None` if it has been removed or there is none.
    end: Option<SegmentEnd>,
}

impl SegmentsFound {
    fn read(
        reader: &LiveReader<'_>,
        heads: &[SegmentHead],
        progress: &mut dyn FnMut(RecoveryProgress),
    ) -> Result<Self, OpenError> {
        let segment_bytes = reader.manifest().segment_bytes;
        let mut counter = Counter {
            so_far: RecoveryProgress {
                bytes: 0,
                bytes_total: heads.len() as u64 * segment_bytes,
                records: 0,
            },
            bytes_before: 0,
            found: Self::default(),
            progress,
        };
        for (at, head) in heads.iter().enumerate() {
            let next = heads.get(at + 1);
            let end = reader.read_segment(head, next, &mut counter)?;
            counter.bytes_before += segment_bytes;
            match &end {
                None => {
                    // Those before it went first, whether they were read or
                    // not.
                    counter.found = Self {
                        removed: at + 1,
                        ..Self::default()
                    };
                }
                Some(end) if next.is_some() => {
                    counter.found.discarded_bytes += discarded_bytes(&*end.file, end.position())?;
                }
                Some(_) => {}
            }
            counter.found.end = end;
        }
        Ok(counter.found)
    }

    /// `None` if the journal has grown, or its last segment has been removed.
    fn scan_tail(
        &self,
        reader: &LiveReader<'_>,
        list: &SegmentList,
    ) -> Result<Option<TailScan>, OpenError> {
        if self.end.is_none() && !list.heads.is_empty() {
            return Ok(None);
        }
        reader.scan_tail(self.end.as_ref(), list)
    }

    fn last_seq(&self, heads: &[SegmentHead]) -> u64 {
        match (&self.end, heads.last()) {
            (Some(end), _) => end.next_seq - 1,
            // All that was listed has been removed: as much as is known of it.
            (None, Some(head)) => head.first_seq - 1,
            (None, None) => 0,
        }
    }
}

struct Counter<'a> {
    so_far: RecoveryProgress,
    /// Of the segments before.
    bytes_before: u64,
    found: SegmentsFound,
    progress: &'a mut dyn FnMut(RecoveryProgress),
}

impl Visitor for Counter<'_> {
    fn record(&mut self, record: &RecordView<'_>) {
        self.so_far.records += 1;
        self.found.first_seq.get_or_insert(record.seq);
        match record.status {
            Status::Processed => self.found.processed += 1,
            Status::Failed => self.found.failed += 1,
        }
    }

    fn progress(&mut self, bytes: u64) {
        self.so_far.bytes = self.bytes_before + bytes;
        (self.progress)(self.so_far);
    }
}
