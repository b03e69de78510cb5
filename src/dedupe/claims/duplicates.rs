//! Duplicates that wait for an order in flight: a list for each claim that has
//! any.
//!
//! Waiting costs the same however many wait, and so does ending a claim, apart
//! from its own waiters. A waiter that has stopped waiting has dropped its
//! reference; each new one looks at two of its list, in turn, and drops those.
//! A list is thus at most twice as long as it needs to be: while half as many
//! are added as there are, all have been looked at.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::dedupe::claims::claim::Claim;
use crate::dedupe::claims::table::WAYS;
use crate::sync::primitive::{Mutex, MutexGuard};

/// Locks, chosen by the claim's bucket, which is as good as random.
const SHARDS: usize = if cfg!(orders_loom) { 1 } else { 64 };
/// Waiters looked at for each that is added.
const LOOK_AT: usize = 2;

/// The locks are taken only when an id is submitted twice at a time, never on
/// an order's own way, and never held across a park.
pub(crate) struct Duplicates<W> {
    shards: Box<[CachePadded<Mutex<Shard<W>>>]>,
}

/// Bounded by the claims in flight and those who wait for them.
pub(crate) struct Shard<W> {
    lists: HashMap<Claim, Waiters<W>>,
}

struct Waiters<W> {
    waiting: Vec<Arc<W>>,
    /// The next one to look at.
    turn: usize,
}

impl<W> Duplicates<W> {
    pub(crate) fn new() -> Self {
        let shard = || Shard {
            lists: HashMap::new(),
        };
        Self {
            shards: (0..SHARDS)
                .map(|_| CachePadded::new(Mutex::new(shard())))
                .collect(),
        }
    }

    pub(crate) fn shard(&self, claim: Claim) -> MutexGuard<'_, Shard<W>> {
        self.shards[claim.slot as usize / WAYS % SHARDS]
            .lock()
            .expect("a panic ends the process")
    }
}

impl<W> Shard<W> {
    pub(crate) fn push(&mut self, claim: Claim, waiter: Arc<W>) {
        let list = self.lists.entry(claim).or_insert_with(|| Waiters {
            waiting: Vec::new(),
            turn: 0,
        });
        list.sweep_some();
        list.waiting.push(waiter);
    }

    /// Takes the waiters of a claim.
    pub(crate) fn take(&mut self, claim: Claim) -> Vec<Arc<W>> {
        let list = self.lists.remove(&claim);
        list.map(|list| list.waiting).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lists.values().map(|list| list.waiting.len()).sum()
    }
}

impl<W> Waiters<W> {
    fn sweep_some(&mut self) {
        for _ in 0..LOOK_AT {
            if self.turn >= self.waiting.len() {
                self.turn = 0;
            }
            match self.waiting.get(self.turn) {
                Some(waiter) if Arc::strong_count(waiter) == 1 => {
                    self.waiting.swap_remove(self.turn);
                }
                _ => self.turn += 1,
            }
        }
    }
}
