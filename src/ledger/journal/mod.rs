//! The journal: the embedded, durable ledger.
//!
//! ```text
//! data directory
//!   lock                    held locked for life by one process
//!   ledger                  the manifest: which ledger this is, its segment size
//!   extent                  how far it is known to have come
//!   pending                 orders that the last drain could not finish; mostly absent
//!   pending.reserve         zeroes: space for that file on a full disk
//!   journal-0000000001.seg  segments of a fixed size, the oldest first;
//!   journal-0000000002.seg  the last one is preallocated
//! ```
//!
//! # What holds
//!
//! - **Durable.** An order that was completed as committed is found again by
//!   every later start: after a kill, a power failure, a full disk, and each of
//!   these during recovery.
//! - **No gaps.** Sequences run from 1 without a gap, in the files and in what
//!   is read.
//! - **Damage is not hidden.** Damage to what was durable refuses the start,
//!   and the error names the file and the offset. One case can't be told from a
//!   crash: damage to the last batch, if the process ended without a seal.
//!   Recovery discards that batch and reports it as a torn tail.
//! - **Errors.** A failed fdatasync ends the ledger. A full disk doesn't: the
//!   batch is tried again until there is space.
//!
//! It takes for granted that a sector of 512 bytes is written whole or not at
//! all, and that file system and disk keep the promises listed in `storage`.
//!
//! # Why zeroes are written ahead
//!
//! An fdatasync of a file that grows must commit file system metadata as well:
//! its size and its block map. So must one that fills blocks that were only
//! reserved (`fallocate`), since these change from unwritten to written.
//! Segments are therefore filled with zeroes before they are used, and a commit
//! changes nothing but bytes in place.
//!
//! # Files
//!
//! Lower ones first; each uses only those above it.
//!
//! | file | what it is for |
//! |---|---|
//! | `file_names`, `format` | the names of the files, and every byte of a segment |
//! | `limits` | sizes, and the relations between them |
//! | `error`, `report` | why a start is refused; what it found |
//! | `storage`, `directory`, `directory_tree` | the file system as the journal sees it; a directory held open; the directories above it |
//! | `holder`, `lock`, `manifest` | one process at a time, and which; which ledger this is |
//! | `extent` | how far it is known to have come, so that going back is noticed |
//! | `frame_index`, `frame_reader` | where frames start in a segment, and reading them |
//! | `segment_index` | which segments hold which sequences, and how far they are durable |
//! | `segment_files`, `segment_reader`, `tail_scan` | the segments listed and checked, one read to its end, and what lies behind the end |
//! | `preallocator` | the thread that makes segments and removes old ones |
//! | `writer` | the write side: one write and one fdatasync a batch |
//! | `recovery` | what a start finds, and when it refuses |
//! | `archive` | the read side: outcomes by sequence, from a few threads |
//! | `pending_file` | orders that outlive the process without an outcome |
//! | `open` | all of it put together |
//! | `live_reader`, `verify`, `replay`, `copy` | reading from outside, beside a running service |
//! | `salvage` | what can be proven of a damaged journal, in a new directory |

mod archive;
mod copy;
mod directory;
mod directory_tree;
mod error;
mod extent;
mod file_names;
mod format;
mod frame_index;
mod frame_reader;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod holder;
mod limits;
mod live_reader;
mod lock;
mod manifest;
mod open;
mod pending_file;
mod preallocator;
mod recovery;
mod replay;
mod report;
mod salvage;
mod segment_files;
mod segment_index;
mod segment_reader;
mod segment_size;
mod storage;
mod tail_scan;
#[cfg(test)]
mod tests;
mod verify;
mod write_error;
mod writer;

pub use self::copy::{Copied, backup, restore};
pub(crate) use self::error::OpenError;
#[cfg(test)]
pub(crate) use self::format::RecordView;
pub use self::limits::SEGMENT_BYTES;
pub(crate) use self::limits::{BATCH_ORDERS_MAX, RECORD_BYTES_MAX, RECORD_OVERHEAD_MAX};
#[cfg(test)]
pub(crate) use self::open::Journal;
pub use self::open::{Options, open};
pub(crate) use self::pending_file::{PendingFile, PendingFileError, PendingOrder};
pub use self::replay::{ReplayError, replay};
pub(crate) use self::report::Recovered;
pub use self::report::RecoveryProgress;
pub use self::salvage::{Damage, Lost, Output, Run, Salvaged, SalvagedPending, salvage};
pub use self::verify::{Verified, verify};
