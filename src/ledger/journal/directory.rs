//! A directory of the operating system, held open.
//!
//! Every operation goes through its descriptor, never through its path: a
//! process whose directory was moved goes on in the moved one, and can't touch
//! what another process makes under the old path.

use std::fs::TryLockError;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, chmodat, fchmod, fstat, fstatvfs, fsync, openat,
    renameat, renameat_with, statat, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;

use crate::ledger::journal::storage::{File, Source, Storage};

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const SELF: &str = ".";

/// A directory whose files can be changed.
pub(crate) struct Directory(OwnedFd);

/// A directory that can't be changed through this: its files are opened for
/// reading.
pub(crate) struct ReadOnlyDirectory(OwnedFd);

impl Directory {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open_dir(path)?))
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<fs::File> {
        open_at(&self.0, name, OFlags::RDWR | flags)
    }
}

impl ReadOnlyDirectory {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open_dir(path)?))
    }

    /// The directory, to be locked.
    pub(crate) fn itself(&self) -> io::Result<Box<dyn File>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(Box::new(open_at(&self.0, SELF, flags)?))
    }
}

fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))?)
}

fn open_at(dir: &OwnedFd, name: &str, flags: OFlags) -> io::Result<fs::File> {
    let file = retry_on_intr(|| openat(dir, name, flags | OFlags::CLOEXEC, FILE_MODE))?;
    Ok(fs::File::from(file))
}

fn names(dir: &OwnedFd) -> io::Result<Vec<String>> {
    let names = retry_on_intr(|| Dir::read_from(dir))?.filter_map(|entry| {
        // A name that isn't UTF-8 isn't ours; replacing characters does no
        // harm.
        let name = entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
        match name.as_deref() {
            Ok("." | "..") => None,
            _ => Some(name.map_err(io::Error::from)),
        }
    });
    names.collect()
}

impl Source for ReadOnlyDirectory {
    fn names(&self) -> io::Result<Vec<String>> {
        names(&self.0)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(open_at(&self.0, name, OFlags::RDONLY)?))
    }
}

impl Source for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        names(&self.0)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.open_file(name, OFlags::empty())?))
    }
}

impl Storage for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        match self.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.open_file(name, OFlags::CREATE | OFlags::EXCL)?;
        // Whatever the umask.
        retry_on_intr(|| fchmod(&file, FILE_MODE))?;
        Ok(Box::new(file))
    }

    fn open_or_create(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.open_file(name, OFlags::CREATE)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let flags = RenameFlags::NOREPLACE;
        match retry_on_intr(|| renameat_with(&self.0, from, &self.0, to, flags)) {
            // A file system or a sandbox that doesn't know the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                match retry_on_intr(|| statat(&self.0, to, AtFlags::SYMLINK_NOFOLLOW)) {
                    Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                    Err(Errno::NOENT) => self.replace(from, to),
                    Err(error) => Err(error.into()),
                }
            }
            other => Ok(other?),
        }
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| renameat(&self.0, from, &self.0, to))?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| unlinkat(&self.0, name, AtFlags::empty()))?)
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| fsync(&self.0))?)
    }

    fn restrict(&self, name: &str) -> io::Result<bool> {
        let found = retry_on_intr(|| statat(&self.0, name, AtFlags::empty()))?;
        let mode = Mode::from_raw_mode(found.st_mode);
        if mode == FILE_MODE {
            return Ok(false);
        }
        retry_on_intr(|| chmodat(&self.0, name, FILE_MODE, AtFlags::empty()))?;
        Ok(mode.intersects(Mode::RWXG | Mode::RWXO))
    }

    /// The group counts only in a directory of this user's own: in another's,
    /// it is what lets this user in.
    fn is_exposed(&self) -> io::Result<bool> {
        let found = retry_on_intr(|| fstat(&self.0))?;
        let own = found.st_uid == geteuid().as_raw();
        let others = if own {
            Mode::WGRP | Mode::WOTH
        } else {
            Mode::WOTH
        };
        Ok(Mode::from_raw_mode(found.st_mode).intersects(others))
    }

    fn free_bytes(&self) -> Option<u64> {
        let volume = fstatvfs(&self.0).ok()?;
        // Some file systems have no size.
        (volume.f_blocks > 0).then(|| volume.f_bavail.saturating_mul(volume.f_frsize))
    }

    /// A description of its own: the lock on it ends when this is closed, not
    /// when the directory is.
    fn itself(&self) -> io::Result<Box<dyn File>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(Box::new(open_at(&self.0, SELF, flags)?))
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

    fn is_linked(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }

    fn made_at(&self) -> io::Result<Option<u64>> {
        let created = self.metadata()?.created().ok(); // an error: not supported
        let since = created.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(since.map(|since| since.as_nanos() as u64))
    }

    /// With `flock(2)`.
    fn try_lock(&self) -> io::Result<bool> {
        match fs::File::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) {
        let _ = fs::File::unlock(self); // closing it unlocks it, too
    }
}
