//! Reads every byte of a journal and says whether it is whole.

use std::path::Path;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::Position;
use crate::ledger::journal::record::RecordView;
use crate::ledger::journal::segment_reader::{Tail, Visitor, Walk};
use crate::ledger::journal::storage::{ReadOnly, Source};
use crate::ledger::journal::{Cut, Progress, live_reader, pending_file};
use crate::ledger::{LedgerId, Status};

/// A journal that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which ledger it is.
    pub ledger: LedgerId,
    /// Segments read, the prepared one included.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Segments that the service removed meanwhile.
    pub removed: usize,
    /// The first sequence found; one more than the last if there is none.
    pub first_seq: u64,
    /// The last sequence found, 0: none ever was.
    pub last_seq: u64,
    /// Outcomes found: processed.
    pub processed: u64,
    /// And failed.
    pub failed: u64,
    /// A batch at the end that is not whole: one that was being written when
    /// the process was killed, or is being written now.
    pub cut: Option<Cut>,
    /// Bytes that earlier starts gave up in the same way.
    pub void_bytes: u64,
    /// The journal went on while it was read: what came then was not.
    pub went_on: bool,
    /// The journal ends with a seal or is empty: its last process ended by
    /// itself, and no damage can pass for a batch that was being written.
    pub sealed: bool,
    /// Orders kept by a drain, in a file that is whole. Some of them may have an
    /// outcome by now.
    pub kept: Option<u64>,
}

/// Reads every byte of the segments in `dir`, and checks all checksums, that
/// headers and batches follow from one another, and that sequences have no gap;
/// then the orders that a drain has kept, if there are any: checksums, that each
/// is there once, and that they belong to this journal.
/// Changes nothing, and takes no lock: a service may run on the directory, and
/// what it had committed when this began is checked. `progress` hears how it
/// goes.
///
/// Damage to the last batch of a process that ended without a seal can't be told
/// from a batch that was being written: it is told as [`Verified::cut`].
///
/// # Errors
/// The first [`OpenError`] on the way: where the damage is, or why there is
/// nothing to read.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Verified, OpenError> {
    run(&ReadOnly::new(dir), dir, progress)
}

/// Counts.
struct Count<'a> {
    so_far: Progress,
    before: u64,
    outcomes: [u64; 2],
    first_seq: Option<u64>,
    progress: &'a mut dyn FnMut(Progress),
}

impl Visitor for Count<'_> {
    fn record(&mut self, record: &RecordView<'_>) {
        self.so_far.records += 1;
        self.first_seq.get_or_insert(record.seq);
        match record.status {
            Status::Processed => self.outcomes[0] += 1,
            Status::Failed => self.outcomes[1] += 1,
        }
    }

    fn read(&mut self, bytes: u64) {
        self.so_far.bytes = self.before + bytes;
        (self.progress)(self.so_far);
    }
}

pub(super) fn run(
    source: &dyn Source,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, OpenError> {
    let identity = live_reader::identity(source, dir)?;
    // Before the journal: which it can't be ahead of then.
    let kept = pending_file::look(source, identity.ledger)?;
    let walk = Walk { source, identity };
    let listing = walk.settled_listing()?;
    let heads = &listing.heads;
    let segment_bytes = identity.segment_bytes;
    let mut count = Count {
        so_far: Progress {
            bytes: 0,
            bytes_total: heads.len() as u64 * segment_bytes,
            records: 0,
        },
        before: 0,
        outcomes: [0; 2],
        first_seq: None,
        progress,
    };
    let (mut removed, mut void_bytes) = (0, 0);
    let mut tail: Option<Tail> = None;
    for (at, head) in heads.iter().enumerate() {
        let next = heads.get(at + 1);
        let found = walk.segment_if_kept(head, next, &mut count)?;
        count.before += segment_bytes;
        match &found {
            None => {
                // Those before it went first, whether they were read or not.
                (removed, void_bytes) = (at + 1, 0);
                (count.outcomes, count.first_seq) = ([0; 2], None);
            }
            Some(found) if next.is_some() => {
                void_bytes += walk.remains(&*found.file, found.position())?;
            }
            Some(_) => {}
        }
        tail = found;
    }
    let tail_is_gone = tail.is_none() && !heads.is_empty();
    let voids = match tail_is_gone {
        true => None,
        false => walk.voids_unless_gone_on(tail.as_ref(), &listing)?,
    };
    let last_seq = match (&tail, heads.last()) {
        (Some(tail), _) => tail.next_seq - 1,
        // All that was listed is gone: as much as is known of it.
        (None, Some(head)) => head.first_seq - 1,
        (None, None) => 0,
    };
    let segments = heads.len() + listing.without.len() - removed;
    let [processed, failed] = count.outcomes;
    let first_seq = count.first_seq.unwrap_or(last_seq + 1);
    let kept = match kept {
        Some(kept) => kept.again(source, identity.ledger, (first_seq, last_seq))?,
        None => None,
    };
    Ok(Verified {
        ledger: identity.ledger,
        segments,
        bytes: segments as u64 * segment_bytes,
        removed,
        first_seq,
        last_seq,
        processed,
        failed,
        cut: voids.as_ref().and_then(|voids| {
            let end = tail.as_ref().map(Tail::position);
            voids.cut(end.unwrap_or(Position::START))
        }),
        void_bytes,
        went_on: voids.is_none(),
        sealed: tail.is_none_or(|tail| tail.sealed),
        kept: kept.map(|kept| kept.orders),
    })
}
