//! Pending orders: claimed before the gate opens, then fed into the intake
//! queue.
//!
//! They are claimed, and inside the gate, before it opens, so that their ids
//! are taken, their bytes counted, and a drain waits for them. They fill at
//! most half of the intake queue; the other half is left to new orders. Where
//! new orders keep it fuller than that, as many are fed as orders in bulk have
//! of it ([`bulk_share`](crate::pipeline::bulk_share)).
//!
//! The same thread feeds acknowledged orders that the processor has returned.
//! Once the gate is closed they are not tried again, but withdrawn, for the
//! pending file: the next process tries again. Without such a file they are
//! tried until the drain deadline.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::dedupe::claims::{Claim, Claimed};
use crate::order::{Order, OrderId};
use crate::pipeline::answer::Withdrawal;
use crate::pipeline::in_flight::{InFlight, cost};
use crate::pipeline::pending_queue::NextPending;
use crate::pipeline::shared::Pipeline;
use crate::sync::crash;

/// How long the feeder sleeps after it has fed something, unless an order ends:
/// a worker that takes an order frees a slot, and wakes nobody.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The same after it has fed nothing for a while.
const PAUSE_MAX: Duration = Duration::from_millis(128);

/// Why pending orders can't be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingRefused {
    /// They are too many; this many slots in the queue are needed.
    Orders(usize),
    /// They are too large; this many bytes are needed.
    Bytes(u64),
    /// Two of them have this id.
    Twice(OrderId),
}

/// The result of a round of feeding.
enum Fed {
    /// The queue is full; this many got in.
    Some(usize),
    /// All that may be fed now; the next ones after this time.
    AllFor(Duration),
    /// All there are.
    All,
}

/// The thread that feeds acknowledged orders into the intake queue.
pub(crate) struct PendingFeeder {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl Pipeline {
    /// Claims pending orders, each with the time of its admission, before the
    /// gate opens: they are inside then, and known as queued. Returns their
    /// claims.
    ///
    /// # Errors
    /// [`PendingRefused`]; the process can't go on then.
    pub(crate) fn claim_pending(
        &self,
        orders: Vec<(u64, Order)>,
    ) -> Result<HashSet<Claim>, PendingRefused> {
        let count = orders.len();
        let bytes = orders.iter().map(|(_, order)| cost(order)).sum();
        if !self.gate.enter_pending(count as u64, bytes) {
            let needed = self.capacity_needed(count);
            return Err(needed.map_or(PendingRefused::Bytes(bytes), PendingRefused::Orders));
        }
        let admitted = Instant::now();
        let mut claims = HashSet::with_capacity(count);
        for (accepted_at, order) in orders {
            let claim = match self.claims.claim(order.id_hash(), order.content_hash()) {
                Claimed::Mine(claim) => claim,
                Claimed::Full => return Err(PendingRefused::Orders(2 * self.capacity())),
                Claimed::InFlight { .. } | Claimed::Busy => {
                    return Err(PendingRefused::Twice(*order.id()));
                }
            };
            let claimed = self.claims.queued(claim) && self.claims.ack_queued(claim);
            assert!(claimed, "no drain before the start is over");
            claims.insert(claim);
            self.pending_queue.put(Arc::new(InFlight {
                order,
                claim,
                waiter: None,
                accepted_at,
                admitted,
                bulk: false, // counted by the queue of pending orders
                pending: true,
                retried: AtomicBool::new(false),
            }));
        }
        self.pending_queue.set_open(count);
        self.metrics.admission.accepted.add(count as u64);
        Ok(claims)
    }

    /// The queue capacity that so many pending orders need, if it is more than
    /// there is.
    fn capacity_needed(&self, orders: usize) -> Option<usize> {
        let more = (orders as u64).checked_sub(self.gate.orders_max())?;
        (more > 0).then(|| self.capacity() + more as usize)
    }

    /// Starts the feeder. It calls `done` when all orders of the pending file
    /// have their outcome, if there are any.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn feed_pending(
        self: &Arc<Self>,
        done: impl FnOnce() + Send + 'static,
    ) -> io::Result<PendingFeeder> {
        let stop = Arc::new(AtomicBool::new(false));
        let (pipeline, stopped) = (self.clone(), stop.clone());
        let thread = crash::spawn("feeder", move || pipeline.feed_until(&stopped, done))?;
        Ok(PendingFeeder { thread, stop })
    }

    fn feed_until(&self, stop: &AtomicBool, done: impl FnOnce()) {
        self.pending_queue.set_feeder();
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let mut done = (self.pending_queue.open() > 0).then_some(done);
        let mut pause = PAUSE_MIN;
        // Space is kept for it while the queue has none, up to its share.
        let mut waiting = None;
        loop {
            // Listed before the check: what changes after the check wakes it.
            let watch = self.progress.watch(&waker);
            if self.gate.is_closed() && self.pending_queue.is_kept() {
                self.withdraw_retries();
            }
            let fed = self.feed_some();
            if self.pending_queue.open() == 0
                && let Some(done) = done.take()
            {
                done();
            }
            // Pairs with the Release store in `PendingFeeder::stop`.
            if stop.load(Ordering::Acquire) || self.is_force_draining() {
                return;
            }
            match fed {
                Fed::Some(orders) => {
                    waiting = self
                        .has_feed_share()
                        .then(|| waiting.unwrap_or_else(|| self.bulk.wait()));
                    pause = if orders > 0 {
                        PAUSE_MIN
                    } else {
                        PAUSE_MAX.min(2 * pause)
                    };
                    thread::park_timeout(pause);
                }
                Fed::AllFor(time) => {
                    waiting = None;
                    drop(watch); // progress makes no difference until then
                    thread::park_timeout(time);
                }
                Fed::All => {
                    waiting = None;
                    // The end of the last order of the file wakes it, or one
                    // that is to be tried again.
                    let watch = done.is_some().then_some(watch);
                    thread::park();
                    drop(watch);
                }
            }
        }
    }

    /// To be called behind a closed gate, when no more orders are tried again.
    fn withdraw_retries(&self) {
        while let Some(job) = self.pending_queue.take_retry() {
            self.withdraw(&job, Withdrawal::Drain);
        }
        self.wake_queues.flush();
    }

    /// Whether fewer are fed than orders in bulk may have of the queue.
    fn has_feed_share(&self) -> bool {
        (self.pending_queue.fed() as u64) < self.bulk.orders_max()
    }

    /// Feeds while half of the queue's slots are free, or few orders are fed.
    /// The bytes are counted already.
    fn feed_some(&self) -> Fed {
        let mut orders = 0;
        while self.depth() < self.capacity().div_ceil(2) || self.has_feed_share() {
            match self.pending_queue.next(Instant::now()) {
                NextPending::Order(job) => {
                    if let Err(job) = self.push(job) {
                        // New orders were faster.
                        self.pending_queue.put_first(job);
                        break;
                    }
                    orders += 1;
                }
                NextPending::Later(pause) => return Fed::AllFor(pause),
                NextPending::Nothing => return Fed::All,
            }
        }
        // However full the queue is: new orders must not starve those that are
        // inside.
        if let Some(job) = self.pending_queue.overdue(Instant::now()) {
            match self.push(job) {
                Ok(_) => orders += 1,
                Err(job) => self.pending_queue.put_first(job),
            }
        }
        Fed::Some(orders)
    }
}

impl PendingFeeder {
    /// Ends the thread; if all orders of the pending file have their outcome, it
    /// has called `done` then.
    pub(crate) fn stop(self) {
        // Pairs with the Acquire load in `feed_until`.
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().expect("a panic ends the process");
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
