//! The state of a simulated disk: files, names, and the planned fault.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use crate::ledger::journal::tests::disk::inode::Inode;
use crate::ledger::journal::tests::random::Random;

/// The data directory among the inodes.
pub(super) const DIRECTORY: usize = usize::MAX;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies in this operation, and nothing works after it.
    Dies,
    /// If this operation is a sync, it fails.
    SyncFails,
    /// This operation and so many after it find no space.
    Full(u64),
    /// This operation fails.
    Fails,
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    PowerLoss,
    Kill,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Put(String, usize),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Put(name, inode) => names.insert(name.clone(), *inode),
            Self::Remove(name) => names.remove(name),
        };
    }
}

/// How an operation goes.
pub(super) enum OpResult {
    Succeeds,
    Fails(io::Error),
    SyncFails,
    Dies,
}

impl From<OpResult> for io::Result<()> {
    fn from(result: OpResult) -> Self {
        match result {
            OpResult::Succeeds | OpResult::SyncFails => Ok(()),
            OpResult::Fails(error) => Err(error),
            OpResult::Dies => Err(io::Error::other("the process died")),
        }
    }
}

#[derive(Clone)]
pub(super) struct DiskState {
    pub(super) random: Random,
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<String, usize>,
    pub(super) durable_names: BTreeMap<String, usize>,
    /// Since the last sync; those of one operation together.
    name_changes: Vec<Vec<NameChange>>,
    /// Directories, and whether their names are durable.
    pub(super) dirs: BTreeMap<PathBuf, bool>,
    /// What is locked: an inode, or [`DIRECTORY`].
    pub(super) locked: BTreeSet<usize>,
    pub(super) ops: u64,
    pub(super) fault: Option<(u64, Fault)>,
    /// Bytes that all files with a name have together, at most.
    pub(super) capacity: Option<usize>,
    pub(super) dead: bool,
}

impl DiskState {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            dirs: BTreeMap::new(),
            locked: BTreeSet::new(),
            ops: 0,
            fault: None,
            capacity: None,
            dead: false,
        }
    }

    /// Counts a changing operation, and says how it goes.
    pub(super) fn next_op(&mut self) -> io::Result<OpResult> {
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        self.ops += 1;
        let Some((at, fault)) = self.fault else {
            return Ok(OpResult::Succeeds);
        };
        let result = match fault {
            Fault::Full(more) if (at..=at + more).contains(&self.ops) => {
                OpResult::Fails(io::ErrorKind::StorageFull.into())
            }
            _ if at != self.ops => OpResult::Succeeds,
            Fault::SyncFails => OpResult::SyncFails,
            Fault::Fails => OpResult::Fails(io::Error::other("a planned failure")),
            Fault::Full(_) => unreachable!("in the range above"),
            Fault::Dies => {
                self.dead = true;
                OpResult::Dies
            }
        };
        Ok(result)
    }

    /// How many of `len` bytes at `offset` of a file there is space for.
    pub(super) fn fitting(&self, inode: usize, offset: usize, len: usize) -> usize {
        let Some(capacity) = self.capacity else {
            return len;
        };
        let used: usize = self.names.values().map(|&named| self.size(named)).sum();
        let has = self.size(inode).saturating_sub(offset);
        len.min(has + capacity.saturating_sub(used))
    }

    fn size(&self, inode: usize) -> usize {
        self.inodes[inode].cached.len()
    }

    /// Changes names. If the process dies, the change may have been made.
    pub(super) fn change_names(&mut self, changes: Vec<NameChange>) -> io::Result<()> {
        let result = self.next_op()?;
        let done = match result {
            OpResult::Succeeds | OpResult::SyncFails => true,
            OpResult::Fails(_) => false,
            OpResult::Dies => self.random.percent(50),
        };
        if done {
            self.apply_to_names(changes);
        }
        result.into()
    }

    pub(super) fn apply_to_names(&mut self, changes: Vec<NameChange>) {
        for change in &changes {
            change.apply(&mut self.names);
        }
        self.name_changes.push(changes);
    }

    pub(super) fn sync_names(&mut self) {
        self.name_changes.clear();
        self.durable_names = self.names.clone();
    }

    pub(super) fn restart(&mut self, crash: Crash) {
        self.dead = false;
        self.fault = None;
        self.locked.clear();
        if crash == Crash::Kill {
            return;
        }
        let mut random = self.random.clone();
        // Sometimes nothing survives, sometimes all, mostly some.
        let survives = [0, 50, 90, 100][random.below(4) as usize];
        for changes in self.name_changes.drain(..) {
            if random.percent(survives) {
                for change in &changes {
                    change.apply(&mut self.durable_names);
                }
            }
        }
        self.lose_dirs(&mut random, survives);
        self.names = self.durable_names.clone();
        for inode in &mut self.inodes {
            inode.lose_power(&mut random, survives);
        }
        self.random = random;
    }

    /// A directory that is lost takes all with it that is in it.
    fn lose_dirs(&mut self, random: &mut Random, survives: u64) {
        let made = self.dirs.clone();
        let lost = made
            .iter()
            .filter(|&(_, durable)| !durable && !random.percent(survives));
        for (lost, _) in lost {
            self.dirs.retain(|dir, _| !dir.starts_with(lost));
            self.durable_names.clear();
        }
        self.dirs.values_mut().for_each(|durable| *durable = true);
    }
}
