//! Who was told "queued": noted in the claim, and at the end of a drain counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::dedupe::claims::table::{ACKED, GENERATION_SHIFT, SEALED, WITHDRAWN, phase};
use crate::dedupe::claims::{Claim, Claims};
use crate::pipeline::answer::Waiter;

impl Claims {
    /// Notes that somebody is being told "queued". `false` if the order has
    /// ended: then its outcome is there to be told instead.
    ///
    /// The note stands in the word that a withdrawal replaces, so that of the
    /// two one comes first: whoever is told is known to who ends the claim,
    /// and whoever comes too late is not told.
    pub fn ack_queued(&self, claim: Claim) -> bool {
        let noted = self.update(claim, |state| {
            let live = matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING);
            (live && state & SEALED == 0).then_some(state | ACKED)
        });
        // SeqCst, with `seal`, which may have been past this slot before. Should
        // it have come behind, one too many is counted as told.
        noted && !self.sealed.load(Ordering::SeqCst)
    }

    /// Whether the claim ended without an outcome. Known until the slot is
    /// taken again, so ask only once admission has closed.
    pub fn was_withdrawn(&self, claim: Claim) -> bool {
        let state = self.state(claim).load(Ordering::Acquire);
        state & (phase::MASK | WITHDRAWN) == phase::FREE | WITHDRAWN
            && (state >> GENERATION_SHIFT) as u32 == claim.generation
    }

    /// Whether the process ends while the ledger has the order, or may come to
    /// have it.
    pub fn was_sealed(&self, claim: Claim) -> bool {
        let state = self.state(claim).load(Ordering::Acquire);
        state & phase::MASK != phase::FREE
            && (state & SEALED != 0 || self.sealed.load(Ordering::SeqCst))
            && (state >> GENERATION_SHIFT) as u32 == claim.generation
    }

    /// Gives up what is left at the end of a drain: withdraws every order that
    /// is not in a batch, and counts those of them that somebody was told were
    /// queued; of the [others](Self::sealed_acked), and of any that is claimed
    /// from now on, nobody is told any more. After admission has closed. The
    /// waiters are returned, to be told.
    pub fn seal(&self) -> (usize, Vec<Arc<Waiter>>) {
        let mut told = 0;
        let mut waiters = Vec::new();
        // SeqCst, with `ack_queued`: who is told either sees this, or has noted
        // it before the look below.
        self.sealed.store(true, Ordering::SeqCst);
        for (state, slot) in self.buckets.iter().flat_map(|b| &b.states).zip(0..) {
            let seen = state.load(Ordering::SeqCst);
            let claim = Claim {
                slot,
                generation: (seen >> GENERATION_SHIFT) as u32,
            };
            // In one step, whatever it is by then: it may go from the queue into
            // a batch, or come back, at this very moment.
            let before = self.change(claim, |state| match state & phase::MASK {
                phase::QUEUED | phase::CLAIMING => Some((state & !phase::MASK) | phase::RESERVED),
                phase::COMMITTING => Some(state | SEALED),
                _ => None,
            });
            let Some(before) = before else { continue }; // it has ended
            if before & phase::MASK != phase::COMMITTING {
                told += usize::from(before & ACKED != 0);
                waiters.append(&mut self.release(claim, WITHDRAWN).waiters);
            }
        }
        (told, waiters)
    }

    /// How many that somebody was told were queued have no end yet, of those
    /// that [`seal`](Self::seal) left in a batch.
    pub fn sealed_acked(&self) -> usize {
        // SeqCst, with the store in `seal`: nothing to look for before.
        if !self.sealed.load(Ordering::SeqCst) {
            return 0;
        }
        let states = self.buckets.iter().flat_map(|bucket| &bucket.states);
        let left = states.filter(|state| {
            // Acquire: pairs with the release of one that has ended, whose order
            // has its outcome, or is promised to the next process.
            let state = state.load(Ordering::Acquire);
            state & phase::MASK != phase::FREE && state & SEALED != 0 && state & ACKED != 0
        });
        left.count()
    }
}
