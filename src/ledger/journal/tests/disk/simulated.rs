//! The disk as the journal sees it, and as a test manipulates it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::ledger::journal::storage::{File, Source, Storage};
use crate::ledger::journal::tests::disk::inode::Inode;
use crate::ledger::journal::tests::disk::state::{
    Crash, DIRECTORY, DiskState, Fault, NameChange, OpResult,
};

/// Clones share the disk.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<DiskState>>);

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(DiskState::new(seed))))
    }

    /// A disk of its own with the same content.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.with(|state| state.clone()))))
    }

    /// Changing operations so far.
    pub(crate) fn ops(&self) -> u64 {
        self.with(|state| state.ops)
    }

    /// Has `fault` happen in the operation that many from now, 1 being the
    /// next.
    pub(crate) fn plan(&self, ops_from_now: u64, fault: Fault) {
        self.with(|state| state.fault = Some((state.ops + ops_from_now, fault)));
    }

    pub(crate) fn plan_nothing(&self) {
        self.with(|state| state.fault = None);
    }

    /// Bounds the bytes of all files.
    pub(crate) fn set_capacity(&self, bytes: usize) {
        self.with(|state| state.capacity = Some(bytes));
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.with(|state| state.dead)
    }

    /// Changes a file behind the journal's back, durably.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.with(|state| state.inodes[state.names[name]].change(change));
    }

    /// Removes a name behind the journal's back, durably.
    pub(crate) fn forget(&self, name: &str) {
        self.with(|state| {
            state.names.remove(name);
            state.durable_names.remove(name);
        });
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.with(|state| state.names.contains_key(name))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.with(|state| state.inodes[state.names[name]].cached.clone())
    }

    /// Ends the process, and restarts the machine if it lost power.
    pub(crate) fn restart(&self, crash: Crash) {
        self.with(|state| state.restart(crash));
    }

    fn handle(&self, inode: usize) -> Box<dyn File> {
        Box::new(Handle {
            disk: self.clone(),
            inode,
            holds_lock: AtomicBool::new(false),
        })
    }

    pub(super) fn with<R>(&self, with: impl FnOnce(&mut DiskState) -> R) -> R {
        with(&mut self.0.lock().expect("no panic while it is held"))
    }
}

impl Source for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.with(|state| state.names.keys().cloned().collect()))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let inode = self.with(|state| state.names.get(name).copied());
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(inode))
    }
}

impl Storage for Disk {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.with(|state| {
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.change_names(vec![NameChange::Put(name.into(), inode)])?;
            Ok(self.handle(inode))
        })
    }

    fn open_or_create(&self, name: &str) -> io::Result<Box<dyn File>> {
        match self.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(name),
            other => other,
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.with(|state| state.names.contains_key(to)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.replace(from, to)
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|state| {
            let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            state.change_names(vec![
                NameChange::Remove(from.into()),
                NameChange::Put(to.into(), inode),
            ])
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|state| {
            if !state.names.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let change = || vec![NameChange::Remove(name.into())];
            match state.change_names(change()) {
                // A full disk doesn't keep anything from being removed.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    state.apply_to_names(change());
                    Ok(())
                }
                other => other,
            }
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.with(|state| match state.next_op()? {
            OpResult::Succeeds => {
                state.sync_names();
                Ok(())
            }
            OpResult::Fails(error) if error.kind() == io::ErrorKind::StorageFull => {
                state.sync_names();
                Ok(())
            }
            OpResult::SyncFails => Err(io::Error::other("a planned failure of a sync")),
            result => result.into(),
        })
    }

    fn restrict(&self, _name: &str) -> io::Result<bool> {
        Ok(false)
    }

    fn is_exposed(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn itself(&self) -> io::Result<Box<dyn File>> {
        Ok(self.handle(DIRECTORY))
    }
}

struct Handle {
    disk: Disk,
    inode: usize,
    holds_lock: AtomicBool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.holds_lock.load(Ordering::Relaxed) {
            self.disk.with(|state| state.locked.remove(&self.inode));
        }
    }
}

impl File for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self
            .disk
            .with(|state| state.inodes[self.inode].cached.len() as u64))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.with(|state| {
            let cached = &state.inodes[self.inode].cached;
            let from = cached.get(offset as usize..).unwrap_or(&[]);
            let read = from.len().min(bytes.len());
            bytes[..read].copy_from_slice(&from[..read]);
            Ok(read)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.with(|state| {
            let result = state.next_op()?;
            // A write that fails has written a part; one that succeeds may
            // write a part, too, and say so.
            let part = state.random.below(bytes.len() as u64 + 1) as usize;
            let written = match result {
                OpResult::Succeeds if part > 0 && state.random.percent(5) => part,
                OpResult::Succeeds | OpResult::SyncFails => bytes.len(),
                OpResult::Fails(_) | OpResult::Dies => part,
            };
            let offset = offset as usize;
            let fitting = state.fitting(self.inode, offset, written);
            state.inodes[self.inode].write(&bytes[..fitting], offset);
            if fitting == 0 && written > 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            io::Result::from(result).map(|()| fitting)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.with(|state| {
            let result = state.next_op()?;
            let inode = &mut state.inodes[self.inode];
            match result {
                OpResult::Succeeds => {
                    inode.sync();
                    Ok(())
                }
                // Space is taken when bytes are written: too late to say so
                // now.
                OpResult::Fails(error) if error.kind() == io::ErrorKind::StorageFull => {
                    Err(io::Error::other("no space, and too late to say so"))
                }
                OpResult::SyncFails | OpResult::Fails(_) => {
                    inode.sync_some(&mut state.random, 50);
                    Err(io::Error::other("a planned failure of a sync"))
                }
                result => result.into(),
            }
        })
    }

    fn is_linked(&self) -> io::Result<bool> {
        let named = |state: &mut DiskState| state.names.values().any(|&inode| inode == self.inode);
        Ok(self.inode == DIRECTORY || self.disk.with(named))
    }

    fn made_at(&self) -> io::Result<Option<u64>> {
        Ok(Some(self.inode as u64 + 1)) // no inode is used twice
    }

    fn try_lock(&self) -> io::Result<bool> {
        let fresh = self.disk.with(|state| state.locked.insert(self.inode));
        self.holds_lock.fetch_or(fresh, Ordering::Relaxed);
        Ok(fresh)
    }
}
