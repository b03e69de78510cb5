//! The files of a journal, as the journal sees them. It relies on three things
//! only, and nothing else is in the traits:
//!
//! - What [`File::sync`] has returned for is durable, its length included;
//!   before that, any part of it may be, in units of a sector of 512 bytes. A
//!   sector is written whole or not at all, so that bytes in it that were
//!   durable and are written again unchanged stay.
//! - Names made, changed or removed are durable when [`Storage::sync_names`]
//!   has returned; before that, any of the changes may be.
//! - After a failed sync nothing is known of what was written, and asking again
//!   may say yes without it being true.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// One directory, to read.
pub(super) trait Source: Send + Sync {
    /// The names in it.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;
}

/// One directory, to change.
pub(super) trait Storage: Source {
    /// Makes a file; one that was there is emptied.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Renames a file; one of that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// One file.
pub(super) trait File: Send + Sync {
    /// Bytes in it.
    fn len(&self) -> io::Result<u64>;
    /// Reads some bytes from `offset`; 0 at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some bytes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes bytes and length durable.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the file system.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

/// A directory that is looked at and left as it is: its files are opened for
/// reading.
pub(super) struct ReadOnly(PathBuf);

impl ReadOnly {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(dir)?.map(|entry| {
        // A name that is no text is none of ours, whatever becomes of it.
        Ok(entry?.file_name().to_string_lossy().into_owned())
    });
    names.collect()
}

impl Source for ReadOnly {
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

/// Fills `bytes` from `offset` on as far as the file goes; says how far.
pub(super) fn read_full(file: &dyn File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
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

/// Writes all of `bytes` at `offset`. After an error, any first part of them
/// may have been written.
pub(super) fn write_full(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
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

/// Whether an error says that there is no space, which may change.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
