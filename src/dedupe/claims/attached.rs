//! Duplicates that wait for an order in flight.

use std::sync::{Arc, MutexGuard, PoisonError};

use crate::dedupe::claims::table::{ATTACHED, phase};
use crate::dedupe::claims::{Claim, Claims};
use crate::pipeline::answer::Waiter;

/// Lists of waiters for orders that were submitted twice while in flight.
pub(crate) const SHARDS: usize = 64;

/// Those who wait for the orders of a shard.
#[derive(Default)]
pub(crate) struct Attached {
    pub(crate) list: Vec<(Claim, Arc<Waiter>)>,
    /// At this length those who have stopped waiting are taken out.
    sweep_at: usize,
}

/// The least length at which a list is swept.
pub(crate) const SWEEP_MIN: usize = 64;

impl Claims {
    /// Lets a duplicate wait for the order that has the claim. `false` if that
    /// order has ended: look again.
    pub fn attach(&self, claim: Claim, waiter: &Arc<Waiter>) -> bool {
        let mut list = self.list(claim);
        // Under the lock: who ends the claim and sees the flag takes the lock
        // after us and finds the waiter.
        let attached = self.update(claim, |state| {
            matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING)
                .then_some(state | ATTACHED)
        });
        if attached {
            if list.list.len() >= list.sweep_at.max(SWEEP_MIN) {
                // Who has stopped waiting has dropped its reference. At each
                // doubling, so that a waiter costs the same however many wait.
                list.list.retain(|(_, one)| Arc::strong_count(one) > 1);
                list.sweep_at = 2 * list.list.len();
            }
            list.list.push((claim, waiter.clone()));
        }
        attached
    }

    pub(crate) fn list(&self, claim: Claim) -> MutexGuard<'_, Attached> {
        self.attached[claim.slot as usize % SHARDS]
            .lock()
            // A push or retain that panicked leaves a list that is still one.
            .unwrap_or_else(PoisonError::into_inner)
    }
}
