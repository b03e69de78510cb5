//! The directories above a data directory, and the file that locks it: what a
//! journal needs before it has a [`Storage`].
//!
//! As for files: a name made in a directory is durable when
//! [`sync_dir`](DirectoryTree::sync_dir) of that directory has returned.
//!
//! [`Storage`]: crate::ledger::journal::storage::Storage

use std::fs::TryLockError;
use std::path::Path;
use std::{fs, io};

use crate::ledger::journal::storage::File;

pub(crate) trait DirectoryTree {
    fn is_dir(&self, path: &Path) -> bool;
    /// Succeeds if `path` is a directory that may be read.
    fn read_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes one directory.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a file, which is made, empty, if it is missing.
    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>>;
}

pub(crate) trait LockFile: File {
    /// Locks the file until it is closed; `false` if another process has.
    fn try_lock(&self) -> io::Result<bool>;
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// That of the operating system. Locks are those of `flock(2)`.
pub(crate) struct FileSystem;

impl DirectoryTree for FileSystem {
    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn read_dir(&self, path: &Path) -> io::Result<()> {
        fs::read_dir(path).map(drop)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>> {
        let mut options = fs::File::options();
        options.read(true).write(true).create(true).truncate(false);
        Ok(Box::new(options.open(path)?))
    }
}

impl LockFile for fs::File {
    fn try_lock(&self) -> io::Result<bool> {
        match fs::File::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        fs::File::set_len(self, len)
    }
}
