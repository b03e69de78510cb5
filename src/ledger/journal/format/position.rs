//! Positions in the journal.

use crate::ledger::journal::format::bytes::u32_at;

/// A position in the journal. Positions are ordered as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The segment's number; 0: before the first.
    pub(crate) segment: u32,
    /// Bytes from the segment's start.
    pub(crate) offset: u32,
}

impl Position {
    /// Before everything.
    pub(crate) const START: Self = Self {
        segment: 0,
        offset: 0,
    };

    pub(super) fn encode(self, bytes: &mut [u8]) {
        bytes[..4].copy_from_slice(&self.segment.to_le_bytes());
        bytes[4..].copy_from_slice(&self.offset.to_le_bytes());
    }

    pub(super) fn decode(bytes: &[u8], at: usize) -> Self {
        Self {
            segment: u32_at(bytes, at),
            offset: u32_at(bytes, at + 4),
        }
    }
}
