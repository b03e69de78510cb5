//! Orders from the pending file that wait for a slot in the intake queue.
//!
//! They were acknowledged by the last process, so [`Verdict::Retry`] doesn't
//! withdraw them: the processor gets them again, each after [`RETRY_PAUSE`],
//! and all together not more often than once in [`RETRY_SPACING`].
//!
//! [`Verdict::Retry`]: crate::pipeline::processor::Verdict::Retry

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::pipeline::in_flight::InFlight;

/// How long after a `Retry` a pending order is tried again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The least time between two such tries.
pub(crate) const RETRY_SPACING: Duration = Duration::from_millis(10);

/// Bounded by the number of orders in the pending file.
#[derive(Default)]
pub(crate) struct PendingQueue {
    queues: Mutex<Queues>,
    /// Pending orders without an outcome, wherever they are.
    open: AtomicUsize,
}

#[derive(Default)]
struct Queues {
    first: VecDeque<Arc<InFlight>>,
    /// Orders to be tried again, with the time for it, soonest first.
    retries: VecDeque<(Instant, Arc<InFlight>)>,
    /// When the next retry may start.
    next_retry: Option<Instant>,
}

/// What there is to feed.
pub(crate) enum NextPending {
    Order(Arc<InFlight>),
    /// Nothing before this time has passed.
    Later(Duration),
    Nothing,
}

impl PendingQueue {
    /// Pending orders that have no outcome yet.
    pub(crate) fn open(&self) -> usize {
        // Pairs with the Release in `committed`: an order that is not open any
        // more is in the journal.
        self.open.load(Ordering::Acquire)
    }

    /// Sets how many pending orders there are, before any of them is fed.
    pub(crate) fn set_open(&self, orders: usize) {
        self.open.store(orders, Ordering::Release);
    }

    /// One of the pending orders has its outcome.
    pub(crate) fn committed(&self) {
        // Pairs with the Acquire load in `open`.
        self.open.fetch_sub(1, Ordering::Release);
    }

    /// Those without an outcome that are not here: fed, or with the ledger.
    pub(crate) fn fed(&self) -> usize {
        let queues = self.queues();
        let here = queues.first.len() + queues.retries.len();
        self.open().saturating_sub(here)
    }

    pub(crate) fn put(&self, job: Arc<InFlight>) {
        self.queues().first.push_back(job);
    }

    /// Puts an order back that the intake queue refused.
    pub(crate) fn put_first(&self, job: Arc<InFlight>) {
        self.queues().first.push_front(job);
    }

    /// Has an order tried again, later.
    pub(crate) fn retry(&self, job: Arc<InFlight>) {
        let at = Instant::now() + RETRY_PAUSE;
        self.queues().retries.push_back((at, job));
    }

    /// Takes an order out, whatever it waits for.
    pub(crate) fn take(&self) -> Option<Arc<InFlight>> {
        let mut queues = self.queues();
        let first = queues.first.pop_front();
        first.or_else(|| queues.retries.pop_front().map(|(_, job)| job))
    }

    /// The next order that may be fed at `now`.
    pub(crate) fn next(&self, now: Instant) -> NextPending {
        let mut queues = self.queues();
        if let Some(job) = queues.first.pop_front() {
            return NextPending::Order(job);
        }
        let Some((at, _)) = queues.retries.front() else {
            return NextPending::Nothing;
        };
        let at = queues.next_retry.map_or(*at, |next| next.max(*at));
        if now < at {
            return NextPending::Later(at - now);
        }
        queues.next_retry = Some(now + RETRY_SPACING);
        match queues.retries.pop_front() {
            Some((_, job)) => NextPending::Order(job),
            None => NextPending::Nothing,
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().expect("a panic ends the process")
    }
}
