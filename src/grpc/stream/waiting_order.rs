//! An order of a stream that the intake queue has not taken yet.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::admission::{Admission, Admitted, BulkWaiting, Offered, Rejection};
use crate::order::Order;
use crate::sync::watch_list::Watch;

/// A request whose order was decoded.
pub(super) struct OrderRequest {
    pub(super) index: u64,
    pub(super) id: String,
    pub(super) order_bytes: usize,
    /// How long it wants to wait for the commit.
    pub(super) wait: Duration,
}

pub(super) struct WaitingOrder {
    request: OrderRequest,
    order: Order,
    /// When it is refused for want of space in the queue.
    pub(super) deadline: Instant,
    /// Wakes the stream when the pipeline moves.
    watch: Option<Watch>,
    /// Keeps space in the queue for it, once that was full.
    waiting: Option<BulkWaiting>,
}

/// What came of an offer.
pub(super) enum Offer {
    Settled(OrderRequest, Result<Admitted, Rejection>),
    Full(WaitingOrder),
}

impl WaitingOrder {
    pub(super) fn new(request: OrderRequest, order: Order, deadline: Instant) -> Self {
        Self {
            request,
            order,
            deadline,
            watch: None,
            waiting: None,
        }
    }

    /// Offers the order, and has `waker` called with its answer if one is
    /// awaited.
    pub(super) fn offer(self, admission: &Admission, waker: &Waker) -> Offer {
        let answer_waker = (!self.request.wait.is_zero()).then_some(waker);
        match admission.offer(self.order, answer_waker, None) {
            Offered::Admitted(admitted) => Offer::Settled(self.request, Ok(admitted)),
            Offered::Rejected(rejection) => Offer::Settled(self.request, Err(rejection)),
            Offered::Full(order) => Offer::Full(Self {
                order,
                waiting: self.waiting.or_else(|| Some(admission.wait_in_bulk())),
                ..self
            }),
        }
    }

    /// The same, and has `waker` called when there may be space in the queue.
    pub(super) fn offer_and_watch(mut self, admission: &Admission, waker: &Waker) -> Offer {
        // Watched first, then offered: the pipeline may move in between.
        self.watch = Some(admission.watch(waker));
        self.offer(admission, waker)
    }

    /// Refuses the order because the queue was full for too long.
    pub(super) fn give_up(self, admission: &Admission) -> (OrderRequest, Rejection) {
        (self.request, admission.give_up(self.order))
    }
}
