//! The file system, as the journal sees it. The journal relies on three things,
//! and the traits offer nothing else:
//!
//! - Writes are durable, the file's length included, when [`File::sync`] has
//!   returned. Before that, any part of them may be, in units of a sector of
//!   512 bytes. A sector is written whole or not at all, so rewriting durable
//!   bytes unchanged can't lose them.
//! - Names created, changed or removed are durable when [`Storage::sync_names`]
//!   has returned; before that, any of the changes may be.
//! - After a failed sync nothing is known about the writes before it, and
//!   another sync may succeed without making them durable.

use std::io;

/// A directory, read-only.
pub(crate) trait Source: Send + Sync {
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens an existing file.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;
}

/// A directory that can be changed. It is held open: all operations are on this
/// directory, wherever it is moved and whatever has its old name.
pub(crate) trait Storage: Source {
    /// Creates a file; an existing one of that name is removed first.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Opens a file, which is made, empty, if it is missing.
    fn open_or_create(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Renames a file. Fails with [`io::ErrorKind::AlreadyExists`] if there is
    /// one of that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Renames a file; an existing one of that name is replaced.
    fn replace(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes changes of names durable.
    fn sync_names(&self) -> io::Result<()>;
    /// Lets no other user read or write a file. Returns whether somebody could.
    fn restrict(&self, name: &str) -> io::Result<bool>;
    /// Whether other users can add and remove files.
    fn is_exposed(&self) -> io::Result<bool>;
    /// Bytes that the file system has left, if it says so.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
    /// The directory itself, to be locked.
    fn itself(&self) -> io::Result<Box<dyn File>>;
}

pub(crate) trait File: Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Reads some bytes from `offset`; 0 at the end of the file.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some bytes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;
    /// Whether it still has a name. One without is gone when it is closed.
    fn is_linked(&self) -> io::Result<bool>;
    /// When it was made, in nanoseconds since the Unix epoch, if the file
    /// system knows. A copy was made later.
    fn made_at(&self) -> io::Result<Option<u64>>;
    /// Locks it until it is closed; `false` if somebody else has.
    fn try_lock(&self) -> io::Result<bool>;
    /// Unlocks it, if closing it may not be enough.
    fn unlock(&self) {}
}

/// Reads from `offset` until `bytes` are full or the file ends; returns how
/// many were read.
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

/// Writes all of `bytes` at `offset`. After an error, any prefix of them may
/// have been written.
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

/// Whether an error means that there is no space, which may change: the disk,
/// the quota or the limit of file sizes (`ulimit -f`) leaves none.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
