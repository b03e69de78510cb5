//! One process at a time: the data directory, and the lock on it.
//!
//! The lock is `flock(2)` on the file `lock` ([`fs::File::try_lock`]), so it ends
//! with the process, however that ends. The file holds the process id, for
//! people.

use std::fs::TryLockError;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::LOCK;
use crate::ledger::journal::storage::is_full;

/// Keeps the directory locked until it is dropped.
pub(crate) struct DirectoryLock {
    _file: fs::File,
}

impl DirectoryLock {
    /// Makes the directory if it is missing, durably, and locks it.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, OpenError> {
        let failed = |doing| {
            move |source| OpenError::Directory {
                dir: dir.to_owned(),
                doing,
                source,
            }
        };
        create_dir_durably(dir).map_err(failed("make it"))?;
        let mut options = fs::File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options
            .open(dir.join(LOCK))
            .map_err(failed("write into it"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked {
                    dir: dir.to_owned(),
                    pid: read_pid(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock it")(error)),
        }
        match write_pid(&mut file) {
            // On a full disk the process id is missing; the lock holds all the same.
            Err(error) if !is_full(&error) => Err(failed("write into it")(error)),
            _ => Ok(Self { _file: file }),
        }
    }
}

fn read_pid(file: &mut fs::File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut fs::File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Makes `dir` and its missing ancestors, and each one's name durable.
fn create_dir_durably(dir: &Path) -> io::Result<()> {
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    if fs::metadata(dir).is_ok_and(|found| found.is_dir()) {
        // It may have been made by a process that was killed before it could
        // make the name durable. A process that may not read the parent hasn't
        // made anything there.
        return match fs::File::open(&parent) {
            Ok(parent) => parent.sync_all(),
            Err(_) => Ok(()),
        };
    }
    create_dir_durably(&parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Fails if the name is that of a file.
    fs::read_dir(dir)?;
    fs::File::open(&parent)?.sync_all()
}
