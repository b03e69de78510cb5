//! Removes the oldest segments when there are more bytes than are to be retained.

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
    /// `None`: nothing is removed (any more).
    pub(crate) retain_bytes: Option<u64>,
}

impl Retention {
    /// Each removal is durable before the next one, so that a crash leaves no gap.
    pub(super) fn run(&mut self) {
        let Some(retain_bytes) = self.retain_bytes else {
            return;
        };
        while self.index.bytes() + self.segment_bytes > retain_bytes
            && let Some(number) = self.index.pop_oldest(self.window)
        {
            let name = segment_name(number);
            let removed = self.storage.remove(&name);
            if let Err(error) = removed.and_then(|()| self.storage.sync_names()) {
                tracing::error!(
                    "can't remove {name}: {error}; no segment is removed until the next start"
                );
                self.retain_bytes = None;
                return;
            }
            self.metrics
                .set_bytes(self.index.bytes() + self.segment_bytes);
        }
    }
}
