//! Acknowledging an order as queued, and the end of acknowledgements in a
//! drain.

use std::sync::Arc;

use crate::dedupe::claims::claim::Claim;
use crate::dedupe::claims::registry::Claims;
use crate::dedupe::claims::table::{
    ACKED, GENERATION_SHIFT, SAVED, SEALED, WANTED, WITHDRAWN, phase,
};
use crate::sync::primitive::Ordering;

impl<W> Claims<W> {
    /// Records that the order is acknowledged as queued. `false` if it has
    /// ended: the submitter gets its answer instead. `false`, too, while
    /// acknowledgements are [deferred](Self::defer_acks) and the order is not
    /// saved: ask again soon.
    ///
    /// The flag is in the word that a withdrawal replaces, so that one of the
    /// two comes first: either the end of the claim sees the flag, or the
    /// acknowledgement fails.
    pub fn ack_queued(&self, claim: Claim) -> bool {
        let deferred = self.deferred.load(Ordering::Relaxed);
        let before = self.table.change(claim, |state| {
            let live = matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING);
            (live && state & SEALED == 0).then_some(state | Self::flag(deferred, state))
        });
        let acked = before.is_some_and(|state| Self::flag(deferred, state) == ACKED);
        // SeqCst, with `seal`, which may have passed this slot before. Should
        // it come after, one too many is counted as acknowledged.
        acked && !self.sealed.load(Ordering::SeqCst) && !self.deferred_since(deferred)
    }

    /// [`queued`](Self::queued) and [`ack_queued`](Self::ack_queued) in one
    /// step, for an order that nobody waits for. `false` if it has ended, or may
    /// not be acknowledged any more, or not yet; it is in the queue all the
    /// same.
    pub(crate) fn queued_acked(&self, claim: Claim) -> bool {
        let deferred = self.deferred.load(Ordering::Relaxed);
        let flag = Self::flag(deferred, 0);
        let changed = self.table.update(claim, |state| match state & phase::MASK {
            phase::CLAIMING => Some((state & !phase::MASK) | phase::QUEUED | flag),
            // A worker was faster.
            phase::QUEUED | phase::COMMITTING if state & SEALED == 0 => Some(state | flag),
            _ => None,
        });
        let acked = changed && flag == ACKED;
        // As in `ack_queued`.
        acked && !self.sealed.load(Ordering::SeqCst) && !self.deferred_since(deferred)
    }

    /// What an order in this state gets that is to be acknowledged.
    fn flag(deferred: bool, state: u64) -> u64 {
        if deferred && state & SAVED == 0 {
            WANTED
        } else {
            ACKED
        }
    }

    /// Whether acknowledgements were deferred after this was read, and an order
    /// may have got its flag behind the first look for acknowledged orders.
    fn deferred_since(&self, deferred: bool) -> bool {
        // SeqCst: either this sees the store in `defer_acks`, or
        // `acked_or_wanted` sees the flag.
        !deferred && self.deferred.load(Ordering::SeqCst)
    }

    /// From now on an order that waits can be acknowledged only once it is
    /// [saved](Self::set_saved).
    pub(crate) fn defer_acks(&self) {
        self.deferred.store(true, Ordering::SeqCst);
    }

    /// The order is on disk: it may be acknowledged, if it is there still.
    pub(crate) fn set_saved(&self, claim: Claim) {
        self.table.update(claim, |state| {
            matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING)
                .then_some(state | SAVED)
        });
    }

    /// Whether an order without an outcome is acknowledged, or is to be.
    pub(crate) fn is_acked_or_wanted(&self, claim: Claim) -> bool {
        let state = self.table.state(claim).load(Ordering::Acquire);
        state & phase::MASK != phase::FREE
            && state & (ACKED | WANTED) != 0
            && (state >> GENERATION_SHIFT) as u32 == claim.generation
    }

    /// The orders without an outcome that are acknowledged, or are to be, and
    /// are not in a batch.
    pub(crate) fn acked_or_wanted(&self) -> impl Iterator<Item = Claim> {
        self.table.states().zip(0..).filter_map(|(state, slot)| {
            // SeqCst, with `deferred_since`.
            let state = state.load(Ordering::SeqCst);
            let flagged = state & (ACKED | WANTED) != 0;
            (state & phase::MASK == phase::QUEUED && flagged).then_some(Claim {
                slot,
                generation: (state >> GENERATION_SHIFT) as u32,
            })
        })
    }

    /// Whether the claim ended without an outcome. Known until the slot is
    /// taken again, so ask only once admission has closed.
    pub fn was_withdrawn(&self, claim: Claim) -> bool {
        let state = self.table.state(claim).load(Ordering::Acquire);
        state & (phase::MASK | WITHDRAWN) == phase::FREE | WITHDRAWN
            && (state >> GENERATION_SHIFT) as u32 == claim.generation
    }

    /// Whether the process ends while the ledger has the order or may get it.
    pub fn was_sealed(&self, claim: Claim) -> bool {
        let state = self.table.state(claim).load(Ordering::Acquire);
        state & phase::MASK != phase::FREE
            && (state & SEALED != 0 || self.sealed.load(Ordering::SeqCst))
            && (state >> GENERATION_SHIFT) as u32 == claim.generation
    }

    /// Ends a drain: withdraws every order that is not in a batch, and returns
    /// the acknowledged ones among them. The [others](Self::sealed_acked), and
    /// any order that is claimed from now on, are not acknowledged any more. To
    /// be called after admission has closed. Returns the waiters to answer.
    pub fn seal(&self) -> (Vec<Claim>, Vec<Arc<W>>) {
        let mut acked = Vec::new();
        let mut waiters = Vec::new();
        // SeqCst, with `ack_queued`: an acknowledgement either sees this, or
        // has set its flag before the load below.
        self.sealed.store(true, Ordering::SeqCst);
        for (state, slot) in self.table.states().zip(0..) {
            let seen = state.load(Ordering::SeqCst);
            let claim = Claim {
                slot,
                generation: (seen >> GENERATION_SHIFT) as u32,
            };
            // In one step, whatever it is by then: it may go from the queue
            // into a batch, or come back, at this very moment.
            let before = self.table.change(claim, |state| match state & phase::MASK {
                phase::QUEUED | phase::CLAIMING => Some((state & !phase::MASK) | phase::RESERVED),
                phase::COMMITTING => Some(state | SEALED),
                _ => None,
            });
            let Some(before) = before else { continue }; // it has ended
            if before & phase::MASK != phase::COMMITTING {
                if before & ACKED != 0 {
                    acked.push(claim);
                }
                waiters.append(&mut self.release(claim, WITHDRAWN).waiters);
            }
        }
        (acked, waiters)
    }

    /// The acknowledged orders that have not ended yet, of those that
    /// [`seal`](Self::seal) left in a batch.
    pub fn sealed_acked(&self) -> Vec<Claim> {
        // SeqCst, with the store in `seal`: nothing is sealed before.
        if !self.sealed.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let left = self.table.states().zip(0..).filter_map(|(state, slot)| {
            // Acquire: pairs with the release of one that has ended, whose
            // order has its outcome or is pending.
            let state = state.load(Ordering::Acquire);
            let left = state & phase::MASK != phase::FREE && state & SEALED != 0;
            (left && state & ACKED != 0).then_some(Claim {
                slot,
                generation: (state >> GENERATION_SHIFT) as u32,
            })
        });
        left.collect()
    }
}
