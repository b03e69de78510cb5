//! An order between admission and its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::dedupe::claims::Claim;
use crate::order::Order;
use crate::pipeline::answer::{Answer, Waiter};
use crate::sync::parking::Urgency;

/// Bytes that an order in flight costs beside its own: its entry in the queues,
/// its order and waiter, and what the allocator rounds up.
pub(crate) const OVERHEAD_BYTES: u64 = 512;

pub(crate) struct InFlight {
    pub(crate) order: Order,
    pub(crate) claim: Claim,
    /// Shared with the submitter's ticket, which does not keep the order. `None`
    /// if it was acknowledged as queued when it was pushed.
    pub(crate) waiter: Option<Arc<Waiter>>,
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub(crate) accepted_at: u64,
    /// The same on the monotonic clock.
    pub(crate) admitted: Instant,
    /// It came in bulk, and counts in the share of such orders.
    pub(crate) bulk: bool,
    /// It was loaded from the pending file: it must get an outcome.
    pub(crate) pending: bool,
    /// The processor has returned it. Read and written by the committer.
    pub(crate) retried: AtomicBool,
}

impl InFlight {
    /// How soon the outcome is wanted.
    pub(crate) fn urgency(&self) -> Urgency {
        self.waiter
            .as_ref()
            .map_or(Urgency::Deferred, |waiter| waiter.urgency())
    }

    /// Answers the submitter.
    pub(crate) fn complete(&self, answer: Answer) {
        if let Some(waiter) = &self.waiter {
            waiter.complete(answer);
        }
    }
}

/// What an order counts against the byte limit of the queue.
pub(crate) fn cost(order: &Order) -> u64 {
    order.json().len() as u64 + OVERHEAD_BYTES
}
