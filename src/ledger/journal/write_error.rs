//! What an I/O error means for the write side, and what to do about it.

use std::{fmt, io};

use rustix::io::Errno;

use crate::ledger::journal::storage::is_full;

#[derive(Clone, Debug)]
pub(crate) enum WriteError {
    /// Nothing was changed by it, and it may work later.
    Later(String),
    /// Nothing may be written any more.
    Fatal(String),
}

impl WriteError {
    /// An error while what is durable was being changed: final, unless it says
    /// that there is no space.
    pub(crate) fn of(what: &str, error: &io::Error) -> Self {
        if is_full(error) {
            Self::later(what, error)
        } else {
            Self::Fatal(format!("{what}: {error}"))
        }
    }

    /// An error that may pass.
    pub(crate) fn later(what: &str, error: &io::Error) -> Self {
        Self::Later(format!("{what}: {error}: {}", advice(error)))
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Later(why) | Self::Fatal(why)) = self;
        f.write_str(why)
    }
}

/// What an operator can do about an error.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC) => "make space on the disk",
        Some(Errno::DQUOT) => "make space, or raise the disk quota",
        Some(Errno::FBIG) => "raise the limit of file sizes (ulimit -f)",
        Some(Errno::MFILE) => "raise the limit of open descriptors (ulimit -n)",
        Some(Errno::NFILE) => "raise the system's limit of open files (fs.file-max)",
        Some(Errno::NOMEM) => "free memory, or raise the memory limit",
        Some(Errno::IO) => "look at the disk and at the kernel's log",
        Some(Errno::ROFS) => {
            "the file system is read-only: look at the kernel's log, mount it again"
        }
        Some(Errno::ACCESS | Errno::PERM) => "let this user write into the data directory",
        _ if is_full(error) => "make space on the disk",
        _ => "look at the data directory and at the kernel's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_the_error() {
        for (errno, passes, advice) in [
            (Errno::NOSPC, true, "make space"),
            (Errno::DQUOT, true, "quota"),
            (Errno::FBIG, true, "ulimit -f"),
            (Errno::MFILE, false, "ulimit -n"),
            (Errno::NFILE, false, "fs.file-max"),
            (Errno::NOMEM, false, "memory"),
            (Errno::IO, false, "the kernel's log"),
            (Errno::ROFS, false, "read-only"),
            (Errno::ACCESS, false, "let this user write"),
        ] {
            let error = io::Error::from(errno);
            let later = WriteError::later("can't make it", &error).to_string();
            assert!(later.contains(advice), "{later}");
            let of = WriteError::of("can't write", &error);
            assert_eq!(matches!(of, WriteError::Later(_)), passes, "{of}");
        }
    }
}
