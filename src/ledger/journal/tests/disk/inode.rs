//! The content of a file, in the cache and on the disk.

use std::collections::BTreeMap;
use std::mem;

use crate::ledger::journal::tests::random::Random;

const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) cached: Vec<u8>,
    durable: Vec<u8>,
    /// Versions of sectors written since the last sync, oldest first.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Inode {
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let start = sector * SECTOR;
            let version = self.cached[start..self.cached.len().min(start + SECTOR)].to_vec();
            self.dirty.entry(sector).or_default().push(version);
        }
    }

    /// Makes durable what is dirty; not what a failed sync has taken for clean.
    pub(super) fn sync(&mut self) {
        self.durable.resize(self.cached.len(), 0);
        for (sector, versions) in mem::take(&mut self.dirty) {
            let newest = versions.last().expect("one at least");
            let start = sector * SECTOR;
            self.durable[start..start + newest.len()].copy_from_slice(newest);
        }
    }

    /// Makes some dirty sectors durable, in some version, and takes all for
    /// clean.
    pub(super) fn sync_some(&mut self, random: &mut Random, survives: u64) {
        if random.percent(survives) && self.durable.len() < self.cached.len() {
            self.durable.resize(self.cached.len(), 0);
        }
        for (sector, versions) in mem::take(&mut self.dirty) {
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

    pub(super) fn lose_power(&mut self, random: &mut Random, survives: u64) {
        self.sync_some(random, survives);
        self.cached = self.durable.clone();
    }

    /// Changes the content behind the journal's back, durably.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.cached);
        self.durable.clone_from(&self.cached);
        self.dirty.clear();
    }
}
