//! Orders that the last process kept: those that wait for a place in the
//! intake queue, and the thread that gives them one.
//!
//! They are claimed, and inside the gate, from before it opens, so that their
//! ids are taken, their bytes counted, and a drain waits for them. They take at
//! most half of the intake queue: the other half is for those who come one by
//! one.
//!
//! They were promised an outcome, so [`Verdict::Retry`] doesn't withdraw them:
//! they are given to the processor again, each after [`RETRY_PAUSE`], and all
//! together not more often than once in [`RETRY_SPACING`].
//!
//! [`Verdict::Retry`]: crate::pipeline::processor::Verdict::Retry

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::dedupe::claims::Claimed;
use crate::order::{Order, OrderId};
use crate::pipeline::answer::Waiter;
use crate::pipeline::{Fault, InFlight, Pipeline, cost};

/// How long after a `Retry` a kept order is tried again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The least time between two such tries.
pub(crate) const RETRY_SPACING: Duration = Duration::from_millis(10);

/// How long the feeder sleeps after it has fed something, unless an order ends:
/// a worker that takes one makes room, and tells nobody.
const LOOK: Duration = Duration::from_millis(1);
/// The same after it has fed nothing for a while.
const LOOK_MAX: Duration = Duration::from_millis(128);

/// Kept orders without a place in the queue. As many as were kept.
#[derive(Default)]
pub struct PendingOrders {
    queues: Mutex<Queues>,
    /// Kept orders without an outcome, wherever they are.
    open: AtomicUsize,
}

#[derive(Default)]
struct Queues {
    first: VecDeque<Arc<InFlight>>,
    /// Those to be tried again, with the time for it, soonest first.
    again: VecDeque<(Instant, Arc<InFlight>)>,
    /// When one may be tried again.
    spaced: Option<Instant>,
}

/// What there is to feed.
enum Next {
    Order(Arc<InFlight>),
    /// Nothing before so long.
    Later(Duration),
    Nothing,
}

/// What came of an attempt to feed.
enum Fed {
    /// The queue has no room; so many have got in.
    Some(usize),
    /// All that there are now; the next ones come in so long.
    AllFor(Duration),
    /// All that there are.
    All,
}

/// Why kept orders can't be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// They are too many; so many slots in the queue are needed.
    Orders(usize),
    /// They are too long; so many bytes are needed.
    Bytes(u64),
    /// Two of them have this id.
    Twice(OrderId),
}

/// The thread that feeds kept orders into the intake queue.
pub struct Feeder {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl PendingOrders {
    /// Kept orders that have no outcome yet.
    pub fn open(&self) -> usize {
        // Pairs with the Release in `committed`: what is not open any more is
        // in the journal.
        self.open.load(Ordering::Acquire)
    }

    /// One of the kept orders has its outcome.
    pub(crate) fn committed(&self) {
        // Pairs with the Acquire load in `open`.
        self.open.fetch_sub(1, Ordering::Release);
    }

    /// Takes an order whatever it waits for.
    pub(crate) fn take(&self) -> Option<Arc<InFlight>> {
        let mut queues = self.queues();
        let first = queues.first.pop_front();
        first.or_else(|| queues.again.pop_front().map(|(_, job)| job))
    }

    /// Puts an order behind those that wait.
    pub(crate) fn put(&self, job: Arc<InFlight>) {
        self.queues().first.push_back(job);
    }

    /// Has an order tried again, later.
    pub(crate) fn again(&self, job: Arc<InFlight>) {
        let at = Instant::now() + RETRY_PAUSE;
        self.queues().again.push_back((at, job));
    }

    fn next(&self, now: Instant) -> Next {
        let mut queues = self.queues();
        if let Some(job) = queues.first.pop_front() {
            return Next::Order(job);
        }
        let Some((at, _)) = queues.again.front() else {
            return Next::Nothing;
        };
        let at = queues.spaced.map_or(*at, |spaced| spaced.max(*at));
        if now < at {
            return Next::Later(at - now);
        }
        queues.spaced = Some(now + RETRY_SPACING);
        match queues.again.pop_front() {
            Some((_, job)) => Next::Order(job),
            None => Next::Nothing,
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        // Pushed to and popped from in single steps: never half done.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipeline {
    /// Claims kept orders, each with the time of its admission, before the
    /// gate opens: they are inside then, and known as queued.
    ///
    /// # Errors
    /// [`Crowded`]; the process can't go on then.
    pub fn claim_kept(&self, orders: Vec<(u64, Order)>) -> Result<(), Crowded> {
        let count = orders.len();
        let bytes = orders.iter().map(|(_, order)| cost(order)).sum();
        if !self.gate.enter_kept(count as u64, bytes) {
            let needed = self.kept_needs(count);
            return Err(needed.map_or(Crowded::Bytes(bytes), Crowded::Orders));
        }
        let admitted = Instant::now();
        for (accepted_at, order) in orders {
            let claim = match self.claims.claim(order.id_hash(), order.content_hash()) {
                Claimed::Mine(claim) => claim,
                Claimed::Full => return Err(Crowded::Orders(2 * self.capacity())),
                Claimed::InFlight { .. } | Claimed::Busy => {
                    return Err(Crowded::Twice(*order.id()));
                }
            };
            // Nobody else has it, and its submitter was told.
            let claimed = self.claims.queued(claim) && self.claims.ack_queued(claim);
            assert!(claimed, "no drain before the start is over");
            self.backlog.put(Arc::new(InFlight {
                order,
                claim,
                waiter: Arc::new(Waiter::new(None)),
                accepted_at,
                admitted,
                kept: true,
            }));
        }
        self.backlog.open.store(count, Ordering::Release);
        self.metrics.admission.accepted.add(count as u64);
        Ok(())
    }

    /// The queue capacity that so many kept orders ask for, if it is more than
    /// there is.
    fn kept_needs(&self, orders: usize) -> Option<usize> {
        let more = (orders as u64).checked_sub(self.gate.orders_max())?;
        (more > 0).then(|| self.capacity() + more as usize)
    }

    /// Starts the thread that feeds kept orders in. It calls `done` when all
    /// of them have their outcome, and ends.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn feed(
        self: &Arc<Self>,
        on_fault: &Arc<dyn Fn(Fault) + Send + Sync>,
        done: impl FnOnce() + Send + 'static,
    ) -> io::Result<Feeder> {
        let stop = Arc::new(AtomicBool::new(false));
        let (pipeline, stopped) = (self.clone(), stop.clone());
        let run = move |_: &dyn Fn(Fault)| pipeline.feed_until(&stopped, done);
        // What it has not fed waits for the deadline, as if it were slow.
        let thread = self.spawn("feeder".into(), on_fault, run, |_| {})?;
        Ok(Feeder { thread, stop })
    }

    fn feed_until(self: &Arc<Self>, stop: &AtomicBool, done: impl FnOnce()) {
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let mut look = LOOK;
        loop {
            // Listed before it looks: what moves after the look wakes it.
            let watch = self.watch(&waker);
            let fed = self.feed_some();
            if self.backlog.open() == 0 {
                drop(watch);
                return done();
            }
            // Pairs with the Release store in `Feeder::stop`.
            if stop.load(Ordering::Acquire) || self.is_force_draining() {
                return;
            }
            match fed {
                Fed::Some(orders) => {
                    look = if orders > 0 {
                        LOOK
                    } else {
                        LOOK_MAX.min(2 * look)
                    };
                    thread::park_timeout(look);
                }
                Fed::AllFor(pause) => {
                    drop(watch); // what moves makes no difference until then
                    thread::park_timeout(pause);
                }
                // The end of the last one wakes it.
                Fed::All => thread::park(),
            }
        }
    }

    /// Feeds while half of the queue's slots are free. The bytes are counted
    /// already.
    fn feed_some(&self) -> Fed {
        let mut orders = 0;
        while self.depth() < self.capacity().div_ceil(2) {
            match self.backlog.next(Instant::now()) {
                Next::Order(job) => {
                    if let Err(job) = self.push(job) {
                        // Others were faster.
                        self.backlog.queues().first.push_front(job);
                        break;
                    }
                    orders += 1;
                }
                Next::Later(pause) => return Fed::AllFor(pause),
                Next::Nothing => return Fed::All,
            }
        }
        Fed::Some(orders)
    }
}

impl Feeder {
    /// Ends the thread; if all kept orders have their outcome, it has called
    /// `done` then.
    pub fn stop(self) {
        // Pairs with the Acquire load in `feed_until`.
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A panic was reported when it happened.
        let _ = self.thread.join();
    }
}

/// Wakes the feeder.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests;
