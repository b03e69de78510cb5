//! The file `ledger`: which ledger a directory holds, and how large its
//! segments are.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "LEDGER" FE` |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | zero |
//! | 16 | 16 | the ledger's id |
//! | 32 | 8 | bytes in a segment |
//! | 40 | 20 | zero |
//! | 60 | 4 | CRC-32C of the 60 bytes before |
//!
//! It is written before the first segment, and never again. Segments of one
//! size mean that one of another size is damaged, and a crash can't be the
//! cause: a segment gets its name when it is whole.

use std::io;

use crc32c::crc32c;

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{VERSION, segment_number, u32_at, u64_at};
use crate::ledger::journal::pending_file;
use crate::ledger::journal::storage::{Source, Storage, read_full, write_full};

/// The file's name.
pub(super) const NAME: &str = "ledger";
/// Its name until it is whole.
const NEW: &str = "ledger.new";
const MAGIC: [u8; 8] = *b"\xFFLEDGER\xFE";
const LEN: usize = 64;

/// What stays the same in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) ledger: LedgerId,
    pub(super) segment_bytes: u64,
}

fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        file: NAME.to_owned(),
        doing,
        source,
    }
}

impl Manifest {
    /// A new ledger's.
    pub(super) fn random(segment_bytes: u64) -> Self {
        Self {
            ledger: LedgerId::random(),
            segment_bytes,
        }
    }

    /// The directory's own, if it has one; without one it may have no segments.
    pub(super) fn load(source: &dyn Source) -> Result<Option<Self>, OpenError> {
        let names = source.names().map_err(io_error("look for"))?;
        if names.iter().any(|name| name == NAME) {
            let file = source.open(NAME).map_err(io_error("open"))?;
            let mut bytes = [0; LEN + 1];
            let read = read_full(&*file, &mut bytes, 0).map_err(io_error("read"))?;
            return Self::decode(&bytes[..read]).map(Some);
        }
        let of_a_ledger =
            |name: &String| segment_number(name).is_some() || name == pending_file::NAME;
        if names.iter().any(of_a_ledger) {
            return Err(OpenError::NoIdentity { file: NAME });
        }
        Ok(None)
    }

    /// The directory's own; a directory without one gets `new`, durably.
    pub(super) fn load_or_make(storage: &dyn Storage, new: Self) -> Result<Self, OpenError> {
        if let Some(found) = Self::load(storage)? {
            return Ok(found);
        }
        let make = || {
            let file = storage.create(NEW)?;
            write_full(&*file, &new.encode(), 0)?;
            file.sync()?;
            storage.rename(NEW, NAME)?;
            storage.sync_names()
        };
        make().map_err(io_error("make"))?;
        Ok(new)
    }

    fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.ledger.0);
        bytes[32..40].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let sum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        let damaged = OpenError::Manifest { file: NAME };
        if bytes.len() != LEN || bytes[..8] != MAGIC || u32_at(bytes, 60) != crc32c(&bytes[..60]) {
            return Err(damaged);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(OpenError::Version {
                file: NAME.to_owned(),
                version,
                known: VERSION,
            });
        }
        let segment_bytes = u64_at(bytes, 32);
        if !crate::ledger::journal::SEGMENT_BYTES_ALLOWED.contains(&segment_bytes) {
            return Err(damaged);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        Ok(Self {
            ledger: LedgerId(id),
            segment_bytes,
        })
    }
}
