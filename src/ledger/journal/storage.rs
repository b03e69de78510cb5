//! The file system, as the journal sees it. The journal relies on three things,
//! and the traits offer nothing else:
//!
//! - Writes are durable, the file's length included, when [`File::sync`] has
//!   returned. Before that, any part of them may be, in units of a sector of 512
//!   bytes. A sector is written whole or not at all, so rewriting durable bytes
//!   unchanged can't lose them.
//! - Names created, changed or removed are durable when [`Storage::sync_names`]
//!   has returned; before that, any of the changes may be.
//! - After a failed sync nothing is known about the writes before it, and another
//!   sync may succeed without making them durable.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A directory, read-only.
pub(crate) trait Source: Send + Sync {
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens an existing file.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;
}

/// A directory that can be changed.
pub(crate) trait Storage: Source {
    /// Creates a file; an existing one is truncated.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Renames a file; an existing one of that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes changes of names durable.
    fn sync_names(&self) -> io::Result<()>;
}

pub(crate) trait File: Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Reads some bytes from `offset`; 0 at the end of the file.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some bytes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the file system.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

/// A directory of the file system that can't be changed through this: its files
/// are opened for reading.
pub(crate) struct ReadOnlyDirectory(PathBuf);

impl ReadOnlyDirectory {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(dir)?.map(|entry| {
        // A name that isn't UTF-8 isn't ours; replacing characters does no harm.
        Ok(entry?.file_name().to_string_lossy().into_owned())
    });
    names.collect()
}

impl Source for ReadOnlyDirectory {
    fn names(&self) -> io::Result<Vec<String>> {
        names(&self.0)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(fs::File::open(self.0.join(name))?))
    }
}

impl Source for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        names(&self.0)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(self.0.join(name))?;
        Ok(Box::new(file))
    }
}

impl Storage for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut options = fs::File::options();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(options.open(self.0.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        fs::File::open(&self.0)?.sync_all()
    }
}

impl File for fs::File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data() // fdatasync(2): includes the length, leaves out times
    }
}

/// Reads from `offset` until `bytes` are full or the file ends; returns how many
/// were read.
pub(crate) fn read_full(file: &dyn File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Writes all of `bytes` at `offset`. After an error, any prefix of them may have
/// been written.
pub(crate) fn write_full(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error means that there is no space, which may change.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
