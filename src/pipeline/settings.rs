//! What the pipeline is built from, and the sizes that follow.

use std::time::Duration;

use crate::cpu::plan::Plan;
use crate::ledger::journal;

/// What the pipeline is built from.
pub struct Settings {
    /// Slots of the intake queue.
    pub queue_orders: usize,
    /// Bytes of all orders between admission and answer.
    pub queue_bytes: u64,
    /// Outcomes the dedupe window holds.
    pub window: usize,
    /// Threads and cores.
    pub plan: Plan,
    /// How far back the dedupe window should reach; a shorter reach is logged.
    pub window_reach: Duration,
    /// How late a commit may be that nobody waits for.
    pub commit_delay: Duration,
}

/// Evaluated orders that may wait for the committer. Workers wait past it.
pub(super) const COMMIT_QUEUE_ORDERS: usize = if cfg!(fuzzing) {
    16 // fuzzing has a pipeline for each input
} else {
    8192
};
/// Orders that a ledger may have in flight.
const LEDGER_ORDERS: usize = if cfg!(fuzzing) {
    64
} else {
    journal::BATCH_ORDERS_MAX
};

/// Orders in the intake queue at which none that come in bulk may enter: some
/// batches of the ledger, so that it goes on while a commit takes long. With
/// more, the caches no longer hold an order when its turn comes.
const BULK_ORDERS_MAX: usize = 4 * LEDGER_ORDERS;

/// Orders in the intake queue at which none that come in bulk may enter.
pub(super) fn bulk_orders_max(queue_orders: usize) -> usize {
    queue_orders.div_ceil(2).min(BULK_ORDERS_MAX)
}

/// Orders between admission and answer, at most.
pub(super) fn in_flight_max(queue_orders: usize, workers: usize) -> usize {
    queue_orders + workers + COMMIT_QUEUE_ORDERS + LEDGER_ORDERS
}
