//! Acknowledging an order as queued, and the end of acknowledgements in a
//! drain.

use std::sync::Arc;

use crate::dedupe::claims::claim::Claim;
use crate::dedupe::claims::registry::Claims;
use crate::dedupe::claims::table::{ACKED, GENERATION_SHIFT, SEALED, WITHDRAWN, phase};
use crate::sync::primitive::Ordering;

impl<W> Claims<W> {
    /// Records that the order is acknowledged as queued. `false` if it has
    /// ended: the submitter gets its answer instead.
    ///
    /// The flag is in the word that a withdrawal replaces, so that one of the
    /// two comes first: either the end of the claim sees the flag, or the
    /// acknowledgement fails.
    pub fn ack_queued(&self, claim: Claim) -> bool {
        let acked = self.table.update(claim, |state| {
            let live = matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING);
            (live && state & SEALED == 0).then_some(state | ACKED)
        });
        // SeqCst, with `seal`, which may have passed this slot before. Should
        // it come after, one too many is counted as acknowledged.
        acked && !self.sealed.load(Ordering::SeqCst)
    }

    /// [`queued`](Self::queued) and [`ack_queued`](Self::ack_queued) in one
    /// step, for an order that nobody waits for. `false` if it has ended, or may
    /// not be acknowledged any more; it is in the queue all the same.
    pub(crate) fn queued_acked(&self, claim: Claim) -> bool {
        let acked = self.table.update(claim, |state| match state & phase::MASK {
            phase::CLAIMING => Some((state & !phase::MASK) | phase::QUEUED | ACKED),
            // A worker was faster.
            phase::QUEUED | phase::COMMITTING if state & SEALED == 0 => Some(state | ACKED),
            _ => None,
        });
        // As in `ack_queued`.
        acked && !self.sealed.load(Ordering::SeqCst)
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

    /// Ends a drain: withdraws every order that is not in a batch, and counts
    /// the acknowledged ones among them. The [others](Self::sealed_acked), and
    /// any order that is claimed from now on, are not acknowledged any more. To
    /// be called after admission has closed. Returns the waiters to answer.
    pub fn seal(&self) -> (usize, Vec<Arc<W>>) {
        let mut acked = 0;
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
                acked += usize::from(before & ACKED != 0);
                waiters.append(&mut self.release(claim, WITHDRAWN).waiters);
            }
        }
        (acked, waiters)
    }

    /// How many acknowledged orders have not ended yet, of those that
    /// [`seal`](Self::seal) left in a batch.
    pub fn sealed_acked(&self) -> usize {
        // SeqCst, with the store in `seal`: nothing is sealed before.
        if !self.sealed.load(Ordering::SeqCst) {
            return 0;
        }
        let left = self.table.states().filter(|state| {
            // Acquire: pairs with the release of one that has ended, whose
            // order has its outcome or is pending.
            let state = state.load(Ordering::Acquire);
            state & phase::MASK != phase::FREE && state & SEALED != 0 && state & ACKED != 0
        });
        left.count()
    }
}
