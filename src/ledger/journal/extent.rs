//! The file `extent`: how far the journal is known to have come. It tells a
//! start that segments are missing, or that an older copy is in their place.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "EXTENT" FE` |
//! | 8 | 4 | format version: 1 |
//! | 12 | 4 | 1 if there has been a segment |
//! | 16 | 16 | the id in the segments |
//! | 32 | 8 | a sequence that was durable |
//! | 40 | 8 | when this file was made, in nanoseconds since the Unix epoch, as the file system says; 0: it doesn't; all ones: the directory is a backup |
//! | 48 | 12 | zero |
//! | 60 | 4 | CRC-32C of the 60 bytes before |
//!
//! A file that was copied was made at another time than the original. So the
//! time tells a directory that was restored file by file from the one that the
//! journal wrote; a snapshot of the volume keeps it.
//!
//! It is written behind each segment that is made, and at a clean end. What was
//! committed since isn't in it. So an extent proves that something is missing,
//! and never that nothing is.

use std::io;
use std::sync::Arc;

use crc32c::crc32c;

use crate::ledger::LedgerId;
use crate::ledger::journal::file_names::{EXTENT, EXTENT_NEW};
use crate::ledger::journal::format::{u32_at, u64_at};
use crate::ledger::journal::storage::{File, Source, Storage, read_full, write_full};

const MAGIC: [u8; 8] = *b"\xFFEXTENT\xFE";
const LEN: usize = 64;
/// The format version of this file.
const VERSION: u32 = 1;
/// The time in a backup, which is no file's.
const BACKUP: u64 = u64::MAX;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Outcomes up to this one were durable.
    pub(crate) last_seq: u64,
    /// There has been a segment.
    pub(crate) has_segments: bool,
}

/// Writes the file.
#[derive(Clone)]
pub(crate) struct ExtentFile {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) ledger: LedgerId,
}

/// What is wrong with a directory of which the extent says more than was found,
/// or that isn't the one that it was written in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rewound {
    /// Less is there than was.
    #[error(
        "it ends at sequence {found} and had reached {reached}: segments are missing, or an older copy is in their place"
    )]
    Behind {
        /// The last sequence found.
        found: u64,
        /// One that was durable.
        reached: u64,
    },
    /// Nothing is there any more.
    #[error("its segments are missing")]
    Emptied,
    /// The files are copies.
    #[error("its files are a copy, and the journal may have gone on elsewhere since")]
    Copy,
    /// Whether anything is missing can't be told.
    #[error("its file {EXTENT} is damaged or another journal's")]
    Unreadable,
}

/// The file as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoundExtent {
    /// A new journal, or one of an earlier version.
    None,
    Unreadable,
    Copy,
    Original(Extent),
}

impl ExtentFile {
    /// Writes the file, durably.
    pub(crate) fn write(&self, extent: Extent) -> io::Result<()> {
        self.write_made(extent, None)
    }

    /// Writes that of a backup: whatever becomes of it is a copy.
    pub(crate) fn write_backup(&self, extent: Extent) -> io::Result<()> {
        self.write_made(extent, Some(BACKUP))
    }

    fn write_made(&self, extent: Extent, made_at: Option<u64>) -> io::Result<()> {
        let file = self.storage.create(EXTENT_NEW)?;
        let made_at = match made_at {
            Some(made_at) => made_at,
            None => file.made_at()?.unwrap_or(0),
        };
        write_full(&*file, &self.encode(extent, made_at), 0)?;
        file.sync()?;
        self.storage.replace(EXTENT_NEW, EXTENT)?;
        self.storage.sync_names()
    }

    fn encode(&self, extent: Extent, made_at: u64) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32::from(extent.has_segments).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.ledger.0);
        bytes[32..40].copy_from_slice(&extent.last_seq.to_le_bytes());
        bytes[40..48].copy_from_slice(&made_at.to_le_bytes());
        let sum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

impl Extent {
    /// What the file says, whoever made it; `None` if it is missing or damaged.
    pub(crate) fn read(source: &dyn Source, ledger: LedgerId) -> Option<Self> {
        let file = source.open(EXTENT).ok()?;
        read_whole(&*file, ledger).ok()?.map(|(extent, _)| extent)
    }
}

/// What a file says, and when it says that it was made, if it is whole.
fn read_whole(file: &dyn File, ledger: LedgerId) -> io::Result<Option<(Extent, u64)>> {
    let mut bytes = [0; LEN + 1];
    let read = read_full(file, &mut bytes, 0)?;
    let whole = read == LEN
        && bytes[..8] == MAGIC
        && u32_at(&bytes, 60) == crc32c(&bytes[..60])
        && u32_at(&bytes, 8) == VERSION
        && bytes[16..32] == ledger.0;
    let extent = Extent {
        last_seq: u64_at(&bytes, 32),
        has_segments: u32_at(&bytes, 12) != 0,
    };
    Ok(whole.then(|| (extent, u64_at(&bytes, 40))))
}

impl FoundExtent {
    pub(crate) fn read(source: &dyn Source, ledger: LedgerId) -> io::Result<Self> {
        let file = match source.open(EXTENT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::None),
            opened => opened?,
        };
        let Some((extent, made_at)) = read_whole(&*file, ledger)? else {
            return Ok(Self::Unreadable);
        };
        let is_copy = match made_at {
            0 => false,
            BACKUP => true,
            _ => file.made_at()?.is_some_and(|now| now != made_at),
        };
        Ok(if is_copy {
            Self::Copy
        } else {
            Self::Original(extent)
        })
    }

    /// What is wrong with a journal that ends at `last_seq`.
    pub(crate) fn rewound(self, last_seq: u64, has_segments: bool) -> Option<Rewound> {
        match self {
            Self::None => None,
            Self::Unreadable => Some(Rewound::Unreadable),
            Self::Copy => Some(Rewound::Copy),
            Self::Original(extent) if extent.has_segments && !has_segments => {
                Some(Rewound::Emptied)
            }
            Self::Original(extent) => (last_seq < extent.last_seq).then_some(Rewound::Behind {
                found: last_seq,
                reached: extent.last_seq,
            }),
        }
    }
}
