//! An order between admission and its answer.

use std::sync::Arc;
use std::time::Instant;

use crate::dedupe::claims::Claim;
use crate::order::Order;
use crate::pipeline::answer::Waiter;

/// Bytes that an order in flight costs beside its own: its entry in the queues,
/// its order and waiter, and what the allocator rounds up.
pub(crate) const OVERHEAD_BYTES: u64 = 512;

pub(crate) struct InFlight {
    pub(crate) order: Order,
    pub(crate) claim: Claim,
    /// Shared with the submitter's ticket, which does not keep the order.
    pub(crate) waiter: Arc<Waiter>,
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub(crate) accepted_at: u64,
    /// The same on the monotonic clock.
    pub(crate) admitted: Instant,
    /// It was loaded from the pending file: it must get an outcome.
    pub(crate) pending: bool,
}

/// What an order counts against the byte limit of the queue.
pub(crate) fn cost(order: &Order) -> u64 {
    order.json().len() as u64 + OVERHEAD_BYTES
}
