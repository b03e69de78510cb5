//! What stands in a segment file, byte by byte: the segment's header and the
//! frames of its batches. What stands in a frame is in [`record`](crate::ledger::journal::record).
//!
//! All numbers are little-endian. Everything starts at a multiple of 8.
//!
//! # A segment
//!
//! A file of a fixed size: one header of 64 bytes, frames one after the other,
//! then zeroes. Before its first batch it is zeroes throughout, and no zeroes
//! decode as anything.
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "ORDSEG" FE` |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | the segment's number, from 1 |
//! | 16 | 16 | the ledger's id |
//! | 32 | 8 | the sequence of the first order in it |
//! | 40 | 4 | the number of the segment before, 0 if it was the first ever |
//! | 44 | 4 | the offset at which that one ended: what lies beyond is void |
//! | 48 | 12 | zero |
//! | 60 | 4 | CRC-32C of the 60 bytes before |
//!
//! # A frame
//!
//! | offset | bytes | frame |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "BATCH1" FE` |
//! | 8 | 4 | length of the records behind this head |
//! | 12 | 4 | how many records; 0: a seal, which only says what is durable |
//! | 16 | 8 | the sequence of the first record |
//! | 24 | 8 | when the batch was committed, in nanoseconds since the Unix epoch |
//! | 32 | 4 | the segment up to which all was known durable when this was written |
//! | 36 | 4 | and the offset in it |
//! | 40 | 4 | the segment in which this frame stands |
//! | 44 | 4 | and the offset at which it stands |
//! | 48 | 12 | zero |
//! | 60 | 4 | CRC-32C of the ledger's id and the 60 bytes before |
//! | 64 | | the records |
//!
//! The magics hold bytes that no UTF-8 text has, so that no order's text can
//! pass for a frame. A frame names its own place, and its checksum is salted
//! with the ledger's id, so that a copy of one from elsewhere is none here.
//!
//! # Versions
//!
//! Magic, version, number, ledger id and checksum of a segment's header keep
//! their places for ever, so that any version can be told from damage. Whatever
//! changes the meaning of another byte raises the version. A program reads the
//! versions it knows, refuses others, and writes its newest into new segments.

use crc32c::{crc32c, crc32c_append};

use crate::ledger::LedgerId;

/// Bytes in a segment's header.
pub(super) const SEGMENT_HEAD: usize = 64;
/// Bytes in a frame's head.
pub(super) const FRAME_HEAD: usize = 64;
/// The version of the format that is written.
pub(super) const VERSION: u32 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"\xFFORDSEG\xFE";
const FRAME_MAGIC: [u8; 8] = *b"\xFFBATCH1\xFE";

/// What checksums of frames and records start from: the checksum of the
/// ledger's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt(u32);

impl Salt {
    /// What this ledger's checksums start from.
    pub(super) fn of(ledger: LedgerId) -> Self {
        Self(crc32c(&ledger.0))
    }

    /// The checksum of the ledger's id and `parts`.
    pub(super) fn checksum(self, parts: [&[u8]; 2]) -> u32 {
        parts
            .iter()
            .fold(self.0, |sum, part| crc32c_append(sum, part))
    }
}

/// A place in the journal. They are ordered as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The segment's number; 0: before the first.
    pub(super) segment: u32,
    /// Bytes from the segment's start.
    pub(super) offset: u32,
}

impl Position {
    /// Before everything.
    pub(super) const START: Self = Self {
        segment: 0,
        offset: 0,
    };
}

/// The name of a segment's file.
pub(super) fn segment_name(number: u32) -> String {
    format!("journal-{number:010}.seg")
}

/// The number of the segment whose file is called `name`.
pub(super) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".seg")?;
    let number = digits.parse().ok()?;
    (segment_name(number) == name && number > 0).then_some(number)
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) ledger: LedgerId,
    pub(super) number: u32,
    pub(super) first_seq: u64,
    /// Where the journal ended before this segment.
    pub(super) previous_end: Position,
}

/// Why 64 bytes are no segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHead {
    /// No magic or a wrong checksum.
    Undecodable,
    /// Whole, and of a version that is not known.
    Version(u32),
}

impl SegmentHead {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEAD] {
        let mut bytes = [0; SEGMENT_HEAD];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.ledger.0);
        bytes[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        put_position(&mut bytes[40..48], self.previous_end);
        let sum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; SEGMENT_HEAD]) -> Result<Self, NoHead> {
        if bytes[..8] != SEGMENT_MAGIC || u32_at(bytes, 60) != crc32c(&bytes[..60]) {
            return Err(NoHead::Undecodable);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(NoHead::Version(version));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        Ok(Self {
            ledger: LedgerId(id),
            number: u32_at(bytes, 12),
            first_seq: u64_at(bytes, 32),
            previous_end: position_at(bytes, 40),
        })
    }
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Where the frame stands.
    pub(super) at: Position,
    /// Bytes of records behind the head.
    pub(super) body: u32,
    /// Records.
    pub(super) count: u32,
    pub(super) first_seq: u64,
    pub(super) committed_at: u64,
    /// All before this was durable when the frame was written.
    pub(super) durable: Position,
}

impl FrameHead {
    pub(super) fn encode(&self, salt: Salt) -> [u8; FRAME_HEAD] {
        let mut bytes = [0; FRAME_HEAD];
        bytes[..8].copy_from_slice(&FRAME_MAGIC);
        bytes[8..12].copy_from_slice(&self.body.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.committed_at.to_le_bytes());
        put_position(&mut bytes[32..40], self.durable);
        put_position(&mut bytes[40..48], self.at);
        let sum = salt.checksum([&bytes[..60], &[]]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The head that stands at `at`, if one does.
    pub(super) fn decode(bytes: &[u8], at: Position, salt: Salt) -> Option<Self> {
        let bytes: &[u8; FRAME_HEAD] = bytes.first_chunk()?;
        let whole = bytes[..8] == FRAME_MAGIC
            && u32_at(bytes, 60) == salt.checksum([&bytes[..60], &[]])
            && position_at(bytes, 40) == at;
        whole.then(|| Self {
            at,
            body: u32_at(bytes, 8),
            count: u32_at(bytes, 12),
            first_seq: u64_at(bytes, 16),
            committed_at: u64_at(bytes, 24),
            durable: position_at(bytes, 32),
        })
    }

    /// The offset at which the frame ends. Wider than an offset: what a head
    /// says is not believed before it is compared.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.at.offset) + FRAME_HEAD as u64 + u64::from(self.body)
    }
}

fn put_position(bytes: &mut [u8], position: Position) {
    bytes[..4].copy_from_slice(&position.segment.to_le_bytes());
    bytes[4..].copy_from_slice(&position.offset.to_le_bytes());
}

fn position_at(bytes: &[u8], at: usize) -> Position {
    Position {
        segment: u32_at(bytes, at),
        offset: u32_at(bytes, at + 4),
    }
}

/// The number in the four bytes from `at`, which must be there.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The number in the eight bytes from `at`, which must be there.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Position = Position {
        segment: 7,
        offset: 64,
    };

    fn frame() -> FrameHead {
        FrameHead {
            at: HERE,
            body: 80,
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
    fn a_frame_of_another_place_or_ledger_is_none() {
        let salt = Salt::of(LedgerId([3; 16]));
        let bytes = frame().encode(salt);
        let elsewhere = Position {
            offset: 128,
            ..HERE
        };
        assert_eq!(FrameHead::decode(&bytes, elsewhere, salt), None);
        let other = Salt::of(LedgerId([4; 16]));
        assert_eq!(FrameHead::decode(&bytes, HERE, other), None);
    }

    #[test]
    fn a_segment_head_tells_versions_from_damage() {
        let head = SegmentHead {
            ledger: LedgerId([9; 16]),
            number: 12,
            first_seq: 1000,
            previous_end: Position {
                segment: 11,
                offset: 640,
            },
        };
        let bytes = head.encode();
        assert_eq!(SegmentHead::decode(&bytes), Ok(head));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let decoded = SegmentHead::decode(&bytes);
            assert_eq!(decoded, Err(NoHead::Undecodable), "bit {bit}");
        }
        let mut newer = bytes;
        newer[8] = 2;
        let sum = crc32c(&newer[..60]).to_le_bytes();
        newer[60..].copy_from_slice(&sum);
        assert_eq!(SegmentHead::decode(&newer), Err(NoHead::Version(2)));
        assert_eq!(SegmentHead::decode(&[0; 64]), Err(NoHead::Undecodable));
    }

    #[test]
    fn names_go_there_and_back() {
        assert_eq!(segment_name(12), "journal-0000000012.seg");
        for number in [1, 12, u32::MAX] {
            assert_eq!(segment_number(&segment_name(number)), Some(number));
        }
        for name in [
            "journal-12.seg",
            "journal-0000000000.seg",
            "journal-00000000+1.seg",
            "lock",
        ] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }

    #[test]
    fn the_bytes_are_these() {
        let head = SegmentHead {
            ledger: LedgerId(*b"0123456789abcdef"),
            number: 1,
            first_seq: 1,
            previous_end: Position::START,
        };
        let bytes = head.encode();
        assert_eq!(&bytes[..16], b"\xFFORDSEG\xFE\x01\0\0\0\x01\0\0\0");
        assert_eq!(&bytes[16..40], b"0123456789abcdef\x01\0\0\0\0\0\0\0");
        // CRC-32C's check value (RFC 3720, appendix B.4, has others).
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
