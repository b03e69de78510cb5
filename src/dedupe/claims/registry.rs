//! Claiming an id, and the life of a claim until it ends.

use std::sync::Arc;

use crate::dedupe::claims::claim::{Claim, Claimed, Ended, Unacked};
use crate::dedupe::claims::duplicates::Duplicates;
use crate::dedupe::claims::table::{ACKED, ATTACHED, GENERATION_SHIFT, Table, WITHDRAWN, phase};
use crate::sync::primitive::{AtomicBool, Ordering, fence};

/// How often a claimer that met another claimer of the same id tries again.
const ATTEMPTS: usize = if cfg!(orders_loom) { 2 } else { 8 };

/// Any thread may claim; the holder of a claim ends it.
pub struct Claims<W> {
    pub(crate) table: Table,
    duplicates: Duplicates<W>,
    /// No order is acknowledged as queued any more: set by `seal`, for the
    /// slots that it finds free.
    pub(crate) sealed: AtomicBool,
    /// An order is acknowledged as queued only once it is on disk: set by a
    /// drain that writes them there.
    pub(crate) deferred: AtomicBool,
}

impl<W> Claims<W> {
    /// A table for `in_flight` orders at a time.
    pub fn new(in_flight: usize) -> Self {
        Self {
            table: Table::new(in_flight),
            duplicates: Duplicates::new(),
            sealed: AtomicBool::new(false),
            deferred: AtomicBool::new(false),
        }
    }

    /// Has what a claim of this id reads and writes brought into the cache.
    pub(crate) fn prefetch(&self, id: u128) {
        self.table.prefetch(id);
    }

    /// Has what a change of this claim writes brought into the cache.
    pub(crate) fn prefetch_change(&self, claim: Claim) {
        self.table.prefetch_state(claim);
    }

    /// Tries to claim `id` (keyed hashes of id and content).
    ///
    /// On [`Claimed::Mine`] the claim is in the phase *claiming*: the caller
    /// must go on to [`queued`](Self::queued) or [`withdraw`](Self::withdraw).
    pub fn claim(&self, id: u128, content: u128) -> Claimed {
        for _ in 0..ATTEMPTS {
            match self.table.find(id, None) {
                Some((claim, phase::QUEUED | phase::COMMITTING)) => {
                    if let Some(same) = self.table.same_content(claim, content) {
                        return Claimed::InFlight { claim, same };
                    }
                    continue; // it ended meanwhile
                }
                Some(_) => return Claimed::Busy,
                None => {}
            }
            let Some(claim) = self.table.reserve(id, content) else {
                return Claimed::Full;
            };
            // Pairs with the same fence of another claimer: one sees the other.
            fence(Ordering::SeqCst);
            match self.table.find(id, Some(claim)) {
                None => return Claimed::Mine(claim),
                // Not `release`: a seal may have ended it, and another claim
                // may have the slot by now.
                Some(_) => drop(self.withdraw(claim)),
            }
        }
        Claimed::Busy
    }

    /// Looks up an order in flight.
    pub fn contains(&self, id: u128) -> bool {
        matches!(
            self.table.find(id, None),
            Some((_, phase::QUEUED | phase::COMMITTING))
        )
    }

    /// The order is in the queue: others may wait for it. `false` if it is past
    /// that already: in a batch, or ended.
    pub fn queued(&self, claim: Claim) -> bool {
        self.table.advance(claim, phase::CLAIMING, phase::QUEUED)
    }

    /// Takes a queued order into a batch: from here on only the ledger decides.
    /// `false` if it was withdrawn meanwhile and must not be committed.
    pub fn begin_commit(&self, claim: Claim) -> bool {
        self.table.update(claim, |state| {
            // Claiming: the thread that pushed it has not called `queued` yet.
            matches!(state & phase::MASK, phase::QUEUED | phase::CLAIMING)
                .then_some((state & !phase::MASK) | phase::COMMITTING)
        })
    }

    /// Takes an order out of a batch that the ledger has given back.
    pub fn take_back(&self, claim: Claim) -> bool {
        self.table.advance(claim, phase::COMMITTING, phase::QUEUED)
    }

    /// Withdraws an order that is not in a batch yet. `None` if it is, or has
    /// ended. It also decides whether the order is acknowledged: from now on it
    /// can't be.
    pub fn withdraw(&self, claim: Claim) -> Option<Ended<W>> {
        // RESERVED keeps the slot from being taken while it is freed.
        self.table
            .update(claim, |state| {
                matches!(state & phase::MASK, phase::QUEUED | phase::CLAIMING)
                    .then_some((state & !phase::MASK) | phase::RESERVED)
            })
            .then(|| self.release(claim, WITHDRAWN))
    }

    /// The same, unless the order is acknowledged as queued: then it keeps its
    /// claim.
    pub fn withdraw_unacked(&self, claim: Claim) -> Unacked<W> {
        let mut acked = false;
        let withdrawn = self.table.update(claim, |state| {
            acked = state & ACKED != 0;
            let live = matches!(state & phase::MASK, phase::QUEUED | phase::CLAIMING);
            (live && !acked).then_some((state & !phase::MASK) | phase::RESERVED)
        });
        match (withdrawn, acked) {
            (true, _) => Unacked::Withdrawn(self.release(claim, WITHDRAWN)),
            (false, true) => Unacked::Acknowledged,
            (false, false) => Unacked::Ended,
        }
    }

    /// Ends a claim whose order has its outcome in the window, or is in doubt.
    pub fn finish(&self, claim: Claim) -> Ended<W> {
        self.release(claim, 0)
    }

    /// Lets a duplicate wait for the order that has the claim. `false` if that
    /// order has ended: claim again.
    pub fn attach(&self, claim: Claim, waiter: &Arc<W>) -> bool {
        let mut shard = self.duplicates.shard(claim);
        // Under the lock: a thread that ends the claim and sees the flag takes
        // the lock after us and finds the waiter.
        let attached = self.table.update(claim, |state| {
            matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING)
                .then_some(state | ATTACHED)
        });
        if attached {
            shard.push(claim, waiter.clone());
        }
        attached
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self, claim: Claim) -> usize {
        self.duplicates.shard(claim).len()
    }

    /// Frees a slot that only the caller can end, and takes its waiters.
    pub(crate) fn release(&self, claim: Claim, withdrawn: u64) -> Ended<W> {
        let generation = u64::from(claim.generation) << GENERATION_SHIFT;
        // Release: what was done under the claim (the window's entry) is seen
        // by the thread that finds it free. Acquire: the flags.
        let before = self
            .table
            .state(claim)
            .swap(generation | withdrawn | phase::FREE, Ordering::AcqRel);
        debug_assert_eq!(before >> GENERATION_SHIFT, generation >> GENERATION_SHIFT);
        Ended {
            acked: before & ACKED != 0,
            waiters: if before & ATTACHED != 0 {
                self.duplicates.shard(claim).take(claim)
            } else {
                Vec::new()
            },
        }
    }
}
