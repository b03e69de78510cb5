//! The file `ledger`: which ledger a directory holds, and the size of its
//! segments.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "LEDGER" FE` |
//! | 8 | 4 | format version: 1 |
//! | 12 | 4 | zero |
//! | 16 | 16 | the ledger's id |
//! | 32 | 8 | bytes in a segment |
//! | 40 | 16 | the id that readers see, if it is another one; otherwise zero |
//! | 56 | 4 | zero |
//! | 60 | 4 | CRC-32C of the 60 bytes before |
//!
//! It is written before the first segment, and again only when the sequence has
//! gone back, which readers must notice: they see a new id then, while the
//! segments keep theirs. Since all segments
//! have the same size, one of another size is damaged. A crash can't be the
//! cause: a segment gets its name when it is whole.

use crc32c::crc32c;

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{MANIFEST, MANIFEST_NEW, PENDING, segment_number};
use crate::ledger::journal::format::{u32_at, u64_at};
use crate::ledger::journal::limits::SEGMENT_BYTES_ALLOWED;
use crate::ledger::journal::storage::{Source, Storage, read_full, write_full};

const MAGIC: [u8; 8] = *b"\xFFLEDGER\xFE";
const LEN: usize = 64;
/// The format version of this file.
const VERSION: u32 = 1;

/// What never changes in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The id in the segments.
    pub(crate) ledger: LedgerId,
    /// The id that readers see.
    pub(crate) shown: LedgerId,
    pub(crate) segment_bytes: u64,
}

impl Manifest {
    /// For a new ledger.
    pub(crate) fn random(segment_bytes: u64) -> Self {
        Self::of(LedgerId::random(), segment_bytes)
    }

    pub(crate) fn of(ledger: LedgerId, segment_bytes: u64) -> Self {
        Self {
            ledger,
            shown: ledger,
            segment_bytes,
        }
    }

    /// The same journal as another ledger: its sequence has gone back.
    pub(crate) fn renamed(self) -> Self {
        Self {
            shown: LedgerId::random(),
            ..self
        }
    }

    /// Reads the directory's manifest. A directory without one may hold no
    /// segments and no pending orders.
    pub(crate) fn load(source: &dyn Source) -> Result<Option<Self>, OpenError> {
        let names = source
            .names()
            .map_err(OpenError::io(MANIFEST, "look for"))?;
        if names.iter().any(|name| name == MANIFEST) {
            let file = source
                .open(MANIFEST)
                .map_err(OpenError::io(MANIFEST, "open"))?;
            let mut bytes = [0; LEN + 1];
            let read = read_full(&*file, &mut bytes, 0).map_err(OpenError::io(MANIFEST, "read"))?;
            return Self::decode(&bytes[..read]).map(Some);
        }
        if names
            .iter()
            .any(|name| segment_number(name).is_some() || name == PENDING)
        {
            return Err(OpenError::NoManifest { file: MANIFEST });
        }
        Ok(None)
    }

    /// Reads the directory's manifest; a directory without one gets `new`,
    /// durably, unless a ledger is `expected`. Returns whether it is new.
    pub(crate) fn load_or_create(
        storage: &dyn Storage,
        new: Self,
        expected: Option<LedgerId>,
    ) -> Result<(Self, bool), OpenError> {
        let found = Self::load(storage)?;
        if let Some(expected) = expected
            && found.is_none_or(|found| found.shown != expected)
        {
            return Err(OpenError::Unexpected {
                expected,
                found: found.map(|found| found.shown),
            });
        }
        if let Some(found) = found {
            return Ok((found, false));
        }
        new.write(storage)?;
        Ok((new, true))
    }

    /// Writes it, durably, in the place of one that there is.
    pub(crate) fn write(&self, storage: &dyn Storage) -> Result<(), OpenError> {
        let create = || {
            let file = storage.create(MANIFEST_NEW)?;
            write_full(&*file, &self.encode(), 0)?;
            file.sync()?;
            storage.replace(MANIFEST_NEW, MANIFEST)?;
            storage.sync_names()
        };
        create().map_err(OpenError::io(MANIFEST, "make"))
    }

    fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.ledger.0);
        bytes[32..40].copy_from_slice(&self.segment_bytes.to_le_bytes());
        if self.shown != self.ledger {
            bytes[40..56].copy_from_slice(&self.shown.0);
        }
        let sum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        let damaged = OpenError::Manifest { file: MANIFEST };
        if bytes.len() != LEN || bytes[..8] != MAGIC || u32_at(bytes, 60) != crc32c(&bytes[..60]) {
            return Err(damaged);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(OpenError::Version {
                file: MANIFEST.to_owned(),
                version,
                known: VERSION,
            });
        }
        let segment_bytes = u64_at(bytes, 32);
        if !SEGMENT_BYTES_ALLOWED.contains(&segment_bytes) {
            return Err(damaged);
        }
        let id = |from| {
            let mut id = [0; 16];
            id.copy_from_slice(&bytes[from..from + 16]);
            LedgerId(id)
        };
        let (ledger, shown) = (id(16), id(40));
        Ok(Self {
            ledger,
            shown: if shown == LedgerId([0; 16]) {
                ledger
            } else {
                shown
            },
            segment_bytes,
        })
    }
}
