//! Wake-ups that are collected and carried out together, at the price of one
//! system call a batch.
//!
//! A front end whose tasks are costly to wake one by one gives wakers that only
//! queue the task, and registers its queue here; whoever completes a batch of
//! oneshots flushes all queues behind it.

use std::sync::{Arc, OnceLock};

/// The doors to flush behind a batch of answers: each wakes the waiters that
/// were queued with it, at the price of one system call a batch.
#[derive(Clone, Default)]
pub struct WakeQueues(Arc<OnceLock<Vec<Arc<dyn WakeQueue>>>>);

/// A door that collects wake-ups.
pub trait WakeQueue: Send + Sync {
    /// Wakes everyone whose waker has been called since the last flush. Must
    /// not block; called from any thread.
    fn flush(&self);
}

impl WakeQueues {
    /// Names the doors, once, before the first order comes.
    ///
    /// # Panics
    /// If they were named before.
    pub fn register(&self, wake_queues: Vec<Arc<dyn WakeQueue>>) {
        assert!(self.0.set(wake_queues).is_ok(), "registered once");
    }

    /// Flushes every door.
    pub fn flush(&self) {
        for door in self.0.get().into_iter().flatten() {
            door.flush();
        }
    }
}
