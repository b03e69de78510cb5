//! The dedupe window: the ids of the last N outcomes, with status and content.
//!
//! One writer (the committer), any number of readers, no lock, no growth: three
//! arrays of fixed size. Entries form a ring in the order of commit, so that
//! the newest overwrites the oldest and eviction needs no search. Each bucket
//! of the hash table links to its newest entry, and each entry to the next
//! older one of its bucket.
//!
//! # Links carry a tag
//!
//! The window is far larger than a processor's caches, and nearly every id that
//! is looked up is not in it: a look-up costs the memory it touches. So a link
//! carries, beside the entry's index, a tag of the remaining bits of its id,
//! and links are stored apart from the entries: an entry is read only when the
//! tag matches.
//!
//! # Why nothing is unlinked
//!
//! A chain's entries get older from link to link, and an entry's age follows
//! from its index in the ring. When the ring overwrites an entry, it was the
//! oldest of all, hence the last of its chain. A link to it now leads either to
//! an entry that is *newer* than the one it comes from, which ends the walk, or
//! on into another bucket's chain, where the walk finds nothing, since whole
//! ids are compared. It only ever goes to older entries, so it ends.
//!
//! # How a reader detects a torn read
//!
//! As in a seqlock (Boehm, "Can seqlocks get along with programming language
//! memory models?", 2012): the writer zeroes the entry's sequence, writes the
//! words, then the new sequence; a reader that finds the sequence changed after
//! reading the words discards them. The entry had expired by then, so there is
//! nothing to retry.
//!
//! # Size
//!
//! 40 bytes an entry, a link for each, and a bucket, which is a link, for each:
//! 48 bytes an id.

mod ages;
#[cfg(all(test, orders_loom))]
mod loom_models;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::cpu::prefetch::{prefetch, prefetch_write};
use crate::dedupe::window::ages::Ages;
use crate::ledger::Status;
use crate::sync::primitive::{AtomicU32, AtomicU64, Ordering, fence, zeroed_slice_box};

#[cfg_attr(not(all(test, orders_loom)), derive(bytemuck::Zeroable))]
#[cfg_attr(all(test, orders_loom), derive(Default))]
struct Entry {
    id: [AtomicU64; 2],
    content: [AtomicU64; 2],
    /// Sequence, shifted left by one, and the status bit; 0: being written, or
    /// never was.
    seq_status: AtomicU64,
}

/// Bytes for each id: its entry, the entry's link and a bucket.
pub(crate) const ID_BYTES: usize = size_of::<Entry>() + 2 * size_of::<AtomicU32>();

/// What the window holds for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The sequence of its outcome.
    pub seq: u64,
    /// Its status.
    pub status: Status,
    /// The keyed hash of its content.
    pub content: u128,
}

/// [`insert`](Self::insert) is for one thread at a time (the committer); all
/// else may be called from any thread.
pub struct Window {
    entries: Box<[Entry]>,
    /// Links from each entry to the next older one of its bucket.
    older: Box<[AtomicU32]>,
    /// Links to the newest entry of each bucket.
    newest: Box<[AtomicU32]>,
    /// Mask of the bits of a link that hold the entry's index plus one, so that
    /// zeroed memory is no link. The other bits hold the tag.
    index_mask: u32,
    /// Entries ever inserted.
    inserted: AtomicU64,
    ages: Ages,
}

impl Window {
    /// A window over the last `ids` outcomes.
    ///
    /// # Panics
    /// If `ids` is 0, or 2³² - 1 or more: positions are 32 bits.
    pub fn new(ids: usize) -> Self {
        assert!(
            (1..u32::MAX as usize).contains(&ids),
            "a window of {ids} ids"
        );
        Self {
            // Fresh zero pages, which take no memory until they are written to.
            entries: zeroed_slice_box(ids),
            older: zeroed_slice_box(ids),
            newest: zeroed_slice_box(ids),
            index_mask: u32::MAX >> (ids as u32).leading_zeros(),
            inserted: AtomicU64::new(0),
            ages: Ages::new(ids as u64),
        }
    }

    /// Ids it holds at most.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Enters a committed outcome; the oldest is overwritten. `at` is the time
    /// in nanoseconds since the Unix epoch. One thread only.
    pub fn insert(&self, id: u128, known: Known, at: u64) {
        let count = self.inserted.load(Ordering::Relaxed);
        let capacity = self.entries.len() as u64;
        let index = (count % capacity) as usize;
        let entry = &self.entries[index];
        entry.seq_status.store(0, Ordering::Relaxed);
        // A reader that sees one of the new words sees the zero (pairs with the
        // Acquire fence in `get`).
        fence(Ordering::Release);
        store(&entry.id, id);
        store(&entry.content, known.content);
        let bucket = &self.newest[self.bucket(id)];
        self.older[index].store(bucket.load(Ordering::Relaxed), Ordering::Relaxed);
        let failed = u64::from(known.status == Status::Failed);
        // Publishes the words (pairs with the Acquire load in `get`).
        entry
            .seq_status
            .store(known.seq << 1 | failed, Ordering::Release);
        self.ages.record(count, at);
        // Before the link: a reader that follows it computes ages with this
        // entry included.
        self.inserted.store(count + 1, Ordering::Release);
        // Publishes the entry (pairs with the Acquire load in `get`).
        bucket.store(self.tag(id) | (index as u32 + 1), Ordering::Release);
    }

    /// Has what a look-up of this id reads first brought into the cache.
    pub fn prefetch(&self, id: u128) {
        prefetch(&self.newest[self.bucket(id)]);
    }

    /// Has what the insertion of this id writes brought into the cache.
    pub(crate) fn prefetch_insert(&self, id: u128) {
        prefetch_write(&self.newest[self.bucket(id)]);
    }

    /// The outcome with this id, if it is in the window.
    pub fn get(&self, id: u128) -> Option<Known> {
        let tag = self.tag(id);
        // Acquire pairs with the Release stores in `insert`, here and below.
        let mut link = self.newest[self.bucket(id)].load(Ordering::Acquire);
        if link == 0 {
            return None;
        }
        // Not zero: a link was there.
        let newest = (self.inserted.load(Ordering::Acquire) - 1) % self.entries.len() as u64;
        let mut youngest = 0;
        while link != 0 {
            let index = (link & self.index_mask) as usize - 1;
            let age = self.age_at(index, newest as usize);
            if age < youngest {
                return None; // overwritten: the chain ends before it
            }
            youngest = age + 1;
            if link & !self.index_mask == tag {
                let entry = &self.entries[index];
                let seen = entry.seq_status.load(Ordering::Acquire);
                let same = load(&entry.id) == id;
                let content = load(&entry.content);
                // Pairs with the Release fence in `insert`.
                fence(Ordering::Acquire);
                if seen == 0 || entry.seq_status.load(Ordering::Relaxed) != seen {
                    return None; // being overwritten
                }
                if same {
                    let status = if seen & 1 == 1 {
                        Status::Failed
                    } else {
                        Status::Processed
                    };
                    return Some(Known {
                        seq: seen >> 1,
                        status,
                        content,
                    });
                }
            }
            // Relaxed: an older entry was written before the bucket's link, and
            // a reader that gets to another entry by a stale link reads its
            // sequence first.
            link = self.older[index].load(Ordering::Relaxed);
        }
        None
    }

    /// The age of the oldest outcome in the window; `None` while it is not
    /// full: it reaches back to the start then.
    pub fn age(&self) -> Option<Duration> {
        self.ages.oldest(&self.inserted)
    }

    /// How many entries are newer than the one at `index`, with the newest of
    /// all at `newest`.
    fn age_at(&self, index: usize, newest: usize) -> usize {
        if index <= newest {
            newest - index
        } else {
            newest + self.entries.len() - index
        }
    }

    /// The bits of this id that a link carries beside the index.
    fn tag(&self, id: u128) -> u32 {
        id as u32 & !self.index_mask
    }

    fn bucket(&self, id: u128) -> usize {
        // Lemire's multiply-and-shift: any table size, no division.
        let hash = (id >> 64) as u64;
        ((u128::from(hash) * self.newest.len() as u128) >> 64) as usize
    }
}

fn store(words: &[AtomicU64; 2], value: u128) {
    words[0].store((value >> 64) as u64, Ordering::Relaxed);
    words[1].store(value as u64, Ordering::Relaxed);
}

fn load(words: &[AtomicU64; 2]) -> u128 {
    let [high, low] = words.each_ref().map(|word| word.load(Ordering::Relaxed));
    u128::from(high) << 64 | u128::from(low)
}
