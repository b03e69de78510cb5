//! The deadlines of all slots, and the thread that sleeps until the earliest.
//!
//! # Why no deadline is missed
//!
//! The timer thread publishes until when it will sleep, passes a SeqCst fence
//! and reads the deadlines. A connection that arms its slot writes the deadline,
//! passes a SeqCst fence and reads until when the thread sleeps. One of the two
//! fences comes first: either the thread sees the deadline, or the connection
//! sees that the thread would sleep past it, and the thread's handle, and
//! unparks it.

use crate::sync::primitive::{AtomicBool, AtomicU64, OnceLock, Ordering, Thread, current, fence};

/// The deadline of a slot that isn't armed.
pub(super) const NEVER: u64 = u64::MAX;

/// Times are in milliseconds since an epoch of the caller's.
pub(super) struct Deadlines {
    /// Each written by its slot's connection, set to `NEVER` by the timer
    /// thread when it has passed.
    slots_ms: Box<[AtomicU64]>,
    /// Until when the thread sleeps.
    sleeps_until_ms: AtomicU64,
    thread: OnceLock<Thread>,
    stopping: AtomicBool,
}

impl Deadlines {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots_ms: (0..slots).map(|_| AtomicU64::new(NEVER)).collect(),
            sleeps_until_ms: AtomicU64::new(0),
            thread: OnceLock::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Makes sure that the slot's deadline is `at_ms`, or before.
    pub(super) fn arm(&self, slot: usize, at_ms: u64) {
        let deadline = &self.slots_ms[slot];
        if deadline.load(Ordering::Relaxed) <= at_ms {
            return;
        }
        deadline.store(at_ms, Ordering::Relaxed);
        // Pairs with the fence in `publish_sleep`.
        fence(Ordering::SeqCst);
        if at_ms < self.sleeps_until_ms.load(Ordering::Relaxed) {
            self.unpark();
        }
    }

    pub(super) fn disarm(&self, slot: usize) {
        self.slots_ms[slot].store(NEVER, Ordering::Relaxed);
    }

    /// Ends the timer thread's loop.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Pairs with the fence in `begin`.
        fence(Ordering::SeqCst);
        self.unpark();
    }

    /// For the timer thread, before all else.
    pub(super) fn begin(&self) {
        self.thread.get_or_init(current);
        // Pairs with the fence in `stop`: either the handle is seen there, or
        // `stopping` is seen here.
        fence(Ordering::SeqCst);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Disarms the slots whose deadline has passed at `now_ms`, and has them
    /// woken.
    pub(super) fn expire(&self, now_ms: u64, wake: impl Fn(usize)) {
        for (slot, deadline) in self.slots_ms.iter().enumerate() {
            let seen = deadline.load(Ordering::Relaxed);
            if seen > now_ms {
                continue;
            }
            // The exchange fails if the connection has armed another deadline
            // meanwhile, which `publish_sleep` finds.
            let disarmed =
                deadline.compare_exchange(seen, NEVER, Ordering::Relaxed, Ordering::Relaxed);
            if disarmed.is_ok() {
                wake(slot);
            }
        }
    }

    /// Publishes until when the timer thread will sleep: the earliest deadline,
    /// also of those armed meanwhile.
    pub(super) fn publish_sleep(&self) -> u64 {
        let mut until = self.earliest();
        loop {
            self.sleeps_until_ms.store(until, Ordering::Relaxed);
            // Pairs with the fence in `arm`.
            fence(Ordering::SeqCst);
            let earliest = self.earliest();
            if earliest >= until {
                return until;
            }
            until = earliest;
        }
    }

    fn earliest(&self) -> u64 {
        let deadlines = self.slots_ms.iter();
        let deadlines = deadlines.map(|deadline| deadline.load(Ordering::Relaxed));
        deadlines.min().unwrap_or(NEVER)
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}
