//! What front ends, workers and the committer share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;

use crate::clock;
use crate::dedupe::claims::Claims;
use crate::dedupe::window::Window;
use crate::ledger::Archive;
use crate::metrics::Metrics;
use crate::pipeline::answer::Waiter;
use crate::pipeline::bulk_share::BulkShare;
use crate::pipeline::evaluated::Evaluated;
use crate::pipeline::gate::Gate;
use crate::pipeline::given_back::GivenBack;
use crate::pipeline::in_flight::InFlight;
use crate::pipeline::pending_queue::PendingQueue;
use crate::pipeline::settings::{COMMIT_QUEUE_ORDERS, Settings, bulk_orders_max, in_flight_max};
use crate::pipeline::stall::Round;
use crate::pipeline::throughput::Throughput;
use crate::pipeline::withdrawn_orders::WithdrawnOrders;
use crate::sync::parking::{Dequeue, Idle, Parking};
use crate::sync::wake_queue::WakeQueues;
use crate::sync::watch_list::WatchList;

/// The shared state of the pipeline.
pub struct Pipeline {
    /// Filled by admission, emptied by the workers.
    pub(crate) intake: ArrayQueue<Arc<InFlight>>,
    pub(crate) workers: Parking,
    /// Orders in the intake queue at which none that come in bulk may enter.
    bulk_orders_max: usize,
    /// What orders in bulk have of the queue.
    pub(crate) bulk: Arc<BulkShare>,
    /// Filled by the workers, emptied by the committer.
    pub(crate) commit_queue: ArrayQueue<Evaluated>,
    pub(super) committer: Parking,
    /// The only worker is the committer, too: the processor is quick, and cores
    /// are few.
    pub(super) fused: bool,
    pub(crate) commit_delay: Duration,
    /// What the fused worker evaluates now.
    pub(crate) round: Round,
    /// Workers that wait for space in the commit queue.
    pub(crate) commit_space: Parking,
    /// Set once, when no more orders will come.
    closed: AtomicBool,
    /// Orders that the ledger has no space for.
    pub(crate) given_back: GivenBack<InFlight>,
    /// Set at the drain deadline: what is inside is withdrawn.
    pub(crate) force_draining: AtomicBool,
    /// The order that each worker has given to a processor that may take long.
    pub(crate) in_process: Box<[ProcessSlot]>,
    /// Orders from the pending file without a slot in the intake queue yet.
    pub(crate) pending_queue: PendingQueue,
    /// Acknowledged orders that were withdrawn: to be written to the pending
    /// file.
    pub(crate) withdrawn_orders: WithdrawnOrders<InFlight>,
    /// The ids in flight.
    pub claims: Claims<Waiter>,
    /// The last outcomes. Written by the committer.
    pub(crate) window: Window,
    /// Whether orders come in, and how much is inside.
    pub gate: Gate,
    /// Every outcome up to this sequence has been published. Written by the
    /// committer.
    settled_seq: AtomicU64,
    /// How fast orders leave.
    pub(crate) throughput: Throughput,
    /// Flushed behind each batch.
    pub wake_queues: WakeQueues,
    /// Woken by the committer behind each batch, and by a drain.
    pub(crate) progress: Arc<WatchList>,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    pub(crate) window_reach: Duration,
    /// The read side of the ledger, once it is open.
    archive: OnceLock<Arc<dyn Archive>>,
}

/// An order that is with a processor. The thread that takes it out ends it: the
/// worker when the processor is done, or the force drain before that.
pub(crate) type ProcessSlot = CachePadded<AtomicCell<Option<Arc<InFlight>>>>;

impl Pipeline {
    /// Builds the pipeline; no thread runs yet.
    pub fn new(settings: &Settings) -> Arc<Self> {
        let workers = settings.plan.workers;
        let idle = if settings.plan.spin {
            Idle::Spin
        } else {
            Idle::Yield
        };
        let in_flight = in_flight_max(settings.queue_orders, workers);
        let bulk_orders_max = bulk_orders_max(settings.queue_orders);
        let queue_orders = settings.queue_orders as u64;
        Arc::new(Self {
            bulk: Arc::new(BulkShare::new(
                queue_orders,
                settings.queue_bytes,
                bulk_orders_max as u64,
            )),
            intake: ArrayQueue::new(settings.queue_orders),
            workers: Parking::new(workers, idle),
            bulk_orders_max,
            commit_queue: ArrayQueue::new(COMMIT_QUEUE_ORDERS),
            committer: Parking::new(1, Idle::Yield),
            fused: settings.plan.fused,
            commit_delay: settings.commit_delay,
            round: Round::default(),
            commit_space: Parking::new(workers, Idle::Yield),
            closed: AtomicBool::new(false),
            given_back: GivenBack::default(),
            force_draining: AtomicBool::new(false),
            in_process: (0..workers).map(|_| ProcessSlot::default()).collect(),
            pending_queue: PendingQueue::default(),
            withdrawn_orders: WithdrawnOrders::default(),
            claims: Claims::new(in_flight),
            window: Window::new(settings.window),
            gate: Gate::new(settings.queue_bytes, in_flight as u64),
            settled_seq: AtomicU64::new(0),
            throughput: Throughput::new(),
            wake_queues: WakeQueues::default(),
            progress: Arc::default(),
            metrics: Arc::new(Metrics::new(workers)),
            window_reach: settings.window_reach,
            archive: OnceLock::new(),
        })
    }

    /// Puts an admitted order into the intake queue. One without a waiter is
    /// acknowledged as queued; the result is whether that came in time.
    ///
    /// # Errors
    /// The order back, when the queue is full.
    pub(crate) fn push(&self, job: Arc<InFlight>) -> Result<bool, Arc<InFlight>> {
        let (urgency, claim) = (job.urgency(), job.claim);
        let acknowledge = job.waiter.is_none();
        self.intake.push(job)?;
        // Only now may a duplicate wait for it, or the order be acknowledged as
        // queued. If a worker or the drain deadline was faster, the claim is
        // past that already. Before the wake-up, which takes its time.
        let acknowledged = if acknowledge {
            self.claims.queued_acked(claim)
        } else {
            self.claims.queued(claim)
        };
        if self.fused {
            self.notify_committer(urgency);
            self.warn_of_stall();
        } else {
            self.workers.notify(urgency);
        }
        Ok(acknowledged)
    }

    /// Logs once when the processor that commits wait for does not return.
    pub(crate) fn warn_of_stall(&self) {
        if let Some(took) = self.round.stall(clock::millis) {
            tracing::warn!(
                "a processor that says that it is quick has not returned for {took:.1?}: no order \
                 is committed until it does"
            );
        }
    }

    /// Makes the read side of the ledger known.
    ///
    /// # Panics
    /// When called twice.
    pub(crate) fn set_archive(&self, archive: Arc<dyn Archive>) {
        self.settle(archive.last_seq());
        assert!(self.archive.set(archive).is_ok(), "started once");
    }

    /// Where outcomes are read; `None` until the ledger is open.
    pub(crate) fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.archive.get()
    }

    /// Whether an order that is acknowledged as queued is kept for the next
    /// start, if it gets no outcome in this process.
    pub(crate) fn keeps_queued(&self) -> bool {
        self.archive().is_none_or(|archive| !archive.is_shared())
    }

    /// A sequence up to which the ledger has no outcome of any order that is
    /// inside or [withdrawn and pending](WithdrawnOrders).
    pub(crate) fn settled_seq(&self) -> u64 {
        // Relaxed: an earlier value is right, too, and makes the next start
        // search a little more.
        self.settled_seq.load(Ordering::Relaxed)
    }

    pub(crate) fn settle(&self, seq: u64) {
        self.settled_seq.store(seq, Ordering::Relaxed);
    }

    /// Orders in the intake queue now.
    pub fn depth(&self) -> usize {
        self.intake.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.intake.capacity()
    }

    /// Evaluated orders that wait for the committer now.
    pub(crate) fn commit_depth(&self) -> usize {
        self.commit_queue.len()
    }

    /// Whether orders that come in bulk may enter: while half of the queue, in
    /// orders and in bytes, is free for those that come one by one; or while
    /// the [share](BulkShare) of those in bulk is.
    pub(crate) fn has_bulk_capacity(&self) -> bool {
        self.depth() < self.bulk_orders_max && self.gate.is_half_free() || self.bulk.has_capacity()
    }

    /// Whether a single order of so many bytes would take space that is kept
    /// for orders in bulk. Costs a load while none waits.
    pub(crate) fn is_kept_for_bulk(&self, bytes: u64) -> bool {
        if !self.bulk.is_anyone_waiting() {
            return false;
        }
        let (kept_orders, kept_bytes) = self.bulk.unused();
        self.depth() as u64 + kept_orders >= self.capacity() as u64
            || self.gate.orders() > 0 && !self.gate.has_space(bytes + kept_bytes)
    }

    pub(crate) fn is_fused(&self) -> bool {
        self.fused
    }

    /// Ends the threads, once nothing is inside.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.workers.notify_all();
        self.committer.notify_all();
        self.commit_space.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn poll<T>(&self, queue: &ArrayQueue<T>) -> Dequeue<T> {
        match queue.pop() {
            Some(item) => Dequeue::Item(item, !queue.is_empty()),
            None if self.is_closed() => Dequeue::Closed,
            None => Dequeue::Empty,
        }
    }

    /// Whether the drain deadline has passed.
    pub fn is_force_draining(&self) -> bool {
        self.force_draining.load(Ordering::SeqCst)
    }
}
