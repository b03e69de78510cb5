//! The share of the queue that orders which come in bulk (batches, streams) have
//! while they wait.
//!
//! Single orders never wait: they take whatever slot is free, at once. Orders in
//! bulk do, and under a load of single orders that keeps the queue more than
//! half full they would wait until they give up. So while one of them waits, a
//! part of the queue is kept for them, less what they have inside. The queue is
//! in order: the share of it is their share of what is processed, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

/// What part of the queue, in orders and in bytes, is kept for orders in bulk
/// while one waits.
const PART: u64 = 4;

/// All counts are statistics, of which a race makes the share an order larger
/// or smaller: so they are `Relaxed`.
pub(crate) struct BulkShare {
    /// The share.
    orders_max: u64,
    bytes_max: u64,
    /// Orders in bulk between admission and answer, and their bytes.
    orders: CachePadded<AtomicU64>,
    bytes: AtomicU64,
    /// Submitters that wait. Read for each single order.
    waiting: CachePadded<AtomicUsize>,
}

impl BulkShare {
    /// The share of a queue of so many orders and bytes; `orders_max` is the
    /// most that orders in bulk may have of it.
    pub(super) fn new(queue_orders: u64, queue_bytes: u64, orders_max: u64) -> Self {
        Self {
            orders_max: queue_orders.div_ceil(PART).min(orders_max),
            bytes_max: queue_bytes / PART,
            orders: CachePadded::default(),
            bytes: AtomicU64::new(0),
            waiting: CachePadded::default(),
        }
    }

    /// Counts an order in.
    pub(crate) fn enter(&self, bytes: u64) {
        self.orders.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts so many out.
    pub(crate) fn leave(&self, orders: u64, bytes: u64) {
        if orders > 0 {
            self.orders.fetch_sub(orders, Ordering::Relaxed);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Orders in bulk between admission and answer.
    pub(crate) fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }

    /// Whether part of the share is free.
    pub(super) fn has_capacity(&self) -> bool {
        let (orders, bytes) = self.unused();
        orders > 0 && bytes > 0
    }

    /// One more submitter waits for space, until the result is dropped.
    pub(crate) fn wait(self: &Arc<Self>) -> BulkWaiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        BulkWaiting(self.clone())
    }

    pub(super) fn is_anyone_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Orders and bytes of the share that are not used.
    pub(super) fn unused(&self) -> (u64, u64) {
        let orders = self.orders.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        (
            self.orders_max.saturating_sub(orders),
            self.bytes_max.saturating_sub(bytes),
        )
    }

    pub(super) fn orders_max(&self) -> u64 {
        self.orders_max
    }
}

/// A submitter in bulk that waits for space in the queue.
pub(crate) struct BulkWaiting(Arc<BulkShare>);

impl Drop for BulkWaiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
