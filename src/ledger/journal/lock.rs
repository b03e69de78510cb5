//! One process at a time: the lock on the data directory.
//!
//! Three things are locked, all with `flock(2)`, so that the lock ends with the
//! process, however that ends:
//!
//! - the directory itself, which can't be removed or replaced unseen: whoever
//!   removes the files in it doesn't get past it;
//! - the manifest, for a second directory whose files are hard links to these;
//! - the file `lock`, for versions of this program that lock nothing else. It
//!   says who the holder is, for people.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ledger::journal::directory::ReadOnlyDirectory;
use crate::ledger::journal::directory_tree::{DirectoryTree, create_dir_durably};
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{LOCK, MANIFEST, is_known};
use crate::ledger::journal::holder::Holder;
use crate::ledger::journal::storage::{File, Source as _, Storage, is_full, read_full, write_full};

/// Keeps the directory locked until it is dropped.
pub(crate) struct DirectoryLock {
    storage: Arc<dyn Storage>,
    /// `None` where the file system can't lock a directory.
    _directory: Option<Locked>,
    _file: Locked,
    manifest: Mutex<Option<Locked>>,
}

/// A file that is locked. Unlocked before it is closed: a child that this
/// process has forked has the same open file until it comes to execve(2), and
/// the lock would last as long.
pub(crate) struct Locked(Box<dyn File>);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.unlock();
    }
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
        let storage = tree.open(dir).map_err(failed("open it"))?;
        let locked = |file: Option<&dyn File>| OpenError::Locked {
            dir: dir.to_owned(),
            holder: file.and_then(read_holder),
        };
        let directory = storage.itself().map_err(failed("open it"))?;
        let directory = match directory.try_lock() {
            Ok(true) => Some(Locked(directory)),
            Ok(false) => return Err(locked(storage.open(LOCK).ok().as_deref())),
            Err(error) => {
                // NFS, for one. The two files remain.
                tracing::warn!(dir = %dir.display(), "the file system can't lock a directory: {error}; never remove the files lock and ledger while a process runs");
                None
            }
        };
        let file = storage
            .open_or_create(LOCK)
            .map_err(failed("write into it"))?;
        if !file.try_lock().map_err(failed("lock it"))? {
            return Err(locked(Some(&*file)));
        }
        restrict(&*storage, dir);
        match write_full(&*file, Holder::this_process().encode().as_bytes(), 0) {
            // The lock holds all the same.
            Err(error) if is_full(&error) => {
                tracing::warn!("{LOCK} may name an earlier process: {error}");
            }
            written => written.map_err(failed("write into it"))?,
        }
        Ok(Self {
            storage,
            _directory: directory,
            _file: Locked(file),
            manifest: Mutex::new(None),
        })
    }

    /// The directory that is locked.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }

    /// Locks the manifest as well, once there is one, or a new one. `false` if another
    /// process has it: its directory has links to the same files.
    pub(crate) fn lock_manifest(&self) -> io::Result<bool> {
        let manifest = self.storage.open(MANIFEST)?;
        let locked = manifest.try_lock()?;
        if locked {
            let mut held = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
            *held = Some(Locked(manifest));
        }
        Ok(locked)
    }
}

/// Locks a directory that is only read, against a service that would start on
/// it. The locks last until what is returned is dropped.
pub(crate) fn lock_unused(
    source: &ReadOnlyDirectory,
    dir: &Path,
) -> Result<Vec<Locked>, OpenError> {
    let mut held = Vec::new();
    let itself = source.itself();
    let named = [LOCK, MANIFEST].map(|name| source.open(name));
    for file in [itself].into_iter().chain(named).flatten() {
        match file.try_lock() {
            Ok(true) => held.push(Locked(file)),
            Ok(false) => {
                return Err(OpenError::Locked {
                    dir: dir.to_owned(),
                    holder: source.open(LOCK).ok().as_deref().and_then(read_holder),
                });
            }
            // A file system that locks nothing that is open for reading, or no
            // directory.
            Err(error) => tracing::debug!(dir = %dir.display(), "can't be locked: {error}"),
        }
    }
    Ok(held)
}

/// Orders are nobody else's to read. Files that were open to others are closed
/// to them; a directory may be so on purpose, and is left as it is.
fn restrict(storage: &dyn Storage, dir: &Path) {
    let dir = dir.display();
    for name in storage.names().unwrap_or_default() {
        if !is_known(&name) {
            continue;
        }
        match storage.restrict(&name) {
            Ok(false) => {}
            Ok(true) => {
                tracing::warn!(%dir, "{name} was open to other users; it has mode 0600 now");
            }
            Err(error) => {
                tracing::warn!(%dir, "{name} may be open to other users: {error}; give it to this user, with mode 0600");
            }
        }
    }
    if storage.is_exposed().unwrap_or(false) {
        tracing::warn!(%dir, "other users can remove files from the data directory: chmod 700 it");
    }
}

fn read_holder(file: &dyn File) -> Option<Holder> {
    let mut bytes = [0; 1024];
    let read = read_full(file, &mut bytes, 0).ok()?;
    Holder::decode(str::from_utf8(&bytes[..read]).ok()?)
}
