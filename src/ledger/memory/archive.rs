//! The read side: answers on the caller's thread.

use std::sync::Arc;

use crate::ledger::memory::chunks::Chunks;
use crate::ledger::{Archive, LedgerId, Read, ReadRange};

/// The read side.
pub struct MemoryArchive {
    pub(super) chunks: Arc<Chunks>,
    id: LedgerId,
}

impl MemoryArchive {
    pub(super) fn new(chunks: Arc<Chunks>, id: LedgerId) -> Self {
        Self { chunks, id }
    }

    pub(super) fn range(&self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        let first = after.saturating_add(1);
        let mut found = Vec::new();
        let mut bytes = 0;
        for seq in (first..=self.last_seq()).take(limit) {
            let record = self.chunks.get(seq)?;
            bytes += record.text_bytes();
            if !found.is_empty() && bytes > bytes_max {
                break;
            }
            found.push(record);
        }
        Ok(found)
    }
}

impl Archive for MemoryArchive {
    fn read(&self, seq: u64, reply: Box<dyn FnOnce(Read) + Send>) {
        reply(self.chunks.get(seq));
    }

    fn read_range(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: Box<dyn FnOnce(ReadRange) + Send>,
    ) {
        reply(self.range(after, limit, bytes_max));
    }

    fn last_seq(&self) -> u64 {
        self.chunks.last_seq()
    }

    fn oldest_seq(&self) -> u64 {
        self.chunks.oldest_seq()
    }

    fn ledger_id(&self) -> LedgerId {
        self.id
    }

    fn kind(&self) -> &'static str {
        "memory"
    }
}
