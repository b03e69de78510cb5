//! What all routes and connections share: one [`Service`] a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

use crate::access::Access;
use crate::admission::Admission;
use crate::http::api::access_log::AccessLog;
use crate::http::api::feed::{PAGE_BYTES, Pages};
use crate::http::api::limits::Limits;
use crate::http::api::observer::Observer;
use crate::http::api::site::Sites;
use crate::metrics::Metrics;
use crate::peer::Proxies;
use crate::sync::memory_budget::MemoryBudget;

/// What the reply to a look-up has beside the order, at most.
const ORDER_OVERHEAD_BYTES: usize = 4 << 10;

/// What all routes and connections share.
pub(crate) struct Service {
    pub admission: Arc<Admission>,
    pub limits: Limits,
    /// Whose pages may ask, and by which names.
    pub sites: Sites,
    /// Who may ask for what.
    pub access: Arc<Access>,
    pub proxies: Proxies,
    pub access_log: AccessLog,
    pub observer: Observer,
    pub pages: Arc<Pages>,
    /// Requests between their last byte and the last byte of their reply, on
    /// the order port. The drain waits for zero.
    pub executing: CachePadded<AtomicUsize>,
    /// The bodies being read, over all front ends.
    pub bodies: Arc<MemoryBudget>,
    /// The replies being sent that are made for one request.
    pub replies: Arc<MemoryBudget>,
    /// The results of batches, in the same budget.
    pub results: Arc<MemoryBudget>,
    /// Batches between their head and the first byte of their reply. The drain
    /// waits for them.
    pub batches: CachePadded<AtomicUsize>,
    /// The same to the last byte: those that hold a permit.
    batch_permits: CachePadded<AtomicUsize>,
    /// Set when connections should end as soon as nothing runs on them.
    pub closing: AtomicBool,
}

impl Service {
    pub(crate) fn new(
        admission: Arc<Admission>,
        limits: Limits,
        sites: Sites,
        access: Arc<Access>,
        proxies: Proxies,
        bodies: Arc<MemoryBudget>,
        observer: Observer,
    ) -> Arc<Self> {
        // Each order can be looked up, however small the budget is.
        let order_bytes = limits.max_body + ORDER_OVERHEAD_BYTES;
        let reply_bytes = limits.reply_bytes.max(order_bytes);
        let [replies, results] = MemoryBudget::shared(reply_bytes, order_bytes);
        let connections_max = &admission.metrics().http.connections_max;
        connections_max.set(limits.max_connections);
        Arc::new(Self {
            replies,
            results,
            admission,
            pages: Pages::new(PAGE_BYTES),
            access_log: AccessLog::new(limits.access_log),
            limits,
            sites,
            access,
            proxies,
            observer,
            executing: CachePadded::default(),
            bodies,
            batches: CachePadded::default(),
            batch_permits: CachePadded::default(),
            closing: AtomicBool::new(false),
        })
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.admission.metrics()
    }

    /// Whether it matters where a connection comes from.
    pub(crate) fn needs_origin(&self) -> bool {
        self.access_log.is_on() || self.access.has_address_quotas()
    }

    /// Whether connections should end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// A permit for a batch; `None` when there are `--max-batches` of them.
    pub(crate) fn batch_permit(self: &Arc<Self>) -> Option<BatchPermit> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        let before = self.batch_permits.fetch_add(1, Ordering::Relaxed);
        self.metrics().http.batches.inc();
        let permit = BatchPermit {
            service: self.clone(),
            answered: false,
        };
        (before < self.limits.max_batches).then_some(permit)
    }

    /// Counts a request as executing until the guard is dropped.
    pub(crate) fn execute(self: &Arc<Self>) -> Executing {
        self.executing.fetch_add(1, Ordering::SeqCst);
        Executing(self.clone())
    }
}

/// One of the `--max-batches`, released on drop.
pub(crate) struct BatchPermit {
    service: Arc<Service>,
    answered: bool,
}

impl BatchPermit {
    /// The reply is made: it goes out like any other, and the drain gives it no
    /// more time.
    pub(crate) fn answered(&mut self) {
        if !self.answered {
            self.answered = true;
            self.service.batches.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for BatchPermit {
    fn drop(&mut self) {
        self.answered();
        self.service.batch_permits.fetch_sub(1, Ordering::Relaxed);
        self.service.metrics().http.batches.dec();
    }
}

/// A request in execution.
pub(crate) struct Executing(Arc<Service>);

impl Drop for Executing {
    fn drop(&mut self) {
        self.0.executing.fetch_sub(1, Ordering::SeqCst);
    }
}
