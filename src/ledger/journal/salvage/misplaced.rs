//! Which records were copied to a wrong position together with a head.

use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, RECORD_MIN, SEGMENT_HEAD, SegmentHead,
};
use crate::ledger::journal::salvage::found::Found;

/// The bytes behind a head, of a frame or a segment, that names another
/// position, up to where they may have ended.
///
/// They may be those of a batch that a start has discarded, of which any part
/// may be torn: its sequences were given to other orders, and where its bytes
/// are now may have been durable. So neither a hole in the frame nor a frame
/// without a head behind it ends them, but only a record that neither of the
/// two can have had there: what was written over goes on with it.
pub(super) struct Misplaced {
    /// Where the frame's records would end.
    body_end: usize,
    end_seq: u64,
    /// The end of what is known to be misplaced.
    pub(super) end: usize,
    /// The sequence of the next record.
    seq: u64,
}

impl Misplaced {
    /// What lies behind a segment's header, if that names another `number`.
    pub(super) fn segment(bytes: &[u8], number: u32) -> Option<Self> {
        let head = SegmentHead::decode(bytes.first_chunk()?).ok()?;
        (head.number != number).then_some(Self {
            body_end: SEGMENT_HEAD,
            end_seq: head.first_seq,
            end: SEGMENT_HEAD,
            seq: head.first_seq,
        })
    }

    /// What lies behind a frame's head that is found at `at`.
    pub(super) fn frame(at: usize, head: &FrameHead) -> Self {
        let end = at + FRAME_HEAD;
        Self {
            body_end: end.saturating_add(head.body_len as usize),
            end_seq: head.end_seq(),
            end,
            seq: head.first_seq,
        }
    }

    /// Takes the next record that decodes, if it can be one of them: its
    /// sequence is not behind that of all that have space in front of it.
    pub(super) fn takes(&mut self, found: &Found) -> bool {
        let start = found.range.start;
        let (from, seqs) = if start < self.body_end {
            (self.end, self.seq..self.end_seq)
        } else {
            // The head of the frame behind it is damaged.
            let from = self.end.max(self.body_end.saturating_add(FRAME_HEAD));
            (from, self.seq.max(self.end_seq)..u64::MAX)
        };
        let Some(space) = start.checked_sub(from) else {
            return false;
        };
        let most = (space / RECORD_MIN) as u64;
        let is_one = seqs.contains(&found.seq) && found.seq - seqs.start <= most;
        if is_one {
            (self.end, self.seq) = (found.range.end, found.seq + 1);
        }
        is_one
    }
}
