//! Watches a thread whose work should be quick, while it works: a thread that
//! hangs can't say so itself.
//!
//! The watchdog's thread looks once in `limit`, and parks when there was no work
//! since it looked last; so it costs an idle process nothing.
//!
//! # Why no work goes unwatched
//!
//! The worker counts the work that it begins, passes a SeqCst fence and reads
//! whether the watchdog sleeps. The watchdog says that it sleeps, passes a
//! SeqCst fence and reads the count. One of the two fences comes first: either
//! the watchdog sees the work, or the worker sees it asleep and unparks it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What there is to see of the work when none is under way.
const NONE: u64 = 0;

pub(crate) struct Watchdog {
    limit: Duration,
    epoch: Instant,
    /// When the work under way began, in milliseconds since `epoch` from 1 on,
    /// or [`NONE`]. Written by the worker.
    began_ms: AtomicU64,
    /// How often work began. Written by the worker.
    count: AtomicU64,
    asleep: AtomicBool,
    stopping: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Watchdog {
    /// For work that should take less than `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            epoch: Instant::now(),
            began_ms: AtomicU64::new(NONE),
            count: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }

    /// Makes the thread known that [runs](Self::run), before the worker starts.
    pub(crate) fn set_thread(&self, thread: &Thread) {
        self.thread.get_or_init(|| thread.clone());
    }

    /// The worker begins some work. For one thread, which goes on to
    /// [`end`](Self::end).
    pub(crate) fn begin(&self, now: Instant) {
        self.began_ms.store(self.millis(now), Ordering::Relaxed);
        let count = self.count.load(Ordering::Relaxed) + 1;
        // Release: the watchdog that sees the count sees when it began, or
        // something later.
        self.count.store(count, Ordering::Release);
        // Pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.unpark();
        }
    }

    /// The work is done.
    pub(crate) fn end(&self) {
        self.began_ms.store(NONE, Ordering::Relaxed);
    }

    /// The watchdog's thread: calls `on_slow` once for each piece of work that
    /// takes longer than the limit, with the time that it has taken, until
    /// [`stop`](Self::stop).
    pub(crate) fn run(&self, on_slow: impl Fn(Duration)) {
        let mut seen = 0;
        let mut reported = NONE;
        // Pairs with the store in `stop`.
        while !self.stopping.load(Ordering::Acquire) {
            let count = self.count.load(Ordering::Acquire);
            let began_ms = self.began_ms.load(Ordering::Relaxed);
            if began_ms == NONE && count == seen {
                self.sleep(seen);
                continue;
            }
            seen = count;
            let took = self.millis(Instant::now()).saturating_sub(began_ms);
            let took = Duration::from_millis(took);
            if began_ms != NONE && began_ms != reported && took >= self.limit {
                reported = began_ms;
                on_slow(took);
            }
            thread::park_timeout(self.limit);
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        // Pairs with the load in `run`.
        self.stopping.store(true, Ordering::Release);
        self.unpark();
    }

    /// Parks until there is work that is not among the `seen`.
    fn sleep(&self, seen: u64) {
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `begin`.
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) == seen && !self.stopping.load(Ordering::Acquire) {
            thread::park();
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        since.as_secs() * 1000 + u64::from(since.subsec_millis()) + 1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    fn started(limit: Duration) -> (Arc<Watchdog>, mpsc::Receiver<Duration>) {
        let watchdog = Arc::new(Watchdog::new(limit));
        let (report, reports) = mpsc::channel();
        let running = watchdog.clone();
        let thread = thread::spawn(move || running.run(|took| report.send(took).unwrap()));
        watchdog.set_thread(thread.thread());
        (watchdog, reports)
    }

    #[test]
    fn work_that_hangs_is_reported_while_it_does() {
        const LIMIT: Duration = Duration::from_millis(20);
        let (watchdog, reports) = started(LIMIT);
        for _ in 0..3 {
            watchdog.begin(Instant::now());
            // It doesn't end before it is reported.
            assert!(reports.recv().unwrap() >= LIMIT);
            watchdog.end();
        }
        watchdog.stop();
        assert!(reports.recv().is_err(), "once each, and the thread ends");
    }

    #[test]
    fn quick_work_is_not_reported() {
        let (watchdog, reports) = started(Duration::from_secs(3600));
        for _ in 0..1000 {
            watchdog.begin(Instant::now());
            watchdog.end();
        }
        watchdog.stop();
        assert!(reports.recv().is_err());
    }
}
