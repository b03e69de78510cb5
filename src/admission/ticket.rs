//! What a submitter holds while its order is in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dedupe::claims::Claim;
use crate::pipeline::Pipeline;
use crate::pipeline::answer::{Answer, Waiter, Withdrawal};

/// It does not hold the order, which is dropped with its outcome, however long
/// the submitter keeps the ticket.
pub struct Ticket {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) claim: Claim,
    pub(super) waiter: Arc<Waiter>,
    /// It waits for another submission's order.
    pub(super) duplicate: bool,
    /// The submitter has stopped waiting, and the order can't be acknowledged as
    /// queued.
    pub(super) given_up: AtomicBool,
}

impl Ticket {
    /// The answer, once there is one. There always is one when the drain is
    /// over.
    pub fn answer(&self) -> Option<Answer> {
        let answer = self.waiter.get().cloned();
        if answer.is_none() && self.given_up.load(Ordering::Relaxed) {
            return Some(Answer::Withdrawn(Withdrawal::Unconfirmed));
        }
        // At the drain deadline an order may still be with a worker that is not
        // waited for; no thread will answer that it was withdrawn.
        if answer.is_none() && self.pipeline.is_force_draining() {
            let claims = &self.pipeline.claims;
            let why = if claims.was_withdrawn(self.claim) {
                Withdrawal::Drain
            } else if claims.was_sealed(self.claim) {
                Withdrawal::Ledger
            } else {
                return None;
            };
            return Some(Answer::Withdrawn(why));
        }
        answer
    }

    /// Whether this is a duplicate that waits for another submission's order.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    #[cfg(test)]
    pub(crate) fn claim(&self) -> Claim {
        self.claim
    }

    /// Stops waiting because the order is acknowledged as queued. `false` if it
    /// has ended: then there is an answer, now or in a moment; or if a drain is
    /// yet to save it: ask again soon. `false`, too, if
    /// the ledger keeps nothing for the next start: then the answer is that the
    /// order is [unconfirmed](Withdrawal::Unconfirmed).
    pub fn ack_queued(&self) -> bool {
        if !self.pipeline.keeps_queued() {
            self.given_up.store(true, Ordering::Relaxed);
            return false;
        }
        self.pipeline.claims.ack_queued(self.claim)
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("claim", &self.claim)
            .field("duplicate", &self.is_duplicate())
            .field("answer", &self.answer())
            .finish()
    }
}
