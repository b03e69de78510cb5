//! One process at a time: the data directory, and the lock on it.
//!
//! The lock is `flock(2)` on the file `lock` ([`std::fs::File::try_lock`]), so
//! it ends with the process, however that ends. The file holds the process id,
//! for people.

use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::journal::directory_tree::{DirectoryTree, LockFile};
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::LOCK;
use crate::ledger::journal::storage::{is_full, read_full, write_full};

/// Keeps the directory locked until it is dropped.
pub(crate) struct DirectoryLock {
    _file: Box<dyn LockFile>,
}

impl DirectoryLock {
    /// Makes the directory if it is missing, durably, and locks it.
    pub(crate) fn acquire(tree: &dyn DirectoryTree, dir: &Path) -> Result<Self, OpenError> {
        let failed = |doing| {
            move |source| OpenError::Directory {
                dir: dir.to_owned(),
                doing,
                source,
            }
        };
        create_dir_durably(tree, dir).map_err(failed("make it"))?;
        let file = tree
            .open_lock(&dir.join(LOCK))
            .map_err(failed("write into it"))?;
        if !file.try_lock().map_err(failed("lock it"))? {
            return Err(OpenError::Locked {
                dir: dir.to_owned(),
                pid: read_pid(&*file),
            });
        }
        match write_pid(&*file) {
            // On a full disk the process id is missing; the lock holds all the
            // same.
            Err(error) if !is_full(&error) => Err(failed("write into it")(error)),
            _ => Ok(Self { _file: file }),
        }
    }
}

fn read_pid(file: &dyn LockFile) -> Option<u32> {
    let mut bytes = [0; 32];
    let read = read_full(file, &mut bytes, 0).ok()?;
    let text = str::from_utf8(&bytes[..read]).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &dyn LockFile) -> io::Result<()> {
    file.set_len(0)?;
    write_full(file, format!("{}\n", std::process::id()).as_bytes(), 0)
}

/// Makes `dir` and its missing ancestors, and each one's name durable.
fn create_dir_durably(tree: &dyn DirectoryTree, dir: &Path) -> io::Result<()> {
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    if tree.is_dir(dir) {
        // It may have been made by a process that was killed before it could
        // make the name durable. A process that may not read the parent hasn't
        // made anything there.
        return match tree.read_dir(&parent) {
            Ok(()) => tree.sync_dir(&parent),
            Err(_) => Ok(()),
        };
    }
    create_dir_durably(tree, &parent)?;
    match tree.create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Fails if the name is that of a file.
    tree.read_dir(dir)?;
    tree.sync_dir(&parent)
}
