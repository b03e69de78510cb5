//! Timers for coroutines that wait in `wait_io`, which has none of its own.
//!
//! A slot for each connection holds the deadline at which it wants to be woken.
//! One thread, the timer thread, sleeps until the earliest of them. Setting a
//! deadline later than the one that is armed costs a load: the slot stays armed
//! for the earlier one, and the connection that is woken too early arms it
//! again. So a busy connection pays next to nothing, and an idle server wakes
//! about once per timeout.
//!
//! # Why no deadline is missed
//!
//! The timer thread publishes until when it will sleep, passes a SeqCst fence
//! and reads the slots. A connection that arms its slot writes the deadline,
//! passes a SeqCst fence and reads until when the timer thread sleeps. One of
//! the two fences comes first: either the timer thread sees the deadline, or
//! the connection sees that the timer thread would sleep past it and unparks
//! it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Wake;
use std::thread;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

use crate::http::runtime::run_queue::{RunQueues, TaskWaker};
use crate::sync::crash;
use crate::sync::wake_queue::WakeQueue;

/// The deadline of a slot that isn't armed.
const NEVER: u64 = u64::MAX;

/// The slots, and the thread that wakes the connections in them.
pub(crate) struct Timers {
    slots: Box<[Slot]>,
    /// Indices of slots that no connection has.
    free: ArrayQueue<u32>,
    epoch: Instant,
    /// Until when the timer thread sleeps, in milliseconds since `epoch`.
    sleeps_until_ms: AtomicU64,
    thread: OnceLock<Thread>,
    stopping: AtomicBool,
    run_queues: Arc<RunQueues>,
}

struct Slot {
    /// In milliseconds since `epoch`. Written by the slot's connection, set to
    /// `NEVER` by the timer thread when it wakes the connection.
    deadline_ms: AtomicU64,
    /// Locked when a connection comes or goes, and by the timer thread when a
    /// deadline has passed.
    task_waker: Mutex<Option<Arc<TaskWaker>>>,
}

impl Slot {
    fn task_waker(&self) -> MutexGuard<'_, Option<Arc<TaskWaker>>> {
        self.task_waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if let Some(task_waker) = &*self.task_waker() {
            task_waker.wake_by_ref();
        }
    }
}

impl Timers {
    /// As many slots as asked for, and a running timer thread that wakes
    /// through `run_queues`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(slots: usize, run_queues: Arc<RunQueues>) -> io::Result<Arc<Self>> {
        let free = ArrayQueue::new(slots);
        for index in 0..slots as u32 {
            free.push(index).expect("as large as there are slots");
        }
        let timers = Arc::new(Self {
            slots: (0..slots)
                .map(|_| Slot {
                    deadline_ms: AtomicU64::new(NEVER),
                    task_waker: Mutex::new(None),
                })
                .collect(),
            free,
            epoch: Instant::now(),
            sleeps_until_ms: AtomicU64::new(0),
            thread: OnceLock::new(),
            stopping: AtomicBool::new(false),
            run_queues,
        });
        let running = timers.clone();
        let thread = crash::spawn("timers", move || running.run())?;
        timers.thread.get_or_init(|| thread.thread().clone());
        Ok(timers)
    }

    /// Takes a slot; `None` when all are taken.
    pub(crate) fn take(self: &Arc<Self>, task_waker: Arc<TaskWaker>) -> Option<TimerSlot> {
        let index = self.free.pop()?;
        *self.slots[index as usize].task_waker() = Some(task_waker);
        Some(TimerSlot {
            timers: self.clone(),
            index,
        })
    }

    /// Wakes the connection in every slot, so that each checks the service's
    /// state.
    pub(crate) fn wake_all(&self) {
        for slot in &self.slots {
            slot.wake();
        }
        self.run_queues.flush();
    }

    /// Ends the timer thread.
    pub(crate) fn stop(&self) {
        // Pairs with the load in `run`.
        self.stopping.store(true, Ordering::Release);
        self.unpark();
    }

    /// The timer thread.
    fn run(&self) {
        while !self.stopping.load(Ordering::Acquire) {
            self.wake_expired();
            self.run_queues.flush();
            let until = self.publish_sleep();
            if until == NEVER {
                thread::park();
            } else {
                let sleep_ms = until.saturating_sub(self.now_ms());
                thread::park_timeout(Duration::from_millis(sleep_ms));
            }
        }
    }

    fn wake_expired(&self) {
        let now = self.now_ms();
        for slot in &self.slots {
            let deadline = slot.deadline_ms.load(Ordering::Relaxed);
            if deadline > now {
                continue;
            }
            // The exchange fails if the connection has armed another deadline
            // meanwhile, which `publish_sleep` finds.
            let disarmed = slot.deadline_ms.compare_exchange(
                deadline,
                NEVER,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if disarmed.is_ok() {
                slot.wake();
            }
        }
    }

    /// Publishes until when the timer thread will sleep: the earliest deadline,
    /// also of those armed meanwhile.
    fn publish_sleep(&self) -> u64 {
        let mut until = self.earliest();
        loop {
            self.sleeps_until_ms.store(until, Ordering::Relaxed);
            // Pairs with the fence in `TimerSlot::arm`.
            fence(Ordering::SeqCst);
            let earliest = self.earliest();
            if earliest >= until {
                return until;
            }
            until = earliest;
        }
    }

    fn earliest(&self) -> u64 {
        let deadlines = self
            .slots
            .iter()
            .map(|slot| slot.deadline_ms.load(Ordering::Relaxed));
        deadlines.min().unwrap_or(NEVER)
    }

    fn now_ms(&self) -> u64 {
        whole_millis(self.epoch.elapsed())
    }

    /// Rounded up, where `now_ms` is rounded down: no connection is woken
    /// before its deadline.
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        let part = u64::from(!since.subsec_nanos().is_multiple_of(1_000_000));
        whole_millis(since).saturating_add(part)
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// `Duration::as_millis` is 128 bits wide.
fn whole_millis(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(1000)
        .saturating_add(u64::from(time.subsec_millis()))
}

/// The slot of one connection; released when dropped.
pub(crate) struct TimerSlot {
    timers: Arc<Timers>,
    index: u32,
}

impl TimerSlot {
    /// Makes sure that the connection is woken at `at`, or before.
    pub(crate) fn arm(&self, at: Instant) {
        let slot = self.slot();
        let at = self.timers.millis(at);
        if slot.deadline_ms.load(Ordering::Relaxed) <= at {
            return;
        }
        slot.deadline_ms.store(at, Ordering::Relaxed);
        // Pairs with the fence in `Timers::publish_sleep`.
        fence(Ordering::SeqCst);
        if at < self.timers.sleeps_until_ms.load(Ordering::Relaxed) {
            self.timers.unpark();
        }
    }

    fn slot(&self) -> &Slot {
        &self.timers.slots[self.index as usize]
    }
}

impl Drop for TimerSlot {
    fn drop(&mut self) {
        let slot = self.slot();
        slot.deadline_ms.store(NEVER, Ordering::Relaxed);
        *slot.task_waker() = None;
        let freed = self.timers.free.push(self.index);
        freed.expect("there is space for every slot");
    }
}
