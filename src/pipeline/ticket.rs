//! What a submitter waits on: a place for one value, and a waker.
//!
//! One kind serves every door. The waker is the standard library's, so that a
//! coroutine, an async task and a plain thread wait alike; a door that wants
//! to be woken once a batch gives wakers that only queue, and adds itself to
//! the [`Doors`] that are flushed behind a batch.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    task::Waker,
};

use super::wake::Haste;
use crate::ledger::Outcome;

/// Why an admitted order got no outcome. Its id is free again, and sending it
/// again is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// The processor met a passing trouble, named here.
    Retry(Arc<str>),
    /// The drain deadline passed first.
    Drain,
    /// The ledger failed; whether the order is in it is not known.
    Ledger,
}

/// What an order's way through the pipeline came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Committed.
    Committed(Outcome),
    /// Withdrawn: no outcome.
    Withdrawn(Withdrawal),
}

/// A value to come, written once, and who wants to know.
pub struct Promise<T> {
    value: OnceLock<T>,
    waker: Option<Waker>,
}

/// A promise of an answer.
pub type Waiter = Promise<Answer>;

impl<T> Promise<T> {
    /// A promise that wakes `waker` when kept; without one, nobody waits.
    pub fn new(waker: Option<Waker>) -> Self {
        Self {
            value: OnceLock::new(),
            waker,
        }
    }

    /// How soon the value is wanted.
    pub fn haste(&self) -> Haste {
        match self.waker {
            Some(_) => Haste::Now,
            None => Haste::CanWait,
        }
    }

    /// The value, once it is there.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Keeps the promise and wakes the waiter. The first value stands.
    pub fn keep(&self, value: T) {
        if self.value.set(value).is_ok()
            && let Some(waker) = &self.waker
        {
            wake(waker);
        }
    }
}

/// Wakes whoever gave the waker, which may be anybody. One that panics is told
/// of, and harms nobody else.
pub(super) fn wake(waker: &Waker) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref())) {
        std::mem::forget(panic); // dropping it may panic again
        tracing::error!("a waker panicked; whoever waits behind it may not hear of an answer");
    }
}

/// The doors to flush behind a batch of answers: each wakes the waiters that
/// were queued with it, at the price of one system call a batch.
#[derive(Clone, Default)]
pub struct Doors(Arc<OnceLock<Vec<Arc<dyn Flush>>>>);

/// A door that collects wake-ups.
pub trait Flush: Send + Sync {
    /// Wakes everyone whose waker has been called since the last flush. Must
    /// not block; called from any thread.
    fn flush(&self);
}

impl Doors {
    /// Names the doors, once, before the first order comes.
    ///
    /// # Panics
    /// If they were named before.
    pub fn open(&self, doors: Vec<Arc<dyn Flush>>) {
        assert!(self.0.set(doors).is_ok(), "doors are opened once");
    }

    /// Flushes every door.
    pub fn flush(&self) {
        for door in self.0.get().into_iter().flatten() {
            door.flush();
        }
    }
}

#[cfg(test)]
mod tests;
