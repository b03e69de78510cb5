//! The deadline of a connection, which the crate knows nothing of.
//!
//! # Why no connection outlives its deadline
//!
//! The crate waits in two ways: for the next event of the socket, and for bytes
//! of a body. Shutting the socket down is an event, and makes each read the end
//! of the stream, upon which the crate drops the connection. So a connection
//! has a deadline at all times, but while its request is executed, which has
//! one of its own; the timer thread has it checked on the connection's I/O
//! thread.
//!
//! # Events that the crate loses
//!
//! Events are edge-triggered, and each read of a body's bytes first forgets
//! those that have come. If the client's end of stream or its next request was
//! announced with these bytes, the crate waits for an event that has been. So
//! [`CHECK`] after each request the socket is looked at: if something is there
//! to be read, the crate has lost its event, and is woken for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use may::coroutine::Coroutine;

use crate::clock;
use crate::http::minihttp::socket::Socket;
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::{TimerSlot, Timers};

/// When after a request the socket is looked at.
const CHECK: Duration = Duration::from_secs(1);
/// What is left, at the deadline or after a refusal, for a last reply to be
/// sent and received.
const LINGER: Duration = Duration::from_secs(2);
/// No deadline.
const NEVER: u64 = u64::MAX;

/// The deadline of one connection. Set on the connection's coroutine, checked
/// on its I/O thread.
pub(super) struct ConnectionDeadline {
    /// `None` once the connection has ended. Locked for a system call each, and
    /// across no point where a coroutine parks.
    socket: Mutex<Option<Socket>>,
    opened: Instant,
    /// In milliseconds since it was opened.
    until_ms: AtomicU64,
    /// Nothing more is read, and the deadline is the last.
    ending: AtomicBool,
    /// The connection is being ended since its time was over.
    passed: AtomicBool,
    /// The connection's coroutine, for its waits while a request is executed.
    coroutine: OnceLock<Coroutine>,
    timer: Option<TimerSlot>,
}

impl ConnectionDeadline {
    /// A deadline for the connection of this socket; `None` if no timer slot is
    /// free.
    pub(super) fn start(
        socket: Socket,
        timeout: Duration,
        timers: &Arc<Timers>,
        run_queues: &RunQueues,
    ) -> Option<Arc<Self>> {
        let deadline = Arc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            let waker = run_queues.calling_waker(socket.descriptor(), move || {
                // The connection may have ended meanwhile.
                if let Some(deadline) = weak.upgrade() {
                    deadline.check();
                }
            });
            Self {
                socket: Mutex::new(Some(socket)),
                opened: Instant::now(),
                until_ms: AtomicU64::new(NEVER),
                ending: AtomicBool::new(false),
                passed: AtomicBool::new(false),
                coroutine: OnceLock::new(),
                timer: timers.take(waker),
            }
        });
        deadline.timer.as_ref()?;
        deadline.set(timeout);
        Some(deadline)
    }

    /// The connection has this time from now on. Without effect once it is
    /// being ended.
    pub(super) fn set(&self, timeout: Duration) {
        if self.ending.load(Ordering::Relaxed) {
            return;
        }
        let now = clock::deadline(Duration::ZERO);
        self.store(now, timeout);
        self.arm(now + timeout.min(CHECK));
    }

    /// A request is executed: its own deadlines hold.
    pub(super) fn suspend(&self) {
        if !self.ending.load(Ordering::Relaxed) {
            self.until_ms.store(NEVER, Ordering::Relaxed);
        }
    }

    /// Has the connection's coroutine unparked at `at`, or before.
    pub(super) fn unpark_at(&self, at: Instant, coroutine: impl FnOnce() -> Coroutine) {
        self.coroutine.get_or_init(coroutine);
        self.arm(at);
    }

    /// Whether the time of the connection was over before it ended.
    pub(super) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }

    /// Nothing more is read; a last reply may still be sent.
    pub(super) fn end(&self) {
        if !self.ending.swap(true, Ordering::Relaxed) {
            let now = Instant::now();
            self.store(now, LINGER);
            self.arm(now + LINGER);
        }
    }

    /// The crate is about to close the socket: it is not touched any more.
    pub(super) fn release(&self) {
        *self.socket() = None;
    }

    /// At the deadline, or before. On the connection's I/O thread.
    fn check(&self) {
        if let Some(coroutine) = self.coroutine.get() {
            coroutine.unpark(); // without effect unless it has parked
        }
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        if until_ms == NEVER {
            return;
        }
        let guard = self.socket();
        let Some(socket) = *guard else { return };
        let until = self.opened + Duration::from_millis(until_ms);
        if Instant::now() < until {
            if socket.is_readable() {
                socket.nudge();
            }
            drop(guard);
            self.arm(until);
        } else if self.ending.load(Ordering::Relaxed) {
            socket.shut_down();
        } else {
            self.passed.store(true, Ordering::Relaxed);
            socket.shut_down_reading();
            drop(guard);
            self.end();
        }
    }

    fn store(&self, now: Instant, timeout: Duration) {
        let until = now.saturating_duration_since(self.opened) + timeout;
        // Rounded up: no connection ends before its time.
        let until_ms = until.as_millis() as u64 + 1;
        self.until_ms.store(until_ms, Ordering::Relaxed);
    }

    fn arm(&self, at: Instant) {
        if let Some(timer) = &self.timer {
            timer.arm(at);
        }
    }

    fn socket(&self) -> MutexGuard<'_, Option<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
