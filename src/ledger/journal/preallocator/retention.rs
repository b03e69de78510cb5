//! Removes the oldest segments when there are more bytes than are to be
//! retained, or when all in one is older than is to be retained.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{SEGMENT_HEAD, Salt};
use crate::ledger::journal::frame_reader::FrameReader;
use crate::ledger::journal::segment_index::{Location, SegmentIndex};
use crate::ledger::journal::storage::Storage;
use crate::metrics::JournalMetrics;

pub(crate) struct Retention {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) index: Arc<SegmentIndex>,
    pub(crate) metrics: Arc<JournalMetrics>,
    pub(crate) segment_bytes: u64,
    pub(crate) salt: Salt,
    /// The newest outcomes, which are never removed.
    pub(crate) window: u64,
    pub(crate) limits: RetentionLimits,
    /// Wall time, in nanoseconds since the Unix epoch.
    pub(crate) now: fn() -> u64,
    /// When the newest outcome in a segment was committed: of the segment that
    /// was looked at last, by its number.
    pub(crate) newest: Option<(u32, u64)>,
    /// A segment whose removal failed, and is to be tried again before any
    /// other.
    pub(crate) failed: Option<u32>,
    /// It has been said that the window needs more than is to be retained.
    pub(crate) has_warned: bool,
}

/// `None`: nothing is removed for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RetentionLimits {
    pub(crate) bytes: Option<u64>,
    /// Since the commit.
    pub(crate) age: Option<Duration>,
}

impl Retention {
    /// Removes what is too much if the segment ahead is `next_number`, or too
    /// old. Each removal is durable before the next one, so that a crash leaves
    /// no gap. Returns `false` if one failed, and is to be tried again.
    pub(super) fn run(&mut self, next_number: u32) -> bool {
        if let Some(number) = self.failed {
            match self.remove(number) {
                Ok(()) => self.failed = None,
                Err(_) => return false,
            }
        }
        while (self.is_too_much(next_number) || self.is_too_old())
            && let Some(number) = self.index.pop_oldest(self.window)
        {
            if let Err(error) = self.remove(number) {
                let name = segment_name(number);
                tracing::error!("can't remove {name}: {error}; tried again until it works");
                self.failed = Some(number);
                return false;
            }
            self.metrics.set_bytes(self.bytes(next_number));
        }
        self.warn_of_window(next_number);
        true
    }

    /// Says once that `--retain-bytes` does not bound the disk.
    fn warn_of_window(&mut self, next_number: u32) {
        if self.has_warned
            || !self.is_too_much(next_number)
            || !self.index.window_needs_oldest(self.window)
        {
            return;
        }
        self.has_warned = true;
        tracing::warn!(
            bytes = self.bytes(next_number),
            window = self.window,
            "the dedupe window needs more than --retain-bytes, so older outcomes stay: lower \
             --dedupe-window to as many as clients may retry, or give the journal more space"
        );
    }

    fn is_too_much(&self, next_number: u32) -> bool {
        let limit = self.limits.bytes;
        limit.is_some_and(|bytes| self.bytes(next_number) > bytes)
    }

    /// Whether all in the oldest segment is, if that may be removed.
    fn is_too_old(&mut self) -> bool {
        let Some(age) = self.limits.age else {
            return false;
        };
        let Some(oldest) = self.index.oldest_removable(self.window) else {
            return false;
        };
        let now = (self.now)();
        let is_old = |at: u64| u128::from(now.saturating_sub(at)) > age.as_nanos();
        let number = oldest.segment.number;
        let newest = match self.newest {
            Some((of, newest)) if of == number => Some(newest),
            // Its first batch is at hand; its last one may be far behind.
            _ if self.first_commit(number).is_some_and(|at| !is_old(at)) => return false,
            _ => self.newest_commit(&oldest),
        };
        self.newest = newest.map(|newest| (number, newest));
        newest.is_some_and(is_old)
    }

    fn first_commit(&self, number: u32) -> Option<u64> {
        let file = self.storage.open(&segment_name(number)).ok()?;
        let mut frames = FrameReader::new(&*file, number, self.segment_bytes, self.salt);
        let first = frames.head(SEGMENT_HEAD as u64).ok()??;
        Some(first.committed_at)
    }

    /// When the newest outcome in a segment was committed. Of a damaged one no
    /// more can be said than that it was before the first in a later segment.
    fn newest_commit(&self, oldest: &Location) -> Option<u64> {
        let Location { segment, end_seq } = oldest;
        let read = || {
            let file = self.storage.open(&segment_name(segment.number)).ok()?;
            let size = self.segment_bytes;
            let mut frames = FrameReader::new(&*file, segment.number, size, self.salt);
            let indexed = segment.index().and_then(|index| index.floor(u64::MAX));
            let mut offset = indexed.map_or(SEGMENT_HEAD as u64, u64::from);
            while let Some(head) = frames.head(offset).ok()? {
                if head.end_seq() >= *end_seq {
                    return Some(head.committed_at);
                }
                offset = head.end();
            }
            None
        };
        let later = || (1..self.index.segments()).map(|behind| segment.number + behind as u32);
        read().or_else(|| later().find_map(|number| self.first_commit(number)))
    }

    /// Bytes of all segments, the one ahead included.
    fn bytes(&self, next_number: u32) -> u64 {
        self.index.bytes() + self.index.bytes_handed_out(next_number) + self.segment_bytes
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        let removed = match self.storage.remove(&segment_name(number)) {
            // An attempt before this one has removed it, and failed to sync.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        removed.and_then(|()| self.storage.sync_names())
    }
}
