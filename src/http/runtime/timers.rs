//! Timers for coroutines that wait in `wait_io`, which has none of its own.
//!
//! A seat for each connection holds the time at which it wants to be woken.
//! One thread, the sweeper, sleeps until the earliest of them. Setting a
//! deadline later than the one that is armed costs a load: the seat stays
//! armed for the earlier time, and the connection that is woken too early arms
//! it again. So a busy connection pays next to nothing, and an idle server
//! wakes about once per timeout.
//!
//! # Why no deadline is missed
//!
//! The sweeper publishes the time it will sleep to, passes a SeqCst fence and
//! looks at the seats; who arms a seat writes it, passes a SeqCst fence and
//! looks at that time. One of the two fences comes first: either the sweeper
//! sees the seat, or the seat's owner sees that the sweeper would sleep too
//! long and unparks it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Wake;
use std::thread;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

use crate::http::runtime::run_queue::{RunQueues, TaskWaker};
use crate::sync::wake_queue::WakeQueue;

/// Nothing to wake for.
const NEVER: u64 = u64::MAX;

struct Seat {
    /// When to wake, in milliseconds since `epoch`. Written by the seat's
    /// connection, set to `NEVER` by the sweeper when it has woken it.
    at: AtomicU64,
    /// Whom to wake. Locked when a connection comes or goes, and by the
    /// sweeper when a deadline has passed.
    task_waker: Mutex<Option<Arc<TaskWaker>>>,
}

/// The seats and the sweeper.
pub(crate) struct Timers {
    seats: Box<[Seat]>,
    free: ArrayQueue<u32>,
    epoch: Instant,
    /// Until when the sweeper sleeps, in milliseconds since `epoch`.
    sleeps_until: AtomicU64,
    sweeper: OnceLock<Thread>,
    stop: AtomicBool,
    run_queues: Arc<RunQueues>,
}

/// A seat taken by one connection; given back when dropped.
pub(crate) struct TimerSlot {
    timers: Arc<Timers>,
    seat: u32,
}

impl Timers {
    /// So many seats, and a running sweeper that wakes through `run_queues`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(seats: usize, run_queues: Arc<RunQueues>) -> std::io::Result<Arc<Self>> {
        let free = ArrayQueue::new(seats);
        for seat in 0..seats as u32 {
            free.push(seat).expect("as large as there are seats");
        }
        let timers = Arc::new(Self {
            seats: (0..seats)
                .map(|_| Seat {
                    at: AtomicU64::new(NEVER),
                    task_waker: Mutex::new(None),
                })
                .collect(),
            free,
            epoch: Instant::now(),
            sleeps_until: AtomicU64::new(0),
            sweeper: OnceLock::new(),
            stop: AtomicBool::new(false),
            run_queues,
        });
        let sweeper = timers.clone();
        let thread = thread::Builder::new()
            .name("timers".into())
            .spawn(move || sweeper.sweep())?;
        timers.sweeper.get_or_init(|| thread.thread().clone());
        Ok(timers)
    }

    /// Takes a seat; `None` when all are taken.
    pub(crate) fn take(self: &Arc<Self>, task_waker: Arc<TaskWaker>) -> Option<TimerSlot> {
        let seat = self.free.pop()?;
        *self.task_waker(seat) = Some(task_waker);
        Some(TimerSlot {
            timers: self.clone(),
            seat,
        })
    }

    /// Wakes the connection in every seat, so that each looks around.
    pub(crate) fn wake_all(&self) {
        for seat in 0..self.seats.len() as u32 {
            if let Some(task_waker) = &*self.task_waker(seat) {
                task_waker.wake_by_ref();
            }
        }
        self.run_queues.flush();
    }

    /// Ends the sweeper.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.sweeper.get() {
            thread.unpark();
        }
    }

    fn task_waker(&self, seat: u32) -> std::sync::MutexGuard<'_, Option<Arc<TaskWaker>>> {
        self.seats[seat as usize]
            .task_waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, at: Instant) -> u64 {
        // Rounded up: a connection is never woken before its deadline.
        at.saturating_duration_since(self.epoch)
            .as_micros()
            .div_ceil(1000) as u64
    }

    fn sweep(&self) {
        while !self.stop.load(Ordering::Acquire) {
            let now = self.epoch.elapsed().as_millis() as u64;
            for (index, seat) in self.seats.iter().enumerate() {
                let at = seat.at.load(Ordering::Relaxed);
                // The exchange fails if the connection has set another time,
                // which is a later one or has its own unpark under way.
                if at <= now
                    && seat
                        .at
                        .compare_exchange(at, NEVER, Ordering::Relaxed, Ordering::Relaxed)
                        .is_ok()
                    && let Some(task_waker) = &*self.task_waker(index as u32)
                {
                    task_waker.wake_by_ref();
                }
            }
            self.run_queues.flush();
            let mut until = self.earliest();
            loop {
                self.sleeps_until.store(until, Ordering::Relaxed);
                // Pairs with the fence in `TimerSlot::arm`.
                fence(Ordering::SeqCst);
                let earliest = self.earliest();
                if earliest >= until {
                    break;
                }
                until = earliest;
            }
            if until == NEVER {
                thread::park();
            } else {
                let now = self.epoch.elapsed().as_millis() as u64;
                thread::park_timeout(Duration::from_millis(until.saturating_sub(now)));
            }
        }
    }

    fn earliest(&self) -> u64 {
        let times = self
            .seats
            .iter()
            .map(|seat| seat.at.load(Ordering::Relaxed));
        times.min().unwrap_or(NEVER)
    }
}

impl TimerSlot {
    /// Makes sure that the connection is woken at `at`, or before.
    pub(crate) fn arm(&self, at: Instant) {
        let seat = &self.timers.seats[self.seat as usize];
        let at = self.timers.millis(at);
        if seat.at.load(Ordering::Relaxed) <= at {
            return;
        }
        seat.at.store(at, Ordering::Relaxed);
        // Pairs with the fence in `Timers::sweep`.
        fence(Ordering::SeqCst);
        if at < self.timers.sleeps_until.load(Ordering::Relaxed)
            && let Some(sweeper) = self.timers.sweeper.get()
        {
            sweeper.unpark();
        }
    }
}

impl Drop for TimerSlot {
    fn drop(&mut self) {
        let seat = &self.timers.seats[self.seat as usize];
        seat.at.store(NEVER, Ordering::Relaxed);
        *self.timers.task_waker(self.seat) = None;
        self.timers
            .free
            .push(self.seat)
            .expect("there is room for every seat");
    }
}
