//! One batch encoded as a frame, with space for a segment's header in front.

use crate::ledger::Item;
use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, SEGMENT_HEAD, Salt, SegmentHead, encode_record, encoded_len,
};
use crate::ledger::journal::limits::{BATCH_BYTES_MAX, BATCH_ORDERS_MAX, RECORD_BYTES_MAX};

/// The header of a segment and the head of a frame.
const HEADS: usize = SEGMENT_HEAD + FRAME_HEAD;

#[derive(Default)]
pub(super) struct FrameBuffer {
    bytes: Vec<u8>,
}

impl FrameBuffer {
    /// Encodes as many of the first `items` as one frame takes. Returns how many;
    /// 0 if the first one is too long for any frame.
    pub(super) fn encode<'a, T: Item + 'a>(
        &mut self,
        items: impl Iterator<Item = &'a T>,
        first_seq: u64,
        salt: Salt,
        segment_bytes: u64,
    ) -> usize {
        // Behind the last frame there is always space for a seal.
        let body_max = (segment_bytes as usize - HEADS - FRAME_HEAD).min(RECORD_BYTES_MAX);
        self.bytes.clear();
        self.bytes.resize(HEADS, 0);
        let mut orders = 0;
        for item in items.take(BATCH_ORDERS_MAX) {
            let len = encoded_len(item);
            if len > body_max {
                break;
            }
            if orders > 0 && self.body_len() + len > BATCH_BYTES_MAX.min(body_max) {
                break;
            }
            encode_record(&mut self.bytes, first_seq + orders as u64, item, salt);
            orders += 1;
        }
        orders
    }

    pub(super) fn body_len(&self) -> usize {
        self.bytes.len() - HEADS
    }

    pub(super) fn frame_len(&self) -> usize {
        self.bytes.len() - SEGMENT_HEAD
    }

    /// Sets the heads and returns the bytes to write: the frame, behind the
    /// segment's header if there is one.
    pub(super) fn finish(
        &mut self,
        segment: Option<&SegmentHead>,
        frame: &FrameHead,
        salt: Salt,
    ) -> &[u8] {
        self.bytes[SEGMENT_HEAD..HEADS].copy_from_slice(&frame.encode(salt));
        match segment {
            Some(segment) => {
                self.bytes[..SEGMENT_HEAD].copy_from_slice(&segment.encode());
                &self.bytes
            }
            None => &self.bytes[SEGMENT_HEAD..],
        }
    }

    /// Empties the buffer. One long order must not hold its memory for ever.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(2 * BATCH_BYTES_MAX);
    }
}
