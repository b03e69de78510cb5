//! Tasks to wake, and the flag that spares their dispatcher a signal for each.
//!
//! A waker that the pipeline calls only puts its task on the queue; a flush
//! behind each batch signals the dispatcher, which wakes the tasks where that
//! is cheap.
//!
//! # Why no queued task is left asleep
//!
//! The thread that queues a task flushes afterwards. The flush skips the signal
//! only if `signalled` is set, that is, if the dispatcher was signalled and has
//! not begun to empty the queue: it clears the flag before it does. Both sides
//! swap the flag, and one swap comes first. Either the flush's is second: it
//! finds the flag clear and signals the dispatcher. Or the dispatcher's is: it
//! sees all that happened before the flush's, and so the task in the queue.

use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::sync::primitive::{AtomicBool, Ordering, SegQueue};

/// A task that a dispatcher wakes.
pub(crate) trait Task {
    /// Whether it is in the queue, so that it is there once at most.
    fn queued(&self) -> &AtomicBool;
}

pub(crate) struct DispatchQueue<T> {
    /// Each is in it once at most, so it never holds more than there are tasks.
    tasks: SegQueue<Arc<T>>,
    /// Whether the dispatcher has been signalled and has not begun yet.
    signalled: CachePadded<AtomicBool>,
}

impl<T> Default for DispatchQueue<T> {
    fn default() -> Self {
        Self {
            tasks: SegQueue::new(),
            signalled: CachePadded::new(AtomicBool::new(false)),
        }
    }
}

impl<T: Task> DispatchQueue<T> {
    /// Queues a task. [`flush`](Self::flush) must follow.
    pub(crate) fn push(&self, task: &Arc<T>) {
        // AcqRel, pairs with the swap in `dispatch`: a caller that finds it
        // queued knows that the dispatcher will wake it after seeing all that
        // the caller did before.
        if !task.queued().swap(true, Ordering::AcqRel) {
            self.tasks.push(task.clone());
        }
    }

    /// Calls `signal` if there are tasks and the dispatcher must be signalled.
    pub(crate) fn flush(&self, signal: impl FnOnce()) {
        // AcqRel, pairs with the swap in `dispatch`.
        if !self.tasks.is_empty() && !self.signalled.swap(true, Ordering::AcqRel) {
            signal();
        }
    }

    /// For the dispatcher, when it was signalled: wakes the queued tasks.
    pub(crate) fn dispatch(&self, mut wake: impl FnMut(&T)) {
        // AcqRel, pairs with the swap in `flush`.
        self.signalled.swap(false, Ordering::AcqRel);
        // No more than were queued at the start: those that come meanwhile have
        // their own signal, and other tasks of the thread have a turn first.
        for _ in 0..self.tasks.len() {
            let Some(task) = self.tasks.pop() else {
                break;
            };
            // AcqRel, pairs with the swap in `push`, either way.
            task.queued().swap(false, Ordering::AcqRel);
            wake(&task);
        }
    }
}
