//! Requests of a stream that have no response yet.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::admission::{Admission, Offered, Ticket};
use crate::grpc::proto::SubmitStreamResponse;
use crate::ledger::{Outcome, Read};
use crate::order::Order;
use crate::sync::oneshot::Oneshot;
use crate::sync::watch_list::Watch;

/// A request without a response yet.
pub(super) struct Entry {
    pub(super) index: u64,
    pub(super) id: String,
    /// Of the order, while a ticket holds it.
    pub(super) bytes: usize,
    pub(super) state: Waits,
}

/// What a request waits for.
pub(super) enum Waits {
    /// Its turn.
    Turn(SubmitStreamResponse),
    /// Its order's outcome, or the end of its patience.
    Outcome { ticket: Ticket, until: Instant },
    /// Why it failed, the first time.
    Reason {
        outcome: Outcome,
        read: Arc<Oneshot<Read>>,
    },
}

/// An order that waits for room.
pub(super) struct Held {
    pub(super) index: u64,
    pub(super) id: String,
    /// `None` once it was taken or refused.
    pub(super) order: Option<Order>,
    pub(super) bytes: usize,
    pub(super) wait: Duration,
    pub(super) until: Instant,
    /// Wakes us when the pipeline moves.
    pub(super) watch: Option<Watch>,
}

impl Held {
    /// Offers the order; `None` if there is no room.
    pub(super) fn offer(&mut self, admission: &Admission, waker: &Waker) -> Option<Offered> {
        let waiting = (!self.wait.is_zero()).then_some(waker);
        match admission.offer(self.order.take()?, waiting) {
            Offered::Full(order) => {
                self.order = Some(order);
                None
            }
            offered => Some(offered),
        }
    }
}

impl Entry {
    /// When to look again at the latest; `None`: it wakes us by itself.
    pub(super) fn until(&self) -> Option<Instant> {
        match &self.state {
            Waits::Outcome { until, .. } => Some(*until),
            Waits::Turn(_) | Waits::Reason { .. } => None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        match &self.state {
            Waits::Turn(_) => true,
            Waits::Outcome { ticket, .. } => ticket.answer().is_some(),
            Waits::Reason { read, .. } => read.get().is_some(),
        }
    }
}
