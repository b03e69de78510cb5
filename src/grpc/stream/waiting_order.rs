//! An order of a stream that the intake queue has not taken yet.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::access::{OverQuota, Quota};
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
    /// When it is refused for want of space in the queue, or of its client's
    /// rate.
    pub(super) deadline: Instant,
    /// Who is to be charged for it; `None` once that is done.
    uncharged: Option<Quota>,
    /// What keeps it from being charged, and when that is over.
    over: Option<(OverQuota, Instant)>,
    /// Wakes the stream when the pipeline moves.
    watch: Option<Watch>,
    /// Keeps space in the queue for it, once that was full.
    waiting: Option<BulkWaiting>,
}

/// What came of an offer.
pub(super) enum Offer {
    Settled(OrderRequest, Result<Admitted, Rejection>),
    Full(Box<WaitingOrder>),
}

impl WaitingOrder {
    pub(super) fn new(
        request: OrderRequest,
        order: Order,
        deadline: Instant,
        quota: Option<Quota>,
    ) -> Self {
        Self {
            request,
            order,
            deadline,
            uncharged: quota,
            over: None,
            watch: None,
            waiting: None,
        }
    }

    /// Offers the order, and has `waker` called with its answer if one is
    /// awaited.
    pub(super) fn offer(mut self, admission: &Admission, waker: &Waker) -> Offer {
        if !self.is_charged() {
            return Offer::Full(Box::new(self));
        }
        let answer_waker = (!self.request.wait.is_zero()).then_some(waker);
        match admission.offer(self.order, answer_waker, None) {
            Offered::Admitted(admitted) => Offer::Settled(self.request, Ok(admitted)),
            Offered::Rejected(rejection) => Offer::Settled(self.request, Err(rejection)),
            Offered::Full(order) => Offer::Full(Box::new(Self {
                order,
                waiting: self.waiting.or_else(|| Some(admission.wait_in_bulk())),
                ..self
            })),
        }
    }

    /// The same, and has `waker` called when there may be space in the queue.
    pub(super) fn offer_and_watch(mut self, admission: &Admission, waker: &Waker) -> Offer {
        // Watched first, then offered: the pipeline may move in between.
        self.watch = Some(admission.watch(waker));
        self.offer(admission, waker)
    }

    /// Charges its client, unless that is done.
    fn is_charged(&mut self) -> bool {
        let Some(quota) = &self.uncharged else {
            return true;
        };
        let now = Instant::now();
        if self.over.is_some_and(|(_, until)| now < until) {
            return false;
        }
        let charged = quota.charge(now.into_std());
        self.over = charged.err().map(|over| (over, now + over.wait()));
        if self.over.is_none() {
            self.uncharged = None;
        }
        self.over.is_none()
    }

    /// When to try again at the latest.
    pub(super) fn next_try(&self) -> Instant {
        match self.over {
            Some((_, until)) => until.min(self.deadline),
            None => self.deadline,
        }
    }

    /// Refuses the order if it waits for its client's rate.
    pub(super) fn give_up_rate(self) -> Result<(OrderRequest, OverQuota), Box<Self>> {
        match (&self.uncharged, self.over) {
            (Some(quota), Some((over, _))) => {
                quota.count_over_rate();
                Ok((self.request, over))
            }
            _ => Err(Box::new(self)),
        }
    }

    /// Takes the order back: it was not admitted.
    pub(super) fn into_request(self) -> OrderRequest {
        self.request
    }

    /// Refuses the order because the queue was full for too long.
    pub(super) fn give_up(self, admission: &Admission) -> (OrderRequest, Rejection) {
        (self.request, admission.give_up(self.order))
    }
}
