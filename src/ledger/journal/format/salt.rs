//! Checksums that are valid for one ledger only.

use crc32c::{crc32c, crc32c_append};

use crate::ledger::LedgerId;

/// What the checksums of frames and records start from: the checksum of the
/// ledger's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(u32);

impl Salt {
    pub(crate) fn of(ledger: LedgerId) -> Self {
        Self(crc32c(&ledger.0))
    }

    /// The checksum of the ledger's id and `parts`.
    pub(super) fn checksum(self, parts: [&[u8]; 2]) -> u32 {
        parts
            .iter()
            .fold(self.0, |sum, part| crc32c_append(sum, part))
    }
}
