//! Removes the oldest segments when there are more bytes than are to be
//! retained.

use std::io;
use std::sync::Arc;

use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::Storage;
use crate::metrics::JournalMetrics;

pub(crate) struct Retention {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) index: Arc<SegmentIndex>,
    pub(crate) metrics: Arc<JournalMetrics>,
    pub(crate) segment_bytes: u64,
    /// The newest outcomes, which are never removed.
    pub(crate) window: u64,
    /// `None`: nothing is removed.
    pub(crate) retain_bytes: Option<u64>,
    /// A segment whose removal failed, and is to be tried again before any
    /// other.
    pub(crate) failed: Option<u32>,
}

impl Retention {
    /// Removes what is too much if the segment ahead is `next_number`. Each
    /// removal is durable before the next one, so that a crash leaves no gap.
    /// Returns `false` if one failed, and is to be tried again.
    pub(super) fn run(&mut self, next_number: u32) -> bool {
        let Some(retain_bytes) = self.retain_bytes else {
            return true;
        };
        if let Some(number) = self.failed {
            match self.remove(number) {
                Ok(()) => self.failed = None,
                Err(_) => return false,
            }
        }
        while self.bytes(next_number) > retain_bytes
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
        true
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
