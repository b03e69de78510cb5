//! The age of the oldest entry of a ring, known to a 1024th of its length.

use std::time::Duration;

use crate::clock;
use crate::sync::primitive::{AtomicU64, Ordering, fence, zeroed_slice_box};

/// Timestamps over the length of the ring.
pub(super) const TIMESTAMPS: u64 = if cfg!(orders_loom) { 2 } else { 1024 };

/// Written by the thread that inserts into the ring, read by any thread.
pub(super) struct Ages {
    capacity: u64,
    /// Entries between two timestamps.
    step: u64,
    /// Unix nanoseconds, one more than the ring spans, so that the oldest one
    /// is still there while the next one is written.
    timestamps: Box<[AtomicU64]>,
}

impl Ages {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            step: capacity.div_ceil(TIMESTAMPS),
            timestamps: zeroed_slice_box(TIMESTAMPS as usize + 1),
        }
    }

    /// Records that entry number `count` (from 0) was inserted at `at`. Before
    /// the caller increments its count, with Release.
    pub(super) fn record(&self, count: u64, at: u64) {
        if count.is_multiple_of(self.step) {
            self.timestamp(count / self.step)
                .store(at, Ordering::Relaxed);
        }
    }

    /// The age of the oldest of `inserted` entries; `None` while the ring is
    /// not full.
    pub(super) fn oldest(&self, inserted: &AtomicU64) -> Option<Duration> {
        let then = self.oldest_timestamp(inserted)?;
        let ago = clock::unix_nanos().saturating_sub(then);
        Some(Duration::from_nanos(ago))
    }

    pub(super) fn oldest_timestamp(&self, inserted: &AtomicU64) -> Option<u64> {
        // Pairs with the Release store of the count: the timestamps are there.
        let mut count = inserted.load(Ordering::Acquire);
        loop {
            let oldest = count.checked_sub(self.capacity)?;
            // The next timestamp at or after the oldest entry.
            let number = oldest.div_ceil(self.step);
            let then = self.timestamp(number).load(Ordering::Relaxed);
            // A reader that read a newer timestamp sees the count that it was
            // written at, or a later one (pairs with the Release fence that the
            // writer passes before the timestamp).
            fence(Ordering::Acquire);
            count = inserted.load(Ordering::Acquire);
            if count < (number + self.timestamps.len() as u64) * self.step {
                return Some(then);
            }
            // Overtaken: by a step at least, so this is rare.
        }
    }

    fn timestamp(&self, number: u64) -> &AtomicU64 {
        &self.timestamps[(number % self.timestamps.len() as u64) as usize]
    }
}
