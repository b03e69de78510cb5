//! What bodies are held to, by the kind of request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::admission::Admission;
use crate::sync::memory_budget::MemoryBudget;

/// What all bodies are held to.
pub(crate) struct BodyRules {
    /// Counts what is refused.
    pub(crate) admission: Arc<Admission>,
    pub(crate) message_bytes_max: usize,
    pub(crate) timeout: Duration,
    pub(crate) bodies: Arc<MemoryBudget>,
}

/// How many messages a request has, and whether they are orders, whose refusals
/// are counted.
#[derive(Clone)]
pub(crate) enum RequestKind {
    OneMessage,
    OneOrder,
    Stream,
    /// A message over the limit is dropped and the stream goes on; the others end.
    OrderStream(DroppedMessages),
}

impl RequestKind {
    /// Whether messages may come whenever the client likes.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream | Self::OrderStream(_))
    }

    pub(super) fn has_orders(&self) -> bool {
        matches!(self, Self::OneOrder | Self::OrderStream(_))
    }
}

/// The messages of a stream that were dropped for their size, by number from 1.
/// Written by the body, read by the call that gets empty ones instead.
#[derive(Clone, Default)]
pub(crate) struct DroppedMessages(Arc<Mutex<VecDeque<u64>>>);

impl DroppedMessages {
    pub(super) fn push(&self, number: u64) {
        self.numbers().push_back(number);
    }

    /// Whether this message was dropped. To be called for each, once and in order.
    pub(crate) fn take(&self, number: u64) -> bool {
        let mut numbers = self.numbers();
        numbers.pop_front_if(|first| *first == number).is_some()
    }

    fn numbers(&self) -> MutexGuard<'_, VecDeque<u64>> {
        // Single pushes and pops: never half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
