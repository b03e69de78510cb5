//! The head of a frame.

use crate::ledger::journal::format::bytes::{u32_at, u64_at};
use crate::ledger::journal::format::position::Position;
use crate::ledger::journal::format::record::RECORD_MIN;
use crate::ledger::journal::format::salt::Salt;

/// Bytes in a frame's head.
pub(crate) const FRAME_HEAD: usize = 64;

const MAGIC: [u8; 8] = *b"\xFFBATCH1\xFE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// The frame's own position.
    pub(crate) at: Position,
    /// Bytes of records behind the head.
    pub(crate) body_len: u32,
    /// How many records.
    pub(crate) count: u32,
    pub(crate) first_seq: u64,
    pub(crate) committed_at: u64,
    /// Everything before this was durable when the frame was written.
    pub(crate) durable: Position,
}

impl FrameHead {
    pub(crate) fn encode(&self, salt: Salt) -> [u8; FRAME_HEAD] {
        let mut bytes = [0; FRAME_HEAD];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.committed_at.to_le_bytes());
        self.durable.encode(&mut bytes[32..40]);
        self.at.encode(&mut bytes[40..48]);
        let sum = salt.checksum([&bytes[..60], &[]]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The head at position `at`, if there is one.
    pub(crate) fn decode(bytes: &[u8], at: Position, salt: Salt) -> Option<Self> {
        Self::decode_anywhere(bytes, salt).filter(|head| head.at == at)
    }

    /// A head that may be that of another position than where it was found.
    pub(crate) fn decode_anywhere(bytes: &[u8], salt: Salt) -> Option<Self> {
        let bytes: &[u8; FRAME_HEAD] = bytes.first_chunk()?;
        let valid = bytes[..8] == MAGIC && u32_at(bytes, 60) == salt.checksum([&bytes[..60], &[]]);
        valid.then(|| Self {
            at: Position::decode(bytes, 40),
            body_len: u32_at(bytes, 8),
            count: u32_at(bytes, 12),
            first_seq: u64_at(bytes, 16),
            committed_at: u64_at(bytes, 24),
            durable: Position::decode(bytes, 32),
        })
    }

    /// Whether there can be such a frame in a segment of `size` bytes.
    pub(crate) fn is_possible(&self, size: u64) -> bool {
        let body_min = u64::from(self.count) * RECORD_MIN as u64;
        self.end() <= size
            && u64::from(self.body_len) >= body_min
            && (self.count == 0) == (self.body_len == 0)
    }

    /// The sequence behind its last.
    pub(crate) fn end_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count.into())
    }

    /// The offset at which the frame ends. Wider than an offset: the length in
    /// a head is not trusted before it has been compared.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.at.offset) + FRAME_HEAD as u64 + u64::from(self.body_len)
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::LedgerId;

    use super::*;

    const HERE: Position = Position {
        segment: 7,
        offset: 64,
    };

    fn frame() -> FrameHead {
        FrameHead {
            at: HERE,
            body_len: 80,
            count: 2,
            first_seq: 17,
            committed_at: 1_700_000_000_000_000_000,
            durable: Position {
                segment: 6,
                offset: 4096,
            },
        }
    }

    #[test]
    fn every_bit_of_a_frame_head_counts() {
        let salt = Salt::of(LedgerId([3; 16]));
        let bytes = frame().encode(salt);
        assert_eq!(FrameHead::decode(&bytes, HERE, salt), Some(frame()));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHead::decode(&bytes, HERE, salt), None, "bit {bit}");
        }
        assert_eq!(FrameHead::decode(&[0; FRAME_HEAD], HERE, salt), None);
        assert_eq!(FrameHead::decode(&bytes[..63], HERE, salt), None);
    }

    #[test]
    fn a_frame_of_another_position_or_ledger_is_none() {
        let salt = Salt::of(LedgerId([3; 16]));
        let bytes = frame().encode(salt);
        let elsewhere = Position {
            offset: 128,
            ..HERE
        };
        assert_eq!(FrameHead::decode(&bytes, elsewhere, salt), None);
        assert_eq!(FrameHead::decode_anywhere(&bytes, salt), Some(frame()));
        let other = Salt::of(LedgerId([4; 16]));
        assert_eq!(FrameHead::decode(&bytes, HERE, other), None);
        assert_eq!(FrameHead::decode_anywhere(&bytes, other), None);
    }
}
