//! A value to come, written once, and the waker of the task that waits for it.
//!
//! The waker is the standard library's, so that a coroutine, an async task and
//! a plain thread wait alike.

use std::task::Waker;

use crate::sync::parking::Urgency;
use crate::sync::primitive::OnceLock;

pub struct Oneshot<T> {
    value: OnceLock<T>,
    waker: Option<Waker>,
}

impl<T> Oneshot<T> {
    /// A oneshot that wakes `waker` when it is completed; without one, nobody
    /// waits.
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

    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Sets the value and wakes the waiter. A second value is dropped.
    pub fn complete(&self, value: T) {
        if self.value.set(value).is_ok()
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}
