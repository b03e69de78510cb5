//! The requests of a stream that have no response, in order.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::admission::Admission;
use crate::grpc::limits::{STREAM_ORDER_BYTES_MAX, STREAM_ORDERS_MAX};
use crate::grpc::proto::SubmitStreamResponse;
use crate::grpc::stream::entry::Entry;

#[derive(Default)]
pub(super) struct ResponseQueue {
    entries: VecDeque<Entry>,
    /// The sum of the entries' [`Entry::order_bytes`].
    order_bytes: usize,
}

impl ResponseQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether another request may be read.
    pub(super) fn has_capacity(&self) -> bool {
        self.entries.len() < STREAM_ORDERS_MAX && self.order_bytes < STREAM_ORDER_BYTES_MAX
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.order_bytes += entry.order_bytes();
        self.entries.push_back(entry);
    }

    /// Whether [`pop`](Self::pop) has a response.
    pub(super) fn is_ready(&self) -> bool {
        self.entries.front().is_some_and(Entry::is_ready)
    }

    /// When to try [`pop`](Self::pop) again at the latest, if nothing wakes the
    /// stream before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.entries.front().and_then(Entry::deadline)
    }

    /// The response to the first request, if it is there.
    pub(super) fn pop(&mut self, admission: &Admission) -> Option<SubmitStreamResponse> {
        let front = self.entries.front_mut()?;
        let response = front.take_response(admission)?;
        self.order_bytes -= front.order_bytes();
        self.entries.pop_front();
        Some(response)
    }
}
