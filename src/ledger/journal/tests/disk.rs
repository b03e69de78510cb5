//! A disk in memory that forgets what was not synced, and fails on demand.
//!
//! What a power loss leaves of a file: its synced bytes, and of each sector
//! written since any version that it had, at random. Of the names: those
//! synced, and of the changes since any selection. What a kill leaves:
//! everything that was written, synced or not. After a failed sync the cache
//! holds what was written and takes it for clean, so that later syncs don't
//! write it: the disk has some of it, at random.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use crate::ledger::journal::storage::{File, Source, Storage};

const SECTOR: usize = 512;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process ends in this operation, and nothing works after it.
    Death,
    /// If this operation is a sync, it fails.
    SyncFails,
    /// This operation and so many after it find no space.
    Full(u64),
    /// This operation fails.
    Fails,
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Power,
    Process,
}

#[derive(Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Versions of sectors written since the last sync, oldest first.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
}

#[derive(Clone)]
enum Change {
    Put(String, usize),
    Remove(String),
}

#[derive(Clone)]
struct World {
    random: Random,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes: Vec<Vec<Change>>,
    ops: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
}

/// The disk. Clones share it.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<World>>);

struct Handle {
    disk: Disk,
    inode: usize,
}

/// Numbers from a seed: SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True so many times out of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            random: Random(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            ops: 0,
            fault: None,
            dead: false,
        })))
    }

    /// A disk of its own with the same content.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.world(|world| world.clone()))))
    }

    /// Changing operations so far.
    pub(crate) fn ops(&self) -> u64 {
        self.world(|world| world.ops)
    }

    /// Has `fault` happen in the operation that many from now, 1 the next.
    pub(crate) fn plan(&self, ops_from_now: u64, fault: Fault) {
        self.world(|world| world.fault = Some((world.ops + ops_from_now, fault)));
    }

    pub(crate) fn plan_nothing(&self) {
        self.world(|world| world.fault = None);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.world(|world| world.dead)
    }

    /// Changes a file behind the journal's back, durably.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.world(|world| {
            let inode = &mut world.inodes[world.names[name]];
            change(&mut inode.seen);
            inode.durable.clone_from(&inode.seen);
            inode.dirty.clear();
        });
    }

    pub(crate) fn forget(&self, name: &str) {
        self.world(|world| {
            world.names.remove(name);
            world.durable_names.remove(name);
        });
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.world(|world| world.inodes[world.names[name]].seen.clone())
    }

    /// Ends the process, and starts the machine again if it lost power.
    pub(crate) fn restart(&self, loss: Loss) {
        self.world(|world| {
            world.dead = false;
            world.fault = None;
            if loss == Loss::Process {
                return;
            }
            let mut random = world.random.clone();
            // Sometimes nothing survives, sometimes all, mostly some.
            let survives = [0, 50, 90, 100][random.below(4) as usize];
            for change in world.changes.drain(..) {
                if random.percent(survives) {
                    change
                        .iter()
                        .for_each(|change| change.apply(&mut world.durable_names));
                }
            }
            world.names = world.durable_names.clone();
            for inode in &mut world.inodes {
                inode.lose(&mut random, survives);
            }
            world.random = random;
        });
    }

    fn world<R>(&self, with: impl FnOnce(&mut World) -> R) -> R {
        with(&mut self.0.lock().expect("no panic while it is held"))
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Put(name, inode) => names.insert(name.clone(), *inode),
            Self::Remove(name) => names.remove(name),
        };
    }
}

impl Inode {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let start = sector * SECTOR;
            let version = self.seen[start..self.seen.len().min(start + SECTOR)].to_vec();
            self.dirty.entry(sector).or_default().push(version);
        }
    }

    /// Puts one of a sector's versions on the disk.
    fn persist(&mut self, random: &mut Random, survives: u64) {
        if random.percent(survives) && self.durable.len() < self.seen.len() {
            self.durable.resize(self.seen.len(), 0);
        }
        for (sector, versions) in std::mem::take(&mut self.dirty) {
            if random.percent(survives) {
                // The newest as a rule, or one that was overwritten.
                let newest = versions.len() - 1;
                let older = random.below(versions.len() as u64) as usize;
                let version = &versions[if random.percent(80) { newest } else { older }];
                let start = sector * SECTOR;
                if self.durable.len() < start + version.len() {
                    self.durable.resize(start + version.len(), 0);
                }
                self.durable[start..start + version.len()].copy_from_slice(version);
            }
        }
    }

    fn lose(&mut self, random: &mut Random, survives: u64) {
        self.persist(random, survives);
        self.seen = self.durable.clone();
    }
}

enum Turn {
    Good,
    Fails(io::Error),
    SyncFails,
    Dies,
}

impl World {
    /// Counts a changing operation, and says how it goes.
    fn turn(&mut self) -> io::Result<Turn> {
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        self.ops += 1;
        let Some((at, fault)) = self.fault else {
            return Ok(Turn::Good);
        };
        let turn = match fault {
            Fault::Full(more) if (at..=at + more).contains(&self.ops) => {
                Turn::Fails(io::ErrorKind::StorageFull.into())
            }
            _ if at != self.ops => Turn::Good,
            Fault::SyncFails => Turn::SyncFails,
            Fault::Fails => Turn::Fails(io::Error::other("a planned failure")),
            Fault::Full(_) => unreachable!("in the range above"),
            Fault::Death => {
                self.dead = true;
                Turn::Dies
            }
        };
        Ok(turn)
    }

    /// Changes names. Dying, it may have been done.
    fn rename(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let turn = self.turn()?;
        let done = match turn {
            Turn::Good | Turn::SyncFails => true,
            Turn::Fails(_) => false,
            Turn::Dies => self.random.percent(50),
        };
        if done {
            changes
                .iter()
                .for_each(|change| change.apply(&mut self.names));
            self.changes.push(changes);
        }
        turn.into()
    }
}

impl From<Turn> for io::Result<()> {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Good | Turn::SyncFails => Ok(()),
            Turn::Fails(error) => Err(error),
            Turn::Dies => Err(io::Error::other("the process died")),
        }
    }
}

impl Source for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.world(|world| world.names.keys().cloned().collect()))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let inode = self.world(|world| world.names.get(name).copied());
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        let disk = self.clone();
        Ok(Box::new(Handle { disk, inode }))
    }
}

impl Storage for Disk {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.world(|world| {
            let inode = world.inodes.len();
            world.inodes.push(Inode::default());
            world.rename(vec![Change::Put(name.into(), inode)])?;
            let disk = self.clone();
            Ok(Box::new(Handle { disk, inode }) as Box<dyn File>)
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.world(|world| {
            let inode = *world.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            world.rename(vec![
                Change::Remove(from.into()),
                Change::Put(to.into(), inode),
            ])
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.world(|world| {
            if !world.names.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            // A full disk doesn't keep anything from being removed.
            match world.rename(vec![Change::Remove(name.into())]) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    let change = Change::Remove(name.into());
                    change.apply(&mut world.names);
                    world.changes.push(vec![change]);
                    Ok(())
                }
                other => other,
            }
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.world(|world| match world.turn()? {
            Turn::Good => {
                world.changes.clear();
                world.durable_names = world.names.clone();
                Ok(())
            }
            Turn::Fails(error) if error.kind() == io::ErrorKind::StorageFull => {
                world.changes.clear();
                world.durable_names = world.names.clone();
                Ok(())
            }
            Turn::SyncFails => Err(io::Error::other("a planned failure of a sync")),
            turn => turn.into(),
        })
    }
}

impl File for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self
            .disk
            .world(|world| world.inodes[self.inode].seen.len() as u64))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.world(|world| {
            let seen = &world.inodes[self.inode].seen;
            let from = seen.get(offset as usize..).unwrap_or(&[]);
            let read = from.len().min(bytes.len());
            bytes[..read].copy_from_slice(&from[..read]);
            Ok(read)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.world(|world| {
            let turn = world.turn()?;
            // Failing, it has written a part; and a good one may write a part,
            // too, and say so.
            let part = world.random.below(bytes.len() as u64 + 1) as usize;
            let written = match turn {
                Turn::Good if part > 0 && world.random.percent(5) => part,
                Turn::Good | Turn::SyncFails => bytes.len(),
                Turn::Fails(_) | Turn::Dies => part,
            };
            world.inodes[self.inode].write(&bytes[..written], offset as usize);
            io::Result::from(turn).map(|()| written)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.world(|world| {
            let turn = world.turn()?;
            let inode = &mut world.inodes[self.inode];
            match turn {
                Turn::Good => {
                    // Only what is dirty: not what a failed sync has dropped.
                    inode.durable.resize(inode.seen.len(), 0);
                    for (sector, versions) in std::mem::take(&mut inode.dirty) {
                        let newest = versions.last().expect("one at least");
                        let start = sector * SECTOR;
                        inode.durable[start..start + newest.len()].copy_from_slice(newest);
                    }
                    Ok(())
                }
                // What fits was there already: space is taken when written.
                Turn::Fails(error) if error.kind() == io::ErrorKind::StorageFull => {
                    Err(io::Error::other("no space, and too late to say so"))
                }
                Turn::SyncFails | Turn::Fails(_) => {
                    inode.persist(&mut world.random, 50);
                    Err(io::Error::other("a planned failure of a sync"))
                }
                turn => turn.into(),
            }
        })
    }
}
