//! A value to come, written once, and the waker of whoever waits for it.
//!
//! The waker is the standard library's, so that a coroutine, an async task and a plain thread
//! wait alike.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::task::Waker;

use crate::sync::parking::Urgency;

/// A value to come, and its waiter.
pub struct Oneshot<T> {
    value: OnceLock<T>,
    waker: Option<Waker>,
}

impl<T> Oneshot<T> {
    /// A promise that wakes `waker` when kept; without one, nobody waits.
    pub fn new(waker: Option<Waker>) -> Self {
        Self {
            value: OnceLock::new(),
            waker,
        }
    }

    /// How soon the value is wanted.
    pub fn urgency(&self) -> Urgency {
        match self.waker {
            Some(_) => Urgency::Now,
            None => Urgency::Deferred,
        }
    }

    /// The value, once it is there.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Keeps the promise and wakes the waiter. The first value stands.
    pub fn complete(&self, value: T) {
        if self.value.set(value).is_ok()
            && let Some(waker) = &self.waker
        {
            wake(waker);
        }
    }
}

/// Wakes whoever gave the waker, which may be anybody. One that panics is told
/// of, and harms nobody else.
pub(crate) fn wake(waker: &Waker) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref())) {
        std::mem::forget(panic); // dropping it may panic again
        tracing::error!("a waker panicked; whoever waits behind it may not hear of an answer");
    }
}
