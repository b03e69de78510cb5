//! The header of a segment.

use crc32c::crc32c;

use crate::ledger::LedgerId;
use crate::ledger::journal::format::bytes::{u32_at, u64_at};
use crate::ledger::journal::format::position::Position;

/// Bytes in a segment's header.
pub(crate) const SEGMENT_HEAD: usize = 64;
/// The format version that is written.
pub(crate) const VERSION: u32 = 2;
/// The earliest that is read.
const VERSION_MIN: u32 = 1;

const MAGIC: [u8; 8] = *b"\xFFORDSEG\xFE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) version: u32,
    pub(crate) ledger: LedgerId,
    pub(crate) number: u32,
    pub(crate) first_seq: u64,
    /// Where the journal ended before this segment.
    pub(crate) previous_end: Position,
}

/// Why 64 bytes are not a segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// No magic or a wrong checksum.
    Undecodable,
    /// Whole, but of an unknown version.
    Version(u32),
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEAD] {
        let mut bytes = [0; SEGMENT_HEAD];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.ledger.0);
        bytes[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        self.previous_end.encode(&mut bytes[40..48]);
        let sum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEAD]) -> Result<Self, HeadError> {
        if bytes[..8] != MAGIC || u32_at(bytes, 60) != crc32c(&bytes[..60]) {
            return Err(HeadError::Undecodable);
        }
        let version = u32_at(bytes, 8);
        if !(VERSION_MIN..=VERSION).contains(&version) {
            return Err(HeadError::Version(version));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        Ok(Self {
            version,
            ledger: LedgerId(id),
            number: u32_at(bytes, 12),
            first_seq: u64_at(bytes, 32),
            previous_end: Position::decode(bytes, 40),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_head_tells_versions_from_damage() {
        let head = SegmentHead {
            version: VERSION,
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
            assert_eq!(decoded, Err(HeadError::Undecodable), "bit {bit}");
        }
        for version in [1, VERSION] {
            let of_version = SegmentHead { version, ..head };
            assert_eq!(SegmentHead::decode(&of_version.encode()), Ok(of_version));
        }
        for version in [0, VERSION + 1] {
            let unknown = SegmentHead { version, ..head }.encode();
            let refused = Err(HeadError::Version(version));
            assert_eq!(SegmentHead::decode(&unknown), refused);
        }
        assert_eq!(SegmentHead::decode(&[0; 64]), Err(HeadError::Undecodable));
    }

    #[test]
    fn the_bytes_are_these() {
        let head = SegmentHead {
            version: VERSION,
            ledger: LedgerId(*b"0123456789abcdef"),
            number: 1,
            first_seq: 1,
            previous_end: Position::START,
        };
        let bytes = head.encode();
        assert_eq!(&bytes[..16], b"\xFFORDSEG\xFE\x02\0\0\0\x01\0\0\0");
        assert_eq!(&bytes[16..40], b"0123456789abcdef\x01\0\0\0\0\0\0\0");
        // CRC-32C's check value (RFC 3720, appendix B.4, has others).
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
