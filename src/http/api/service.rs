//! What all routes and connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::admission::Admission;
use crate::config::{Ack, Config};
use crate::http::api::feed::{PAGE_BYTES, Pages};
use crate::http::api::observer::Observer;
use crate::metrics::Metrics;
use crate::sync::memory_budget::MemoryBudget;

/// What the routes need of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// What a reply to an order waits for.
    pub ack: Ack,
    /// How long it waits at most.
    pub ack_timeout: Duration,
    /// The status that says "full".
    pub overload_status: u16,
    /// Bytes of a single order's body.
    pub max_body: usize,
    /// Bytes of a batch's body.
    pub max_batch_body: u64,
    /// Orders taken of a batch.
    pub max_batch_orders: usize,
    /// Batches at a time.
    pub max_batches: usize,
    /// Connections on the order port.
    pub max_connections: usize,
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// From the end of a head to the last byte of its body.
    pub body_timeout: Duration,
    /// For a reply to be taken by the client.
    pub write_timeout: Duration,
    /// Between two requests.
    pub idle_timeout: Duration,
}

impl Limits {
    /// The limits of a configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            ack: config.ack,
            ack_timeout: config.ack_timeout,
            overload_status: config.overload_status.code(),
            max_body: config.max_body,
            max_batch_body: config.max_batch_body,
            max_batch_orders: config.max_batch_orders,
            max_batches: config.max_batches,
            max_connections: config.max_connections,
            head_timeout: config.head_timeout,
            body_timeout: config.body_timeout,
            write_timeout: config.write_timeout,
            idle_timeout: config.idle_timeout,
        }
    }
}

/// What all routes and connections share.
pub(crate) struct Service {
    /// The door to the pipeline.
    pub admission: Arc<Admission>,
    /// Limits and timeouts.
    pub limits: Limits,
    /// Puts scrapes together.
    pub observer: Observer,
    /// Makes the feed's pages.
    pub pages: Arc<Pages>,
    /// Requests between their last byte and the last byte of their reply, on
    /// the order port. The drain waits for zero.
    pub executing: CachePadded<AtomicUsize>,
    /// Room for the bodies being read, shared with the other doors.
    pub bodies: Arc<MemoryBudget>,
    /// Batches between their head and the first byte of their reply. The drain
    /// waits for them.
    pub batches: CachePadded<AtomicUsize>,
    /// The same to the last byte: those that hold a place.
    batch_places: CachePadded<AtomicUsize>,
    /// Set when connections should end as soon as nothing runs on them.
    pub closing: AtomicBool,
}

impl Service {
    /// A service over an admission.
    pub(crate) fn new(
        admission: Arc<Admission>,
        limits: Limits,
        bodies: Arc<MemoryBudget>,
        observer: Observer,
    ) -> Arc<Self> {
        Arc::new(Self {
            admission,
            pages: Pages::new(PAGE_BYTES),
            limits,
            observer,
            executing: CachePadded::default(),
            bodies,
            batches: CachePadded::default(),
            batch_places: CachePadded::default(),
            closing: AtomicBool::new(false),
        })
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        self.admission.metrics()
    }

    /// Whether connections should end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Takes one of the places for batches; `None` if there is none.
    pub(crate) fn batch_slot(self: &Arc<Self>) -> Option<BatchSlot> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        let before = self.batch_places.fetch_add(1, Ordering::Relaxed);
        let slot = BatchSlot {
            service: self.clone(),
            answered: false,
        };
        (before < self.limits.max_batches).then_some(slot)
    }

    /// Counts a request as executing until the guard is dropped.
    pub(crate) fn execute(self: &Arc<Self>) -> Executing {
        self.executing.fetch_add(1, Ordering::SeqCst);
        Executing(self.clone())
    }
}

/// A place for a batch, given back on drop.
pub(crate) struct BatchSlot {
    service: Arc<Service>,
    answered: bool,
}

impl BatchSlot {
    /// The reply is there: it goes out like any other reply, and the drain gives
    /// it no more time.
    pub(crate) fn answered(&mut self) {
        if !self.answered {
            self.answered = true;
            self.service.batches.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for BatchSlot {
    fn drop(&mut self) {
        self.answered();
        self.service.batch_places.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request in execution.
pub(crate) struct Executing(Arc<Service>);

impl Drop for Executing {
    fn drop(&mut self) {
        self.0.executing.fetch_sub(1, Ordering::SeqCst);
    }
}
