//! From an admitted order to its answer: intake queue, workers, commit queue,
//! committer.
//!
//! ```text
//! admission ──push──> intake ──pop──> workers ──push──> commit queue ──pop──> committer
//!  (any thread)       ArrayQueue      N threads         ArrayQueue            1 thread, owns the ledger
//! ```
//!
//! Nothing here locks on an order's way; both queues are of fixed size. Who
//! ends an order answers its waiters, ends its claim and lets it out of the
//! gate: the committer, [`Pipeline::fence`] at the drain deadline, or what is
//! left of a thread that has panicked.

pub(crate) mod answer;
mod committer;
mod force_drain;
pub(crate) mod gate;
mod in_hand;
pub(crate) mod pending_orders;
pub(crate) mod processor;
pub(crate) mod throughput;
mod window_monitor;
mod worker;
mod wreck;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;

use crate::cpu::plan::Plan;
use crate::dedupe::claims::{Claim, Claims};
use crate::dedupe::window::Window;
use crate::ledger::{Archive, Item, Ledger, Status};
use crate::metrics::{Metrics, WithdrawReason};
use crate::order::Order;
use crate::pipeline::answer::{Answer, Waiter, Withdrawal};
use crate::pipeline::gate::Gate;
use crate::pipeline::in_hand::InHand;
use crate::pipeline::pending_orders::PendingOrders;
use crate::pipeline::processor::{Processor, Verdict};
use crate::pipeline::throughput::Throughput;
use crate::sync::parking::{Dequeue, Idle, Parking, Urgency};
use crate::sync::wake_queue::WakeQueues;
use crate::sync::watch_list::{Watch, WatchList};

/// Evaluated orders that may wait for the committer. Workers wait past it.
const COMMIT_QUEUE: usize = 8192;
/// Orders that a ledger may have in hand.
const LEDGER_ORDERS: usize = crate::ledger::journal::BATCH_ORDERS_MAX;
/// What an order in flight costs beside its own bytes: its entry in the
/// queues, its order and waiter, and what the allocator rounds up.
pub(crate) const OVERHEAD_BYTES: u64 = 512;

/// An order between admission and its answer.
pub struct InFlight {
    /// The order.
    pub order: Order,
    /// The claim on its id.
    pub claim: Claim,
    /// Who submitted it waits here, and keeps this without the order.
    pub waiter: Arc<Waiter>,
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    /// When it was admitted, to measure from.
    pub admitted: Instant,
    /// The last process kept it: it is on disk, and must get an outcome.
    pub kept: bool,
}

/// What an order counts against the byte limit of the queue.
pub(crate) fn cost(order: &Order) -> u64 {
    order.json().len() as u64 + OVERHEAD_BYTES
}

/// An order with the processor's verdict.
pub struct Evaluated {
    pub(crate) job: InHand,
    verdict: Verdict,
    at: Instant,
}

impl Evaluated {
    /// The order without its verdict, for the caller to end or pass on.
    fn into_job(self) -> Arc<InFlight> {
        self.job.let_go()
    }
}

impl Item for Evaluated {
    fn order(&self) -> &Order {
        &self.job.order
    }

    fn accepted_at(&self) -> u64 {
        self.job.accepted_at
    }

    fn status(&self) -> Status {
        match self.verdict {
            Verdict::Failed(_) => Status::Failed,
            _ => Status::Processed,
        }
    }

    fn reason(&self) -> Option<&Arc<str>> {
        match &self.verdict {
            Verdict::Failed(reason) => Some(reason),
            _ => None,
        }
    }
}

/// Something in the pipeline broke for good; the process should end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The ledger failed.
    #[error("{0}")]
    Ledger(String),
    /// A thread of the pipeline panicked, outside the processor.
    #[error("thread {0} panicked")]
    Panic(String),
}

/// What the pipeline is built from.
pub struct Settings {
    /// Orders the intake queue holds.
    pub queue_orders: usize,
    /// Bytes inside at a time.
    pub queue_bytes: u64,
    /// Outcomes the dedupe window reaches back over.
    pub window: usize,
    /// Threads and cores.
    pub plan: Plan,
    /// How far back the dedupe window should reach; it is logged when, being
    /// full, it doesn't.
    pub window_reach: Duration,
}

/// What the doors, the workers and the committer share.
pub struct Pipeline {
    /// Filled by admission, emptied by the workers.
    intake: ArrayQueue<Arc<InFlight>>,
    workers: Parking,
    /// Filled by the workers, emptied by the committer.
    evaluated: ArrayQueue<Evaluated>,
    committer: Parking,
    /// Workers that wait for room in `evaluated`.
    room: Parking,
    /// Set once, when nothing will come any more.
    closed: AtomicBool,
    /// Set at the drain deadline: what is inside is taken out.
    force_draining: AtomicBool,
    /// What each worker has given to a processor that may take long; see
    /// [`fence`](Self::fence).
    hands: Box<[Hand]>,
    /// Orders that the last process kept and that have no place in the queue
    /// yet.
    pub backlog: PendingOrders,
    /// Orders that somebody was told are queued, and that were taken out
    /// without an outcome.
    promised: Mutex<Vec<Arc<InFlight>>>,
    /// Who has which id in hand.
    pub claims: Claims,
    /// The last outcomes. Written by the committer.
    pub window: Window,
    /// Whether orders come in, and how much is inside.
    pub gate: Gate,
    /// The last sequence up to which every outcome is known to those who wait.
    /// Written by the committer.
    settled_seq: AtomicU64,
    /// How fast orders get out. Written by the committer.
    pub throughput: Throughput,
    /// Who is woken behind a batch.
    pub wake_queues: WakeQueues,
    /// Who waits for any order to end. Woken by the committer.
    pub progress: Arc<WatchList>,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    window_reach: Duration,
    /// Where outcomes are read, once the ledger is open.
    archive: OnceLock<Arc<dyn Archive>>,
}

/// An order that is with a processor. Whoever takes it out ends it: the worker
/// when the processor is done, or the drain deadline before that.
type Hand = CachePadded<AtomicCell<Option<Arc<InFlight>>>>;

/// The pipeline's threads.
pub struct Threads(Vec<JoinHandle<()>>);

impl Pipeline {
    /// Builds the pipeline; nothing runs yet.
    pub fn new(settings: &Settings) -> Arc<Self> {
        let workers = settings.plan.workers;
        let idle = if settings.plan.spin {
            Idle::Spin
        } else {
            Idle::Yield
        };
        let in_flight = settings.queue_orders + workers + COMMIT_QUEUE + LEDGER_ORDERS;
        Arc::new(Self {
            intake: ArrayQueue::new(settings.queue_orders),
            workers: Parking::new(workers, idle),
            evaluated: ArrayQueue::new(COMMIT_QUEUE),
            committer: Parking::new(1, Idle::Yield),
            room: Parking::new(workers, Idle::Yield),
            closed: AtomicBool::new(false),
            force_draining: AtomicBool::new(false),
            hands: (0..workers).map(|_| Hand::default()).collect(),
            backlog: PendingOrders::default(),
            promised: Mutex::default(),
            claims: Claims::new(in_flight),
            window: Window::new(settings.window),
            gate: Gate::new(settings.queue_bytes, in_flight as u64),
            settled_seq: AtomicU64::new(0),
            throughput: Throughput::default(),
            wake_queues: WakeQueues::default(),
            progress: Arc::default(),
            metrics: Arc::new(Metrics::new(workers)),
            window_reach: settings.window_reach,
            archive: OnceLock::new(),
        })
    }

    /// Starts the workers and the committer, which owns `ledger`; `archive` is
    /// its read side. `on_fault` is called by the thread that breaks, once; by
    /// the committer once more if it panics after its ledger has failed.
    ///
    /// # Errors
    /// When the system gives no more threads.
    ///
    /// # Panics
    /// If it was started before.
    pub fn start(
        self: &Arc<Self>,
        plan: &Plan,
        processor: Arc<dyn Processor>,
        ledger: Box<dyn Ledger<Evaluated>>,
        archive: Arc<dyn Archive>,
        on_fault: Arc<dyn Fn(Fault) + Send + Sync>,
    ) -> io::Result<Threads> {
        self.settled_seq
            .store(archive.last_seq(), Ordering::Relaxed);
        self.set_archive(archive);
        let mut threads = Vec::with_capacity(plan.workers + 1);
        for me in 0..plan.workers {
            let (pipeline, processor) = (self.clone(), processor.clone());
            let core = plan.worker_cores.get(me).copied().flatten();
            let run = move |_: &dyn Fn(Fault)| worker::run(&pipeline, me, core, &*processor);
            let wreck = move |pipeline: &Self| pipeline.wrecked_worker(me);
            threads.push(self.spawn(format!("worker-{me}"), &on_fault, run, wreck)?);
        }
        let pipeline = self.clone();
        let run = move |on_fault: &dyn Fn(Fault)| committer::run(&pipeline, ledger, on_fault);
        threads.push(self.spawn("committer".into(), &on_fault, run, Self::wrecked_committer)?);
        Ok(Threads(threads))
    }

    /// A thread whose panic closes the gate and is reported; after that it runs
    /// `wreck`.
    fn spawn(
        self: &Arc<Self>,
        name: String,
        on_fault: &Arc<dyn Fn(Fault) + Send + Sync>,
        run: impl FnOnce(&dyn Fn(Fault)) + Send + 'static,
        wreck: impl FnOnce(&Self) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let (pipeline, on_fault) = (self.clone(), on_fault.clone());
        thread::Builder::new().name(name.clone()).spawn(move || {
            // What it leaves half done is not relied on: orders are turned away.
            let ended = catch_unwind(AssertUnwindSafe(|| run(&*on_fault)));
            if let Err(panic) = ended {
                // Dropping what it panicked with may panic again.
                std::mem::forget(panic);
                pipeline.wreck();
                on_fault(Fault::Panic(name));
                wreck(&pipeline);
            }
        })
    }

    /// Puts an admitted order into the intake queue.
    ///
    /// # Errors
    /// The order back, when the queue is full.
    pub fn push(&self, job: Arc<InFlight>) -> Result<(), Arc<InFlight>> {
        let (urgency, claim) = (job.waiter.urgency(), job.claim);
        self.intake.push(job)?;
        // Only now may a duplicate wait for it, or be told that it is queued: it
        // is. If a worker was faster, or the deadline, it is past that already.
        // Before the wake-up, which takes its time.
        self.claims.queued(claim);
        self.workers.notify(urgency);
        Ok(())
    }

    /// Makes the read side of the ledger known, once.
    pub(crate) fn set_archive(&self, archive: Arc<dyn Archive>) {
        assert!(self.archive.set(archive).is_ok(), "started once");
    }

    /// Where outcomes are read; `None` until the ledger is open.
    pub fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.archive.get()
    }

    /// A sequence up to which the ledger has no outcome of any order that is
    /// inside, or that was [promised](Self::promises) one: all up to it have
    /// been made known. It may have some behind it, if the committer panicked or
    /// the ledger doesn't answer.
    pub fn settled_seq(&self) -> u64 {
        // Pairs with the Release store in `publish`.
        self.settled_seq.load(Ordering::Acquire)
    }

    /// Orders in the intake queue now.
    pub fn depth(&self) -> usize {
        self.intake.len()
    }

    /// Orders the intake queue holds at most.
    pub fn capacity(&self) -> usize {
        self.intake.capacity()
    }

    /// Evaluated orders that wait for the committer now.
    pub fn commit_depth(&self) -> usize {
        self.evaluated.len()
    }

    /// Has `waker` called when next an order ends, or when the service drains.
    /// Look at what you wait for after this call: it may have come already.
    pub fn watch(&self, waker: &Waker) -> Watch {
        self.progress.watch(waker)
    }

    /// Has `waker` called when next the gate says something else; the rest as
    /// with [`watch`](Self::watch).
    pub fn watch_gate(&self, waker: &Waker) -> Watch {
        self.gate.changed.watch(waker)
    }

    /// Whether orders that come in bulk may take a place: half of the queue, in
    /// orders and in bytes, is left to those that come one by one.
    pub fn has_bulk_room(&self) -> bool {
        self.depth() < self.capacity().div_ceil(2) && self.gate.is_half_free()
    }

    /// Wakes the committer: a ledger has receipts ready.
    pub fn wake_committer(&self) {
        self.committer.notify(Urgency::Now);
    }

    /// Ends the threads, once nothing is inside.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.workers.notify_all();
        self.committer.notify_all();
        self.room.notify_all();
    }

    /// Withdraws an order that no batch holds: answers all who wait for it and
    /// lets it out. For orders that were counted as accepted.
    fn withdraw(&self, job: &Arc<InFlight>, why: Withdrawal) {
        // Its client can't hear of a passing trouble any more when the process is
        // about to end; the next one tries again. Looked up before the id is
        // free: who claims that behind a promise must find the gate closed.
        let retry = matches!(why, Withdrawal::Retry(_)) && !self.gate.is_closed();
        if let Some(ended) = self.claims.withdraw(job.claim) {
            // Before it leaves the gate: who finds that empty finds it here.
            if ended.told && !retry {
                self.promise(job);
            }
            for waiter in ended.waiters {
                waiter.complete(Answer::Withdrawn(why.clone()));
            }
        }
        self.end(job, why);
    }

    /// Answers the submitter of an order without an outcome, whose claim has
    /// ended, and lets the order out.
    fn end(&self, job: &InFlight, why: Withdrawal) {
        self.metrics.withdrawn.inc(match why {
            Withdrawal::Retry(_) => WithdrawReason::Retry,
            Withdrawal::Drain => WithdrawReason::Drain,
            Withdrawal::Ledger => WithdrawReason::Ledger,
        });
        job.waiter.complete(Answer::Withdrawn(why));
        self.gate.leave(1, cost(&job.order));
    }

    fn poll<T>(&self, queue: &ArrayQueue<T>) -> Dequeue<T> {
        match queue.pop() {
            Some(item) => Dequeue::Item(item, !queue.is_empty()),
            None if self.closed.load(Ordering::Acquire) => Dequeue::Closed,
            None => Dequeue::Empty,
        }
    }
}

impl Threads {
    /// Waits for the threads to end, after [`Pipeline::close`].
    pub fn join(self) {
        for thread in self.0 {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}
