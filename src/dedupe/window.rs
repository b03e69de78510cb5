//! The dedupe window: the ids of the last N outcomes, and what came of them.
//!
//! One writer (the committer), any number of readers, no lock, no growth: three
//! arrays of fixed size. Entries stand in a ring in the order of commit, so
//! that the newest overwrites the oldest and nothing is ever searched for to
//! be evicted. Each bucket of the hash table links to its newest entry, and
//! each entry to the next older one of its bucket.
//!
//! # A link says whom it leads to
//!
//! The window is far larger than a processor's caches, and nearly every id that
//! is looked up is not in it: what a look-up costs is the memory it touches. So
//! a link carries, beside the entry's place, the bits of its id that are left
//! over, and links stand apart from the entries: an entry is read only when
//! those bits are the ones looked for.
//!
//! # Why nothing is unlinked
//!
//! A chain's entries get older from link to link, and an entry's age follows
//! from its place in the ring. When the ring overwrites an entry, it was the
//! oldest of all, hence the last of its chain. A link to it now leads either to
//! an entry that is *newer* than the one it comes from, which ends the walk, or
//! on into another bucket's chain, where the walk finds nothing, since whole ids
//! are compared. As it only ever goes to something older, it ends.
//!
//! # How a reader knows that it read one entry and not two halves
//!
//! As in a seqlock (Boehm, "Can seqlocks get along with programming language
//! memory models?", 2012): the writer zeroes the entry's sequence, writes the
//! words, then the new sequence; a reader that finds the sequence changed
//! after reading the words drops them. The entry had expired by then, so
//! there is nothing to try again.
//!
//! # Size
//!
//! 40 bytes an entry, a link for each, and a bucket, which is a link, for each:
//! 48 bytes an id.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use bytemuck::Zeroable;
use bytemuck::allocation::zeroed_slice_box;

use crate::clock;
use crate::cpu::prefetch::prefetch;
use crate::ledger::Status;

/// How finely the window's age is known: a note every so many entries.
const NOTES: u64 = 1024;

#[derive(Zeroable)]
struct Entry {
    id: [AtomicU64; 2],
    content: [AtomicU64; 2],
    /// Sequence, shifted left by one, and the status bit; 0: being written, or
    /// never was.
    seq_status: AtomicU64,
}

/// What the window knows of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The sequence of its outcome.
    pub seq: u64,
    /// Its status.
    pub status: Status,
    /// The keyed hash of its content.
    pub content: u128,
}

/// The window. [`insert`](Self::insert) is for one thread at a time (the
/// committer); everything else is for all.
pub struct Window {
    entries: Box<[Entry]>,
    /// Links from each entry to the next older one of its bucket.
    older: Box<[AtomicU32]>,
    /// Links to the newest entry of each bucket.
    newest: Box<[AtomicU32]>,
    /// The bits of a link that are the entry's place plus one, so that zeroed
    /// memory leads nowhere. The rest are the lowest of the id's in their place.
    place: u32,
    /// Entries ever inserted.
    inserted: AtomicU64,
    /// When (Unix nanoseconds) every so many entries came: one note more than
    /// the window spans, so that the oldest stands while the next one is made.
    notes: Box<[AtomicU64]>,
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
            place: u32::MAX >> (ids as u32).leading_zeros(),
            inserted: AtomicU64::new(0),
            notes: zeroed_slice_box(NOTES as usize + 1),
        }
    }

    /// How many ids it reaches back over.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Enters a committed outcome; the oldest gives way. `at` is the time in
    /// nanoseconds since the Unix epoch. One thread only.
    pub fn insert(&self, id: u128, known: Known, at: u64) {
        let count = self.inserted.load(Ordering::Relaxed);
        let capacity = self.entries.len() as u64;
        let index = (count % capacity) as usize;
        let entry = &self.entries[index];
        entry.seq_status.store(0, Ordering::Relaxed);
        // Who sees one of the new words sees the zero (pairs with the Acquire
        // fence in `get`).
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
        let step = capacity.div_ceil(NOTES);
        if count.is_multiple_of(step) {
            self.note(count / step).store(at, Ordering::Relaxed);
        }
        // Before the link: who follows it reckons ages with this entry in.
        self.inserted.store(count + 1, Ordering::Release);
        // Publishes the entry (pairs with the Acquire load in `get`).
        bucket.store(self.tag(id) | (index as u32 + 1), Ordering::Release);
    }

    /// Has what a look-up of this id reads first brought into the cache.
    pub fn prefetch(&self, id: u128) {
        prefetch(&self.newest[self.bucket(id)]);
    }

    /// Looks an id up.
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
            let index = (link & self.place) as usize - 1;
            let age = self.age_at(index, newest as usize);
            if age < youngest {
                return None; // overwritten: the chain ends before it
            }
            youngest = age + 1;
            if link & !self.place == tag {
                let entry = &self.entries[index];
                let seen = entry.seq_status.load(Ordering::Acquire);
                let same = load(&entry.id) == id;
                let content = load(&entry.content);
                // Pairs with the Release fence in `insert`.
                fence(Ordering::Acquire);
                if seen == 0 || entry.seq_status.load(Ordering::Relaxed) != seen {
                    return None; // overwritten this very moment
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
            // Relaxed: what an older entry holds was there before the bucket's
            // link was, and who finds another's by a stale link reads its
            // sequence first.
            link = self.older[index].load(Ordering::Relaxed);
        }
        None
    }

    /// How long ago the oldest outcome in the window was committed; `None`
    /// while it is not full yet: then it reaches back to the start.
    pub fn age(&self) -> Option<Duration> {
        let capacity = self.entries.len() as u64;
        let step = capacity.div_ceil(NOTES);
        // Pairs with the Release store in `insert`: the notes are there.
        let mut inserted = self.inserted.load(Ordering::Acquire);
        loop {
            let oldest = inserted.checked_sub(capacity)?;
            // The next note at or after the oldest entry: at most as old as it.
            let note = oldest.div_ceil(step);
            let then = self.note(note).load(Ordering::Relaxed);
            // Who read a newer note sees the number that it was made at, or a
            // later one (pairs with the Release fence in `insert`).
            fence(Ordering::Acquire);
            inserted = self.inserted.load(Ordering::Acquire);
            if inserted < (note + self.notes.len() as u64) * step {
                let ago = clock::unix_nanos().saturating_sub(then);
                return Some(Duration::from_nanos(ago));
            }
            // Overtaken: by a step at least, so this is rare.
        }
    }

    /// The place of this note, counted from the first ever made.
    fn note(&self, number: u64) -> &AtomicU64 {
        &self.notes[(number % self.notes.len() as u64) as usize]
    }

    /// How many entries are newer than the one at `index`, where the newest of
    /// all stands at `newest`.
    fn age_at(&self, index: usize, newest: usize) -> usize {
        if index <= newest {
            newest - index
        } else {
            newest + self.entries.len() - index
        }
    }

    /// What a link to an entry with this id carries beside its place.
    fn tag(&self, id: u128) -> u32 {
        id as u32 & !self.place
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn hash(n: u64) -> u128 {
        // Spread over the buckets, each id another.
        u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(n)
    }

    fn known(seq: u64) -> Known {
        let status = if seq.is_multiple_of(3) {
            Status::Failed
        } else {
            Status::Processed
        };
        Known {
            seq,
            status,
            content: hash(seq ^ 0xabcd),
        }
    }

    #[test]
    fn holds_exactly_the_last_n() {
        for capacity in [1, 2, 3, 7, 1000] {
            let window = Window::new(capacity);
            for seq in 1..=capacity as u64 * 3 + 1 {
                assert_eq!(window.get(hash(seq)), None);
                window.insert(hash(seq), known(seq), 0);
                let first = seq.saturating_sub(capacity as u64 - 1).max(1);
                for there in first..=seq {
                    assert_eq!(window.get(hash(there)), Some(known(there)));
                }
                if first > 1 {
                    assert_eq!(window.get(hash(first - 1)), None, "expired");
                }
            }
        }
    }

    #[test]
    fn an_id_that_comes_again_shows_its_newest_outcome() {
        let window = Window::new(4);
        window.insert(hash(1), known(1), 0);
        for seq in 2..=5 {
            window.insert(hash(seq), known(seq), 0);
        }
        window.insert(hash(1), known(6), 0);
        assert_eq!(window.get(hash(1)), Some(known(6)));
    }

    #[test]
    fn one_bucket_for_all_is_slow_but_right() {
        // With links that tell the ids apart, and with links that don't.
        for id in [|seq: u64| u128::from(seq), |seq| u128::from(seq) << 32] {
            let window = Window::new(50);
            for seq in 1..=200 {
                window.insert(id(seq), known(seq), 0); // high half 0
            }
            assert!((151..=200).all(|n| window.get(id(n)) == Some(known(n))));
            assert!((1..=150_u64).all(|n| window.get(id(n)).is_none()));
        }
    }

    #[test]
    fn the_age_is_that_of_the_oldest() {
        let window = Window::new(4096);
        let now = clock::unix_nanos();
        let second = 1_000_000_000;
        for n in 0..4096 {
            assert_eq!(window.age(), None);
            window.insert(hash(n), known(n + 1), now - 100 * second);
        }
        assert!((99..160).contains(&window.age().unwrap().as_secs()));
        for n in 0..4096 {
            window.insert(hash(n), known(n + 5000), now);
        }
        assert!(window.age().unwrap().as_secs() < 60);
    }

    /// Beside the writer, whose next note must not be taken for the oldest.
    #[test]
    fn the_age_is_never_that_of_the_newest() {
        const SECOND: u64 = 1_000_000_000;
        let total: u64 = if cfg!(miri) { 3_000 } else { 500_000 };
        let window = Window::new(NOTES as usize);
        let start = clock::unix_nanos() - total * SECOND;
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 0..total {
                    window.insert(hash(n), known(n + 1), start + n * SECOND);
                }
            });
            while !writer.is_finished() {
                let Some(age) = window.age() else { continue };
                let newest = window.inserted.load(Ordering::Acquire);
                let oldest = total - (newest - NOTES);
                assert!(age.as_secs() >= oldest, "{age:?}, and not {oldest} s");
            }
        });
    }

    #[test]
    fn takes_48_bytes_an_id() {
        let window = Window::new(100_000);
        let bytes = size_of_val(&*window.entries)
            + size_of_val(&*window.older)
            + size_of_val(&*window.newest);
        assert!(bytes <= 48 * 100_000, "{bytes}");
    }

    /// Readers beside the writer: what they find is whole and true, and what
    /// is surely in the window is found.
    #[test]
    fn readers_never_see_half_an_entry() {
        const CAPACITY: u64 = 512;
        let total: u64 = if cfg!(miri) { 2_000 } else { 500_000 };
        let window = Window::new(CAPACITY as usize);
        let done = AtomicBool::new(false);
        let entered = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for reader in 0..2_u64 {
                let (window, done, entered) = (&window, &done, &entered);
                scope.spawn(move || {
                    let (mut turn, mut hits) = (reader, 0_u64);
                    while !done.load(Ordering::Relaxed) || hits == 0 {
                        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let newest = entered.load(Ordering::Acquire);
                        let seq = newest
                            .saturating_sub(turn >> 33 & (CAPACITY * 2 - 1))
                            .max(1);
                        let found = window.get(hash(seq));
                        if let Some(found) = found {
                            assert_eq!(found, known(seq));
                            hits += 1;
                        }
                        // Not overwritten by the time the look-up had ended?
                        // Two may be seen that `entered` doesn't tell of yet: one,
                        // and the zero of the next, which nothing keeps behind
                        // the number of the first.
                        let after = entered.load(Ordering::Acquire);
                        if seq <= newest && seq + CAPACITY > after + 2 {
                            assert!(found.is_some(), "{seq} at {newest}..{after}");
                        }
                    }
                });
            }
            for seq in 1..=total {
                window.insert(hash(seq), known(seq), 0);
                entered.store(seq, Ordering::Release);
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
