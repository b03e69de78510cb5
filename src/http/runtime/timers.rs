//! Timers for coroutines that wait in `wait_io`, which has none of its own.
//!
//! A slot for each connection holds the deadline at which it wants to be woken.
//! One thread, the timer thread, sleeps until the earliest of them. Setting a
//! deadline later than the one that is armed costs a load: the slot stays armed
//! for the earlier one, and the connection that is woken too early arms it
//! again. So a busy connection pays next to nothing, and an idle server wakes
//! about once per timeout.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

use crate::http::runtime::deadlines::{Deadlines, NEVER};
use crate::http::runtime::run_queue::{RunQueues, TaskWaker};
use crate::sync::crash;
use crate::sync::wake_queue::WakeQueue;

/// The slots, and the thread that wakes the connections in them.
pub(crate) struct Timers {
    slots: Box<[Slot]>,
    /// In milliseconds since `epoch`.
    deadlines: Deadlines,
    /// Indices of slots that no connection has.
    free: ArrayQueue<u32>,
    epoch: Instant,
    run_queues: Arc<RunQueues>,
}

struct Slot {
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
                    task_waker: Mutex::new(None),
                })
                .collect(),
            deadlines: Deadlines::new(slots),
            free,
            epoch: Instant::now(),
            run_queues,
        });
        let running = timers.clone();
        crash::spawn("timers", move || running.run())?;
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
        self.deadlines.stop();
    }

    /// The timer thread.
    fn run(&self) {
        self.deadlines.begin();
        while !self.deadlines.is_stopping() {
            self.deadlines
                .expire(self.now_ms(), |slot| self.slots[slot].wake());
            self.run_queues.flush();
            let until = self.deadlines.publish_sleep();
            if until == NEVER {
                thread::park();
            } else {
                let sleep_ms = until.saturating_sub(self.now_ms());
                thread::park_timeout(Duration::from_millis(sleep_ms));
            }
        }
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
        let at_ms = self.timers.millis(at);
        self.timers.deadlines.arm(self.index as usize, at_ms);
    }
}

impl Drop for TimerSlot {
    fn drop(&mut self) {
        let index = self.index as usize;
        self.timers.deadlines.disarm(index);
        *self.timers.slots[index].task_waker() = None;
        let freed = self.timers.free.push(self.index);
        freed.expect("there is space for every slot");
    }
}
