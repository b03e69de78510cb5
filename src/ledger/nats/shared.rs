//! What the committer and the NATS thread share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crossbeam_queue::ArrayQueue;
use tokio::sync::Notify;

use crate::ledger::{Completion, Unavailable, Wake};

/// Orders that the ledger may hold: no more than a batch of the journal, for
/// which the tables of claims have space.
pub(super) const ORDERS_MAX: usize = crate::ledger::journal::BATCH_ORDERS_MAX;

/// The queues never overflow: the committer counts what is in one of them or in
/// flight.
pub(super) struct Shared<T> {
    /// From the committer.
    pub(super) submitted: ArrayQueue<T>,
    /// Tells the NATS thread that there are some, or that the committer is gone.
    pub(super) arrived: Notify,
    /// To the committer.
    pub(super) completed: ArrayQueue<Completion<T>>,
    /// Whether orders can be taken: written by the NATS thread.
    availability: AtomicU8,
    /// Why the ledger has failed; set when all that was in flight is in
    /// `completed`.
    pub(super) failed: OnceLock<String>,
    /// The committer is gone.
    pub(super) closed: AtomicBool,
    pub(super) wake: Wake,
}

impl<T> Shared<T> {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            submitted: ArrayQueue::new(ORDERS_MAX),
            arrived: Notify::new(),
            completed: ArrayQueue::new(ORDERS_MAX),
            availability: AtomicU8::new(0),
            failed: OnceLock::new(),
            closed: AtomicBool::new(false),
            wake,
        }
    }

    pub(super) fn unavailable(&self) -> Option<Unavailable> {
        // Relaxed: it is a level, and the committer is woken when it changes.
        match self.availability.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Unavailable::Full),
            _ => Some(Unavailable::Away),
        }
    }

    pub(super) fn set_unavailable(&self, why: Option<Unavailable>) {
        let level = match why {
            None => 0,
            Some(Unavailable::Full) => 1,
            Some(Unavailable::Away) => 2,
        };
        self.availability.store(level, Ordering::Relaxed);
    }

    pub(super) fn complete(&self, completion: Completion<T>) {
        let fits = self.completed.push(completion).is_ok();
        assert!(fits, "no more are in flight than the queue holds");
    }
}
