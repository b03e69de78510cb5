//! Why a journal can't be opened. Each says what can be done; none has changed
//! anything that was there.

use std::io;
use std::path::PathBuf;

use crate::ledger::LedgerId;

/// Why a journal can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "data directory {} is in use by {}: stop it or use another directory",
        dir.display(),
        pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process that has it, if it said so.
        pid: Option<u32>,
    },
    /// The directory is not there and can't be made, or not ours to write to.
    #[error(
        "data directory {}: can't {doing}: {source}: it must be a directory that this user may write to",
        dir.display()
    )]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// There is no journal to look at.
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
    /// The system failed us.
    #[error("can't {doing} {file}: {source}")]
    Io {
        /// The file, or the directory.
        file: String,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The file that says which ledger this is is missing beside segments or
    /// kept orders.
    #[error(
        "there are segments or kept orders, but the file {file} is missing: restore it, or move them away to start anew"
    )]
    NoIdentity {
        /// The file.
        file: &'static str,
    },
    /// The file that says which ledger this is is damaged.
    #[error("{file} is damaged: restore it from a backup")]
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
    /// A segment, or kept orders, of another ledger.
    #[error(
        "{file} belongs to ledger {found}, and this directory to {expected}: move it back to where it came from"
    )]
    Foreign {
        /// The file.
        file: String,
        /// Its ledger.
        found: LedgerId,
        /// The directory's ledger.
        expected: LedgerId,
    },
    /// The kept orders can't be read back, or not be relied upon.
    #[error(
        "{file} holds orders whose submitters were told that they are queued, and {what}: restore it from a backup, or move it away if they may be given up"
    )]
    PendingOrder {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A segment between others is missing.
    #[error(
        "{file} is missing: restore it, or move all segments before it away if they may be given up"
    )]
    Missing {
        /// The file.
        file: String,
    },
    /// A segment has a size that no segment ever has.
    #[error(
        "{file} has {bytes} bytes where a segment has {expected}: it was cut or added to; restore it from a backup"
    )]
    Size {
        /// The file.
        file: String,
        /// Its bytes.
        bytes: u64,
        /// What it must have.
        expected: u64,
    },
    /// Something that was durable once can't be read any more, and nothing is
    /// given up for it without being asked.
    #[error(
        "{file} is damaged at offset {offset} ({what}): it was durable, so this is no crash; restore it from a backup"
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
