//! Reads a journal's outcomes from a sequence on, for the command line.

use std::ops::ControlFlow;
use std::path::Path;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{RecordView, SegmentHead};
use crate::ledger::journal::live_reader::{LiveReader, open_to_read};
use crate::ledger::journal::segment_files::SegmentList;
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
/// breaks off or there are no more; `None`: from the oldest on. With
/// `from_time`, in nanoseconds since the Unix epoch, it begins with the first
/// of them that was committed then or later; where the clock was set back, with
/// one of those that fit. Changes nothing, and takes no lock: a service may run on the directory.
///
/// All that is handed out is durable: the last segment is synced before, since
/// its last batch may be in the page cache only.
///
/// # Errors
/// [`ReplayError`]; what comes before the damage has been handed out.
pub fn replay(
    dir: &Path,
    after: Option<u64>,
    from_time: Option<u64>,
    each: &mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
) -> Result<(), ReplayError> {
    replay_source(&open_to_read(dir)?, dir, after, from_time, each)
}

pub(crate) fn replay_source(
    source: &dyn Source,
    dir: &Path,
    after: Option<u64>,
    from_time: Option<u64>,
    each: &mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
) -> Result<(), ReplayError> {
    let reader = LiveReader::open(source, dir)?;
    let (list, refused) = match reader.list() {
        Ok(list) => (list, None),
        Err(error) => (reader.list_before_damage()?, Some(error)),
    };
    let heads = &list.heads;
    let oldest = heads.first().map_or(1, |head| head.first_seq);
    let from = after.map_or(oldest, |after| after.saturating_add(1));
    if from < oldest {
        return Err(ReplayError::Gone { seq: from, oldest });
    }
    let mut start = heads.partition_point(|head| head.first_seq <= from);
    if let Some(time) = from_time {
        let is_before = |head: &SegmentHead| reader.first_commit(head) < Some(time);
        let mut at = heads.partition_point(is_before);
        // A damaged one has no time, and may have led too far.
        while at > 0
            && reader
                .first_commit(&heads[at - 1])
                .is_none_or(|it| it >= time)
        {
            at -= 1;
        }
        start = start.max(at);
    }
    let mut filter = Filter {
        from,
        until: u64::MAX,
        from_time,
        flow: ControlFlow::Continue(()),
        each,
    };
    for (at, head) in heads.iter().enumerate().skip(start.saturating_sub(1)) {
        let next = heads.get(at + 1);
        let damage = match next {
            // How far it goes, before anything of it is handed out.
            None if refused.is_none() => check_last(&reader, &list, &mut filter)?,
            _ => None,
        };
        let read = reader.read_segment(head, next, &mut filter);
        if let Some(damage) = damage
            && filter.flow.is_continue()
        {
            return Err(damage.into());
        }
        if read?.is_none() {
            let oldest = reader.list()?.heads;
            return Err(ReplayError::Gone {
                seq: filter.from.max(head.first_seq),
                oldest: oldest.first().map_or(1, |head| head.first_seq),
            });
        }
        if filter.flow.is_break() {
            return Ok(());
        }
    }
    refused.map_or(Ok(()), |error| Err(error.into()))
}

/// Finds out how far the last segment goes, and makes it durable up to there.
/// Returns the damage that ends it, if there is one: what comes before it is
/// handed out.
fn check_last(
    reader: &LiveReader<'_>,
    list: &SegmentList,
    filter: &mut Filter<'_>,
) -> Result<Option<OpenError>, ReplayError> {
    let Some(head) = list.heads.last() else {
        return Ok(None);
    };
    filter.until = 0;
    let end = match reader.read_segment(head, None, filter) {
        Ok(Some(end)) => end,
        Ok(None) => return Ok(None),
        // It ends there when it is read again, too.
        Err(error @ OpenError::Damaged { .. }) => {
            filter.until = u64::MAX;
            return Ok(Some(error));
        }
        Err(error) => return Err(error.into()),
    };
    let damage = match reader.scan_tail(Some(&end), list) {
        Ok(_) => None,
        Err(error @ OpenError::Damaged { .. }) => Some(error),
        Err(error) => return Err(error.into()),
    };
    end.file
        .sync()
        .map_err(OpenError::segment_io(head.number, "sync"))?;
    filter.until = end.next_seq;
    Ok(damage)
}

/// Passes on the records of a range.
struct Filter<'a> {
    from: u64,
    until: u64,
    /// Until there is one from then or later.
    from_time: Option<u64>,
    flow: ControlFlow<()>,
    each: &'a mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
}

impl Visitor for Filter<'_> {
    fn record(&mut self, record: &RecordView<'_>) {
        if self.flow.is_break() || !(self.from..self.until).contains(&record.seq) {
            return;
        }
        if self
            .from_time
            .is_none_or(|time| record.committed_at >= time)
        {
            self.from_time = None;
            self.flow = (self.each)(record);
        }
    }

    fn progress(&mut self, _bytes: u64) {}
}
