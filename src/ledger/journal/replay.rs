//! Reads a journal from a sequence on, for whoever wants to see it.

use std::ops::ControlFlow;
use std::path::Path;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::live_reader;
use crate::ledger::journal::record::RecordView;
use crate::ledger::journal::segment_reader::{Visitor, Walk, io_error};
use crate::ledger::journal::storage::{ReadOnly, Source};

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal is damaged, or there is none.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The service has dropped it to make room.
    #[error("sequence {seq} is no longer kept: the oldest is {oldest}")]
    Gone {
        /// What comes next.
        seq: u64,
        /// The oldest sequence there is.
        oldest: u64,
    },
}

/// Hands the outcomes behind sequence `after` to `each`, in order, until it
/// breaks off or there are no more; `None`: from the oldest that is kept.
/// Changes nothing, and takes no lock: a service may run on the directory.
///
/// All that is handed out is durable: the last segment is synced before, since
/// its last batch may be in the page cache only.
///
/// # Errors
/// [`ReplayError`]; what came before has been handed out.
pub fn replay(
    dir: &Path,
    after: Option<u64>,
    each: &mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
) -> Result<(), ReplayError> {
    run(&ReadOnly::new(dir), dir, after, each)
}

/// Passes on what is asked for.
struct Pick<'a> {
    from: u64,
    until: u64,
    flow: ControlFlow<()>,
    each: &'a mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
}

impl Visitor for Pick<'_> {
    fn record(&mut self, record: &RecordView<'_>) {
        if self.flow.is_continue() && (self.from..self.until).contains(&record.seq) {
            self.flow = (self.each)(record);
        }
    }

    fn read(&mut self, _bytes: u64) {}
}

pub(super) fn run(
    source: &dyn Source,
    dir: &Path,
    after: Option<u64>,
    each: &mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
) -> Result<(), ReplayError> {
    let identity = live_reader::identity(source, dir)?;
    let walk = Walk { source, identity };
    let listing = walk.settled_listing()?;
    let heads = &listing.heads;
    let oldest = heads.first().map_or(1, |head| head.first_seq);
    let from = after.map_or(oldest, |after| after.saturating_add(1));
    if from < oldest {
        return Err(ReplayError::Gone { seq: from, oldest });
    }
    let start = heads
        .partition_point(|head| head.first_seq <= from)
        .saturating_sub(1);
    let mut pick = Pick {
        from,
        until: u64::MAX,
        flow: ControlFlow::Continue(()),
        each,
    };
    for (at, head) in heads.iter().enumerate().skip(start) {
        let next = heads.get(at + 1);
        if next.is_none() {
            // How far it goes, before anything of it is handed out.
            pick.until = 0;
            if let Some(tail) = walk.segment_if_kept(head, None, &mut pick)? {
                walk.voids_unless_gone_on(Some(&tail), &listing)?;
                tail.file.sync().map_err(io_error(head.number, "sync"))?;
                pick.until = tail.next_seq;
            }
        }
        if walk.segment_if_kept(head, next, &mut pick)?.is_none() {
            let oldest = walk.settled_listing()?.heads;
            return Err(ReplayError::Gone {
                seq: pick.from.max(head.first_seq),
                oldest: oldest.first().map_or(1, |head| head.first_seq),
            });
        }
        if pick.flow.is_break() {
            break;
        }
    }
    Ok(())
}
