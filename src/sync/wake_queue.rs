//! Wake-ups that are collected and carried out together, for the price of one
//! system call a batch.
//!
//! A front end whose tasks are costly to wake one by one hands out wakers that
//! only queue the task, and registers its queue here. The thread that completes a
//! batch of oneshots flushes all queues behind it.

use std::sync::{Arc, OnceLock};

/// A queue of tasks to wake.
pub trait WakeQueue: Send + Sync {
    /// Wakes every task whose waker was called since the last flush. Must not
    /// block; called from any thread.
    fn flush(&self);
}

/// The wake queues of all front ends.
#[derive(Clone, Default)]
pub struct WakeQueues(Arc<OnceLock<Vec<Arc<dyn WakeQueue>>>>);

impl WakeQueues {
    /// Names the queues, before the first order comes.
    ///
    /// # Panics
    /// When called twice.
    pub fn register(&self, wake_queues: Vec<Arc<dyn WakeQueue>>) {
        assert!(self.0.set(wake_queues).is_ok(), "registered once");
    }

    pub fn flush(&self) {
        for queue in self.0.get().into_iter().flatten() {
            queue.flush();
        }
    }
}
