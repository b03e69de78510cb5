//! The directories above the data directory, and its lock.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ledger::journal::directory_tree::{DirectoryTree, LockFile};
use crate::ledger::journal::storage::{File, Source, Storage};
use crate::ledger::journal::tests::disk::simulated::Disk;
use crate::ledger::journal::tests::disk::state::OpResult;

impl DirectoryTree for Disk {
    fn is_dir(&self, path: &Path) -> bool {
        path == Path::new("/") || self.with(|state| state.dirs.contains_key(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<()> {
        if self.is_dir(path) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            let result = state.next_op()?;
            let made = match result {
                OpResult::Succeeds | OpResult::SyncFails => true,
                OpResult::Fails(_) => false,
                OpResult::Dies => state.random.percent(50),
            };
            if made {
                state.dirs.insert(path.to_owned(), false);
            }
            result.into()
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.with(|state| match state.next_op()? {
            OpResult::Succeeds => {
                let made = state.dirs.iter_mut();
                for (_, durable) in made.filter(|(dir, _)| dir.parent() == Some(path)) {
                    *durable = true;
                }
                Ok(())
            }
            OpResult::SyncFails => Err(io::Error::other("a planned failure of a sync")),
            result => result.into(),
        })
    }

    fn open_lock(&self, path: &Path) -> io::Result<Box<dyn LockFile>> {
        assert!(self.is_dir(path.parent().expect("in a directory")));
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("it has a name");
        let file = match self.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(name)?,
            other => other?,
        };
        Ok(Box::new(Lock {
            file,
            name: PathBuf::from(name),
            disk: self.clone(),
            held: AtomicBool::new(false),
        }))
    }
}

struct Lock {
    file: Box<dyn File>,
    name: PathBuf,
    disk: Disk,
    held: AtomicBool,
}

impl LockFile for Lock {
    fn try_lock(&self) -> io::Result<bool> {
        let taken = self
            .disk
            .with(|state| std::mem::replace(&mut state.locked, true));
        self.held.store(!taken, Ordering::Relaxed);
        Ok(!taken)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.with(|state| {
            let result = state.next_op()?;
            if let OpResult::Succeeds | OpResult::SyncFails = result {
                let name = self.name.to_str().expect("it was a str");
                let inode = state.names[name];
                state.inodes[inode].truncate(len as usize);
            }
            result.into()
        })
    }
}

impl File for Lock {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.held.load(Ordering::Relaxed) {
            self.disk.with(|state| state.locked = false);
        }
    }
}
