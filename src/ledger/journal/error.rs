//! Why a journal can't be opened. Each error says what can be done about it,
//! and none has changed anything in the directory.

use std::io;
use std::path::PathBuf;

use crate::ledger::LedgerId;
use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::holder::Holder;
use crate::ledger::journal::storage::is_full;

/// Why a journal can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "data directory {} is in use by {}: stop that process or use another directory; removing files or copying them under a running process doesn't release it and loses orders",
        dir.display(),
        holder.as_ref().map_or("another process".to_owned(), Holder::to_string)
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process that holds the lock, if the lock file names it.
        holder: Option<Holder>,
    },
    /// Another process has the same files open through another directory.
    #[error(
        "{file} is locked by a process that has it open through another directory: the files here are hard links to its files; use a directory of its own, made with journal backup or cp without links"
    )]
    SharedFiles {
        /// The file.
        file: &'static str,
    },
    /// The directory doesn't exist and can't be made, or can't be written to.
    #[error(
        "data directory {}: can't {doing}: {source}: it must be a directory that this user may write to",
        dir.display()
    )]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// The operation that failed.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The directory holds another ledger than the one asked for.
    #[error(
        "ledger {expected} is expected, and {}: check --data-dir and --expect-ledger",
        found.map_or("there is none here".to_owned(), |found| format!("this is ledger {found}"))
    )]
    Unexpected {
        /// The ledger asked for.
        expected: LedgerId,
        /// The one that is there.
        found: Option<LedgerId>,
    },
    /// The sequence has gone back, so that the ledger would get a new id.
    #[error(
        "ledger {expected} is expected, and it is not what it was: {why}; without --expect-ledger it gets a new id, so that readers notice"
    )]
    Rewound {
        /// The ledger asked for.
        expected: LedgerId,
        /// In which way.
        why: String,
    },
    /// A copy needs a directory of its own.
    #[error("{} is not empty: name a directory that is, or that doesn't exist", dir.display())]
    Occupied {
        /// The directory.
        dir: PathBuf,
    },
    /// A directory is made, and there is something of its name.
    #[error("{} exists already: name a directory that doesn't, or remove it if it is of no use", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// What is damaged is not written to.
    #[error("{} is in the directory that is read: name one outside of it", dir.display())]
    Inside {
        /// The directory.
        dir: PathBuf,
    },
    /// A sequence that is lost, or never was.
    #[error(
        "there is no outcome with sequence {seq} to begin with: see the runs in the report of a salvage without --keep"
    )]
    NoSuchRun {
        /// The sequence.
        seq: u64,
    },
    /// Read twice, a journal was not the same.
    #[error(
        "the journal changes while it is read, though no service holds it: copy the directory to another disk first, for instance with ddrescue, and salvage the copy"
    )]
    Unsteady,
    /// Not one outcome or pending order is whole.
    #[error(
        "nothing in it can be proven: no outcome and no pending order is whole; restore a backup"
    )]
    NothingToSave,
    /// There is no journal to read.
    #[error(
        "{} holds no journal ({why}): name the directory that the service has as --data-dir",
        dir.display()
    )]
    NoJournal {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        why: String,
    },
    /// An operation on a file failed.
    #[error("can't {doing} {file}: {source}")]
    Io {
        /// The file or directory.
        file: String,
        /// The operation that failed.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// There are segments or pending orders, but no manifest.
    #[error(
        "there are segments or pending orders, but the file {file} is missing: restore it, or make a directory of what is whole by journal salvage, or move them away to start anew"
    )]
    NoManifest {
        /// The file.
        file: &'static str,
    },
    /// The manifest is damaged.
    #[error(
        "{file} is damaged: restore a backup, or make a directory of what is whole by journal salvage"
    )]
    Manifest {
        /// The file.
        file: &'static str,
    },
    /// Written by another version of the program.
    #[error(
        "{file} has version {version} of the format, and this program knows {known}: use the version that wrote it"
    )]
    Version {
        /// The file.
        file: String,
        /// The version found.
        version: u32,
        /// The newest version known.
        known: u32,
    },
    /// A segment or pending file of another ledger.
    #[error(
        "{file} belongs to ledger {found}, and this directory to {expected}: move it back to where it came from"
    )]
    Foreign {
        /// The file.
        file: String,
        /// The ledger it belongs to.
        found: LedgerId,
        /// The directory's ledger.
        expected: LedgerId,
    },
    /// The pending orders can't be read, or don't belong to this journal.
    #[error(
        "{file} holds orders that were acknowledged as queued, and {what}: restore it from a backup, or move it away if they may be given up"
    )]
    PendingFile {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A segment between others is missing.
    #[error(
        "{file} is missing: restore it or a backup, or make a directory of what is whole by journal salvage"
    )]
    Missing {
        /// The file.
        file: String,
    },
    /// A segment's size differs from the one in the manifest.
    #[error(
        "{file} has {bytes} bytes where a segment has {expected}: it was cut or added to; restore a backup, or make a directory of what is whole by journal salvage"
    )]
    Size {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
        /// The size in the manifest.
        expected: u64,
    },
    /// Bytes that were durable can't be read any more. Nothing is discarded for
    /// it without asking.
    #[error(
        "{file} is damaged at offset {offset} ({what}): it was durable, so this is no crash; restore a backup, or make a directory of what is whole by journal salvage"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

impl OpenError {
    /// For `map_err`: an operation on `file` failed.
    pub(crate) fn io(
        file: impl Into<String>,
        doing: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            file: file.into(),
            doing,
            source,
        }
    }

    /// For `map_err`: an operation on segment `number` failed.
    pub(crate) fn segment_io(number: u32, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            file: segment_name(number),
            doing,
            source,
        }
    }

    /// Segment `number` is damaged.
    pub(crate) fn damaged(number: u32, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: segment_name(number),
            offset,
            what: what.into(),
        }
    }

    /// Whether there was no space for a change.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }

    /// Whether a file could not be opened because it doesn't exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
