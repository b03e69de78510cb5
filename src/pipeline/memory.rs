//! The memory of the pipeline that is allocated at the start, whatever comes.

use std::sync::Arc;

use crossbeam_utils::atomic::AtomicCell;

use crate::dedupe::claims::table_bytes;
use crate::pipeline::evaluated::Evaluated;
use crate::pipeline::in_flight::InFlight;
use crate::pipeline::settings::{COMMIT_QUEUE_ORDERS, in_flight_max};

/// A slot of a queue: a value and its stamp.
type Slot<T> = (AtomicCell<usize>, T);

/// Bytes of the table of claims.
pub(crate) fn claims_bytes(queue_orders: usize, workers: usize) -> u64 {
    table_bytes(in_flight_max(queue_orders, workers)) as u64
}

/// Bytes of the slots of the queues.
pub(crate) fn queues_bytes(queue_orders: usize) -> u64 {
    let intake = queue_orders * size_of::<Slot<Arc<InFlight>>>();
    let commit = COMMIT_QUEUE_ORDERS * size_of::<Slot<Evaluated>>();
    (intake + commit) as u64
}
