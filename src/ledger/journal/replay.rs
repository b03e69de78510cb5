//! Reads a journal's outcomes from a sequence on, for the command line.

use std::ops::ControlFlow;
use std::path::Path;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::RecordView;
use crate::ledger::journal::live_reader::{LiveReader, open_to_read};
use crate::ledger::journal::segment_reader::Visitor;
use crate::ledger::journal::storage::Source;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal is damaged, or there is none.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The service has removed the outcome to free space.
    #[error("sequence {seq} is no longer kept: the oldest is {oldest}")]
    Gone {
        /// The next sequence of the replay.
        seq: u64,
        /// The oldest sequence there is.
        oldest: u64,
    },
}

/// Hands the outcomes after sequence `after` to `each`, in order, until it
/// breaks off or there are no more; `None`: from the oldest on. Changes
/// nothing, and takes no lock: a service may run on the directory.
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
    replay_source(&open_to_read(dir)?, dir, after, each)
}

pub(crate) fn replay_source(
    source: &dyn Source,
    dir: &Path,
    after: Option<u64>,
    each: &mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
) -> Result<(), ReplayError> {
    let reader = LiveReader::open(source, dir)?;
    let list = reader.list()?;
    let heads = &list.heads;
    let oldest = heads.first().map_or(1, |head| head.first_seq);
    let from = after.map_or(oldest, |after| after.saturating_add(1));
    if from < oldest {
        return Err(ReplayError::Gone { seq: from, oldest });
    }
    let start = heads
        .partition_point(|head| head.first_seq <= from)
        .saturating_sub(1);
    let mut filter = Filter {
        from,
        until: u64::MAX,
        flow: ControlFlow::Continue(()),
        each,
    };
    for (at, head) in heads.iter().enumerate().skip(start) {
        let next = heads.get(at + 1);
        if next.is_none() {
            // How far it goes, before anything of it is handed out.
            filter.until = 0;
            if let Some(end) = reader.read_segment(head, None, &mut filter)? {
                reader.scan_tail(Some(&end), &list)?;
                end.file
                    .sync()
                    .map_err(OpenError::segment_io(head.number, "sync"))?;
                filter.until = end.next_seq;
            }
        }
        if reader.read_segment(head, next, &mut filter)?.is_none() {
            let oldest = reader.list()?.heads;
            return Err(ReplayError::Gone {
                seq: filter.from.max(head.first_seq),
                oldest: oldest.first().map_or(1, |head| head.first_seq),
            });
        }
        if filter.flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// Passes on the records of a range.
struct Filter<'a> {
    from: u64,
    until: u64,
    flow: ControlFlow<()>,
    each: &'a mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
}

impl Visitor for Filter<'_> {
    fn record(&mut self, record: &RecordView<'_>) {
        if self.flow.is_continue() && (self.from..self.until).contains(&record.seq) {
            self.flow = (self.each)(record);
        }
    }

    fn progress(&mut self, _bytes: u64) {}
}
