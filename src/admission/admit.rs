//! The way of a submission into the queue.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Waker;

use crate::admission::claiming::{NotClaimed, taken_back};
use crate::admission::outcome::{Admitted, Offered, Rejection};
use crate::admission::shared::{Admission, Entered};
use crate::admission::ticket::Ticket;
use crate::clock::Moment;
use crate::metrics::Reason;
use crate::order::{Order, OrderId, decode_named, decode_with};
use crate::pipeline::answer::Waiter;
use crate::pipeline::bulk_share::BulkWaiting;
use crate::pipeline::gate::GateState;

impl Admission {
    /// Submits an order as JSON text. `waker` is called when the ticket has an
    /// answer; leave it out if nobody will wait.
    ///
    /// # Errors
    /// A [`Rejection`]; nothing remains of the order then.
    pub fn submit(&self, json: &[u8], waker: Option<&Waker>) -> Result<Admitted, Rejection> {
        self.admit(self.decode(json)?, waker)
    }

    /// Decodes an order, for a caller that needs its id whatever comes of it;
    /// [`admit`](Self::admit) must follow, or the submission is not counted.
    ///
    /// # Errors
    /// [`Rejection::Invalid`], counted.
    pub fn decode(&self, json: &[u8]) -> Result<Order, Rejection> {
        decode_with(json, &self.key, |id| self.prefetch(id)).map_err(|invalid| {
            self.reject(Reason::Invalid);
            Rejection::Invalid(invalid)
        })
    }

    /// The same; an order without an id gets this one.
    ///
    /// # Errors
    /// [`Rejection::Invalid`], counted.
    pub(crate) fn decode_named(&self, json: &[u8], id: &OrderId) -> Result<Order, Rejection> {
        let prefetch = |id| self.prefetch(id);
        decode_named(json, &self.key, Some(id), prefetch).map_err(|invalid| {
            self.reject(Reason::Invalid);
            Rejection::Invalid(invalid)
        })
    }

    /// The same for a front end where id, value and other members come apart
    /// ([`Order::from_parts`]).
    ///
    /// # Errors
    /// [`Rejection::Invalid`], counted.
    pub fn decode_parts(
        &self,
        id: &str,
        value: &str,
        other_members_json: Option<&str>,
    ) -> Result<Order, Rejection> {
        let prefetch = |id| self.prefetch(id);
        Order::from_parts_with(id, value, other_members_json, &self.key, prefetch).map_err(
            |invalid| {
                self.reject(Reason::Invalid);
                Rejection::Invalid(invalid)
            },
        )
    }

    /// Has what the claim of this id will read brought into the cache while the
    /// rest of the order is decoded.
    fn prefetch(&self, id: u128) {
        self.pipeline.claims.prefetch(id);
        self.pipeline.window.prefetch(id);
    }

    /// Submits a decoded order; else as [`submit`](Self::submit).
    ///
    /// # Errors
    /// A [`Rejection`] other than `Invalid`; nothing remains of the order then.
    pub fn admit(&self, order: Order, waker: Option<&Waker>) -> Result<Admitted, Rejection> {
        let offered = match self.enter(&order) {
            Ok(entered) => self.admit_entered(order, waker, None, entered),
            Err(Some(rejection)) => Offered::Rejected(rejection),
            Err(None) => Offered::Full(order),
        };
        match offered {
            Offered::Admitted(admitted) => Ok(admitted),
            Offered::Rejected(rejection) => Err(rejection),
            Offered::Full(_) => Err(self.full()),
        }
    }

    /// Offers an order that is one of many and can wait: it is taken only while
    /// half of the queue is free at least, or the [share](Self::wait_in_bulk) of
    /// such orders, so that single orders get in beside any number of batches.
    /// `arrived` is when it came; left out, that is now.
    pub(crate) fn offer(
        &self,
        order: Order,
        waker: Option<&Waker>,
        arrived: Option<Moment>,
    ) -> Offered {
        let pipeline = &self.pipeline;
        if pipeline.gate.state() == GateState::Open && !pipeline.has_bulk_capacity() {
            return Offered::Full(order);
        }
        match self.enter_in_bulk(&order) {
            Ok(entered) => self.admit_entered(order, waker, arrived, entered),
            Err(Some(rejection)) => Offered::Rejected(rejection),
            Err(None) => Offered::Full(order),
        }
    }

    /// Keeps a quarter of the queue for orders that are [offered](Self::offer),
    /// less what such orders have of it, until the result is dropped: for a
    /// submitter whose offer found the queue full.
    pub(crate) fn wait_in_bulk(&self) -> BulkWaiting {
        self.pipeline.bulk.wait()
    }

    /// Counts an offered order that did not get in in time.
    pub fn give_up(&self, order: Order) -> Rejection {
        drop(order);
        self.full()
    }

    /// Admits an order that the gate has let in.
    pub(super) fn admit_entered(
        &self,
        order: Order,
        waker: Option<&Waker>,
        arrived: Option<Moment>,
        entered: Entered<'_>,
    ) -> Offered {
        let claim = match self.claim(&order, waker) {
            Ok(claim) => claim,
            Err(NotClaimed::Admitted(admitted)) => return Offered::Admitted(admitted),
            Err(NotClaimed::Rejected(rejection)) => return Offered::Rejected(rejection),
            Err(NotClaimed::Full) => return Offered::Full(order),
        };
        let waiter = Arc::new(Waiter::new(waker.cloned()));
        match self.enqueue(order, claim, Some(waiter.clone()), arrived, entered) {
            Err(job) => Offered::Full(taken_back(job)),
            Ok(_) => Offered::Admitted(Admitted::Waiting(Ticket {
                pipeline: self.pipeline.clone(),
                claim,
                waiter,
                duplicate: false,
                given_up: AtomicBool::new(false),
            })),
        }
    }
}
