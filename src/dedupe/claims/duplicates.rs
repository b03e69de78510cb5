//! Duplicates that wait for an order in flight.

use std::sync::{Arc, Mutex, MutexGuard};

use crossbeam_utils::CachePadded;

use crate::dedupe::claims::claim::Claim;

/// Lists of waiters, chosen by the claim's slot.
const SHARDS: usize = 64;
/// The least length at which a list is swept.
pub(crate) const SWEEP_MIN: usize = 64;

/// The locks are taken only when an id is submitted twice at a time, never on an
/// order's own way, and never held across a park.
pub(crate) struct Duplicates<W> {
    shards: Box<[CachePadded<Mutex<Shard<W>>>]>,
}

pub(crate) struct Shard<W> {
    waiting: Vec<(Claim, Arc<W>)>,
    /// At this length those that have stopped waiting are removed.
    sweep_at: usize,
}

impl<W> Duplicates<W> {
    pub(crate) fn new() -> Self {
        let shard = || Shard {
            waiting: Vec::new(),
            sweep_at: 0,
        };
        Self {
            shards: (0..SHARDS)
                .map(|_| CachePadded::new(Mutex::new(shard())))
                .collect(),
        }
    }

    pub(crate) fn shard(&self, claim: Claim) -> MutexGuard<'_, Shard<W>> {
        self.shards[claim.slot as usize % SHARDS]
            .lock()
            .expect("a panic ends the process")
    }
}

impl<W> Shard<W> {
    pub(crate) fn push(&mut self, claim: Claim, waiter: Arc<W>) {
        if self.waiting.len() >= self.sweep_at.max(SWEEP_MIN) {
            // A waiter that has stopped waiting has dropped its reference. At
            // each doubling, so that a waiter costs the same however many wait.
            self.waiting.retain(|(_, one)| Arc::strong_count(one) > 1);
            self.sweep_at = 2 * self.waiting.len();
        }
        self.waiting.push((claim, waiter));
    }

    /// Takes the waiters of a claim.
    pub(crate) fn take(&mut self, claim: Claim) -> Vec<Arc<W>> {
        let ours = self.waiting.extract_if(.., |(other, _)| *other == claim);
        ours.map(|(_, waiter)| waiter).collect()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
