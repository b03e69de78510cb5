//! Acknowledged orders that wait for a slot in the intake queue: those from the
//! pending file, and those that the processor has returned.
//!
//! An acknowledged order must get an outcome, so [`Verdict::Retry`] doesn't
//! withdraw it: the processor gets it again, after [`RETRY_PAUSE`]. All together
//! are tried not more often than once in [`RETRY_SPACING`] while the trouble
//! lasts; each that gets through halves that time.
//!
//! [`Verdict::Retry`]: crate::pipeline::processor::Verdict::Retry

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::pipeline::in_flight::InFlight;

/// How long after a `Retry` a pending order is tried again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The least time between two such tries, after one that came to nothing.
pub(crate) const RETRY_SPACING: Duration = Duration::from_millis(10);

/// Less than this between two tries is none.
const SPACING_MIN: Duration = Duration::from_micros(100);

/// Bounded by what can be inside: all orders in it are.
#[derive(Default)]
pub(crate) struct PendingQueue {
    queues: Mutex<Queues>,
    /// Pending orders without an outcome, wherever they are.
    open: AtomicUsize,
    /// Other orders that the processor has returned, likewise.
    returned: AtomicUsize,
    /// Orders without an outcome are kept for the next process.
    kept: AtomicBool,
}

#[derive(Default)]
struct Queues {
    first: VecDeque<Arc<InFlight>>,
    /// Orders to be tried again, with the time for it, soonest first.
    retries: VecDeque<(Instant, Arc<InFlight>)>,
    /// When the next retry may start.
    next_retry: Option<Instant>,
    /// The time between two retries now.
    spacing: Duration,
    /// The thread that feeds them, while it runs.
    feeder: Option<Thread>,
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

    /// An order has its outcome, whether it was here or not.
    pub(crate) fn committed(&self, job: &InFlight) {
        if job.pending {
            // Pairs with the Acquire load in `open`.
            self.open.fetch_sub(1, Ordering::Release);
        }
        if job.retried.load(Ordering::Relaxed) {
            self.trouble_passes();
        }
        self.withdrawn(job);
    }

    /// An order is withdrawn, whether it was here or not. A pending one stays in
    /// the file, and open.
    pub(crate) fn withdrawn(&self, job: &InFlight) {
        if !job.pending && job.retried.load(Ordering::Relaxed) {
            self.returned.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Pending and returned orders without an outcome that are not here: fed, or
    /// with the ledger.
    pub(crate) fn fed(&self) -> usize {
        let queues = self.queues();
        let here = queues.first.len() + queues.retries.len();
        // Relaxed: increased under the lock.
        let returned = self.returned.load(Ordering::Relaxed);
        (self.open() + returned).saturating_sub(here)
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
        let mut queues = self.queues();
        if !job.retried.swap(true, Ordering::Relaxed) && !job.pending {
            self.returned.fetch_add(1, Ordering::Relaxed);
        }
        queues.spacing = RETRY_SPACING;
        queues.retries.push_back((at, job));
        // Otherwise the feeder wakes for the one in front.
        if queues.retries.len() == 1
            && let Some(feeder) = &queues.feeder
        {
            feeder.unpark();
        }
    }

    /// An order that was tried again has its outcome.
    pub(super) fn trouble_passes(&self) {
        let mut queues = self.queues();
        queues.spacing = match queues.spacing / 2 {
            spacing if spacing < SPACING_MIN => Duration::ZERO,
            spacing => spacing,
        };
    }

    /// Takes an order that waits to be tried again.
    pub(crate) fn take_retry(&self) -> Option<Arc<InFlight>> {
        self.queues().retries.pop_front().map(|(_, job)| job)
    }

    /// The next order whose retry is late by as long as it had to wait: it gets
    /// a slot that others would get otherwise.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Arc<InFlight>> {
        let mut queues = self.queues();
        let (at, _) = queues.retries.front()?;
        if now < *at + RETRY_PAUSE || queues.next_retry.is_some_and(|next| now < next) {
            return None;
        }
        queues.next_retry = Some(now + queues.spacing);
        queues.retries.pop_front().map(|(_, job)| job)
    }

    /// Says that orders which are withdrawn are kept for the next process.
    pub(crate) fn set_kept(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether they are: then nothing is tried again once the gate is closed.
    pub(crate) fn is_kept(&self) -> bool {
        // Relaxed: set before the gate opens.
        self.kept.load(Ordering::Relaxed)
    }

    /// Makes the calling thread the feeder.
    pub(crate) fn set_feeder(&self) {
        self.queues().feeder = Some(thread::current());
    }

    /// Wakes the feeder, for a gate that has been closed.
    pub(crate) fn wake_feeder(&self) {
        if let Some(feeder) = &self.queues().feeder {
            feeder.unpark();
        }
    }

    /// Visits all orders that are here.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Arc<InFlight>)) {
        let queues = self.queues();
        queues.first.iter().for_each(&mut visit);
        queues.retries.iter().for_each(|(_, job)| visit(job));
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
        queues.next_retry = Some(now + queues.spacing);
        match queues.retries.pop_front() {
            Some((_, job)) => NextPending::Order(job),
            None => NextPending::Nothing,
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().expect("a panic ends the process")
    }
}
