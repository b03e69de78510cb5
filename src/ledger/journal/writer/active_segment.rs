//! The segment that is written to, and where the journal ends.

use std::sync::Arc;

use crate::ledger::journal::format::{FRAME_HEAD, Position, SEGMENT_HEAD};
use crate::ledger::journal::frame_index::FrameIndex;
use crate::ledger::journal::preallocator::PreparedSegment;
use crate::ledger::journal::storage::File;

pub(crate) struct ActiveSegment {
    pub(crate) number: u32,
    pub(crate) first_seq: u64,
    pub(crate) file: Box<dyn File>,
    /// Where the next frame goes; 0: the header isn't written yet.
    pub(crate) offset: u32,
    pub(crate) index: Arc<FrameIndex>,
}

/// Where the journal ends. Everything before it is durable.
pub(crate) struct JournalEnd {
    /// `None` if the next frame starts a new segment.
    pub(crate) active: Option<ActiveSegment>,
    pub(crate) position: Position,
    pub(crate) next_seq: u64,
    /// The last frame is a seal, or there is none.
    pub(crate) sealed: bool,
}

impl ActiveSegment {
    pub(super) fn new(prepared: PreparedSegment, first_seq: u64, segment_bytes: u64) -> Self {
        Self {
            number: prepared.number,
            first_seq,
            file: prepared.file,
            offset: 0,
            index: FrameIndex::new(segment_bytes),
        }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.offset == 0
    }

    /// Where the next frame starts.
    pub(super) fn frame_position(&self) -> Position {
        Position {
            segment: self.number,
            offset: if self.is_fresh() {
                SEGMENT_HEAD as u32
            } else {
                self.offset
            },
        }
    }

    /// Whether a frame fits, and a seal behind it.
    pub(super) fn fits(&self, frame_len: usize, segment_bytes: u64) -> bool {
        u64::from(self.offset) + (frame_len + FRAME_HEAD) as u64 <= segment_bytes
    }
}
