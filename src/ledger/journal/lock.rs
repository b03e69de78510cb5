//! One process at a time: the data directory, and the lock on it.
//!
//! The lock is `flock(2)` on the file `lock` ([`fs::File::try_lock`]), so that it ends with the process
//! however that ends. The file holds the number of the process, for people.

use std::fs::TryLockError;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::ledger::journal::error::OpenError;

/// Holds the directory until it is dropped.
pub(super) struct Lock {
    _file: fs::File,
}

/// Makes the directory if it is missing, durably, and locks it.
pub(super) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let failed = |doing| {
        move |source| OpenError::Directory {
            dir: dir.to_owned(),
            doing,
            source,
        }
    };
    make(dir).map_err(failed("make it"))?;
    let mut options = fs::File::options();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options
        .open(dir.join("lock"))
        .map_err(failed("write into it"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file
                .read_to_string(&mut text)
                .ok()
                .and_then(|_| text.trim().parse().ok());
            return Err(OpenError::Locked {
                dir: dir.to_owned(),
                pid,
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock it")(error)),
    }
    let note = |file: &mut fs::File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    // On a full disk the note is missing, and the lock holds all the same.
    if let Err(error) = note(&mut file)
        && !crate::ledger::journal::storage::is_full(&error)
    {
        return Err(failed("write into it")(error));
    }
    Ok(Lock { _file: file })
}

/// Makes `dir` and what is missing above it, and each one's name durable.
fn make(dir: &Path) -> io::Result<()> {
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    if fs::metadata(dir).is_ok_and(|found| found.is_dir()) {
        // It may have been made by a process that was killed before it could
        // make the name durable. Who may not look into the parent hasn't made
        // anything there.
        return match fs::File::open(&parent) {
            Ok(parent) => parent.sync_all(),
            Err(_) => Ok(()),
        };
    }
    make(&parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Something else of that name is told by this.
    fs::read_dir(dir)?;
    fs::File::open(&parent)?.sync_all()
}
