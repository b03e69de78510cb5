//! The way of a submission into the queue.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::admission::outcome::{Admitted, Offered, Rejection};
use crate::admission::ticket::Ticket;
use crate::clock::Moment;
use crate::dedupe::claims::{Claim, Claimed};
use crate::dedupe::window::Known;
use crate::ledger::Outcome;
use crate::metrics::Reason;
use crate::order::{HashKey, Order, decode_with};
use crate::pipeline::answer::{Answer, Waiter};
use crate::pipeline::gate::{GateState, Refused};
use crate::pipeline::{InFlight, Pipeline, cost};

/// The way into the pipeline, shared by all front ends.
pub struct Admission {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) key: HashKey,
}

impl Admission {
    /// Admission to `pipeline`. The key must be the one that its window is
    /// hashed with.
    pub fn new(pipeline: Arc<Pipeline>, key: HashKey) -> Self {
        Self { pipeline, key }
    }

    /// Submits an order as JSON text. `waker` is called when the ticket has an
    /// answer; leave it out if nobody will wait.
    ///
    /// # Errors
    /// A [`Rejection`]; nothing remains of the order then.
    pub fn submit(&self, json: &[u8], waker: Option<&Waker>) -> Result<Admitted, Rejection> {
        self.admit(self.decode(json)?, waker)
    }

    /// Submits an order as JSON text from a plain thread, and waits for its
    /// answer; `None` if there is none after `timeout`: the order is
    /// acknowledged as queued then.
    ///
    /// # Errors
    /// A [`Rejection`]; nothing remains of the order then.
    pub fn submit_and_wait(
        &self,
        json: &[u8],
        timeout: Duration,
    ) -> Result<Option<Answer>, Rejection> {
        let deadline = Instant::now() + timeout;
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let ticket = match self.submit(json, Some(&waker))? {
            Admitted::Waiting(ticket) => ticket,
            Admitted::Committed(outcome) => return Ok(Some(Answer::Committed(outcome))),
        };
        loop {
            if let Some(answer) = ticket.answer() {
                return Ok(Some(answer));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && ticket.ack_queued() {
                return Ok(None);
            }
            // An order that is just ending is answered in a moment.
            thread::park_timeout(left.max(Duration::from_millis(1)));
        }
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
        match self.try_admit(order, waker, None) {
            Offered::Admitted(admitted) => Ok(admitted),
            Offered::Rejected(rejection) => Err(rejection),
            Offered::Full(_) => Err(self.full()),
        }
    }

    /// Offers an order that is one of many and can wait: it is taken only while
    /// half of the queue is free at least, so that single orders get in beside
    /// any number of batches. `arrived` is when it came; left out, that is now.
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
        self.try_admit(order, waker, arrived)
    }

    /// Counts an offered order that did not get in in time.
    pub fn give_up(&self, order: Order) -> Rejection {
        drop(order);
        self.full()
    }

    fn try_admit(&self, order: Order, waker: Option<&Waker>, arrived: Option<Moment>) -> Offered {
        match self.enter(&order) {
            Ok(entered) => self.admit_entered(order, waker, arrived, entered),
            Err(Some(rejection)) => Offered::Rejected(rejection),
            Err(None) => Offered::Full(order),
        }
    }

    /// Asks the gate.
    ///
    /// # Errors
    /// `None`: the queue is full, not counted yet.
    pub(super) fn enter(&self, order: &Order) -> Result<Entered<'_>, Option<Rejection>> {
        let bytes = cost(order);
        match self.pipeline.gate.enter(bytes) {
            Ok(()) => Ok(Entered {
                pipeline: &self.pipeline,
                bytes,
            }),
            Err(Refused::Bytes | Refused::Orders) => Err(None),
            Err(Refused::Closed(state)) => Err(Some(self.closed(state))),
        }
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
            })),
        }
    }

    /// Claims an order's id, if the order is new and the gate is open.
    pub(super) fn claim(&self, order: &Order, waker: Option<&Waker>) -> Result<Claim, NotClaimed> {
        let (id, content) = (order.id_hash(), order.content_hash());
        let claim = loop {
            match self.pipeline.claims.claim(id, content) {
                Claimed::Mine(claim) => break claim,
                Claimed::InFlight { same: false, .. } => {
                    return Err(NotClaimed::Rejected(self.conflict(false)));
                }
                Claimed::InFlight { claim, same: true } => {
                    if let Some(ticket) = self.attach(claim, waker) {
                        return Err(NotClaimed::Admitted(Admitted::Waiting(ticket)));
                    }
                    // It ended meanwhile: the next try finds its outcome.
                }
                Claimed::Busy => {
                    // Two claims at one moment; but if the order is committed
                    // there is no need to claim it.
                    if let Some(known) = self.pipeline.window.get(id) {
                        return Err(self.committed(known, content));
                    }
                    self.reject(Reason::Full); // over in nanoseconds
                    return Err(NotClaimed::Rejected(Rejection::Busy));
                }
                Claimed::Full => return Err(NotClaimed::Full),
            }
        };
        // After the claim, or an outcome could slip in between.
        if let Some(known) = self.pipeline.window.get(id) {
            self.release(claim);
            return Err(self.committed(known, content));
        }
        // An order with this id may have become pending since the gate let us
        // in. That happens behind a closed gate only; it freed its slot with
        // Release, and our claim has read that slot with Acquire: so the gate
        // is seen to be closed, too.
        if self.pipeline.gate.is_closed() {
            self.release(claim);
            let state = self.pipeline.gate.state();
            return Err(NotClaimed::Rejected(self.closed(state)));
        }
        Ok(claim)
    }

    /// Puts a claimed order into the queue; without a waiter it is acknowledged
    /// as queued, and the result is whether that came in time.
    ///
    /// # Errors
    /// The order back when the queue is full, for [`taken_back`]; the claim is
    /// released.
    pub(super) fn enqueue(
        &self,
        order: Order,
        claim: Claim,
        waiter: Option<Arc<Waiter>>,
        arrived: Option<Moment>,
        entered: Entered<'_>,
    ) -> Result<bool, Arc<InFlight>> {
        let arrived = arrived.unwrap_or_else(Moment::now);
        let job = Arc::new(InFlight {
            order,
            claim,
            waiter,
            accepted_at: arrived.unix_nanos,
            admitted: arrived.instant,
            pending: false,
        });
        match self.pipeline.push(job) {
            Err(job) => {
                self.release(claim);
                Err(job)
            }
            Ok(acknowledged) => {
                self.pipeline.metrics.admission.accepted.inc();
                std::mem::forget(entered); // the thread that ends the order lets it out
                Ok(acknowledged)
            }
        }
    }

    /// Lets a duplicate wait for the order that has the claim; `None` if that
    /// has ended.
    fn attach(&self, claim: Claim, waker: Option<&Waker>) -> Option<Ticket> {
        let waiter = Arc::new(Waiter::new(waker.cloned()));
        if !self.pipeline.claims.attach(claim, &waiter) {
            return None;
        }
        if waker.is_some() {
            self.pipeline.end_pause();
        }
        self.pipeline.metrics.admission.duplicate.inc();
        Some(Ticket {
            pipeline: self.pipeline.clone(),
            claim,
            waiter,
            duplicate: true,
        })
    }

    /// Counts a submission that a front end refused.
    pub fn reject(&self, reason: Reason) {
        self.pipeline.metrics.admission.rejected.inc(reason);
    }

    /// The answer to a submission whose id has an outcome.
    fn committed(&self, known: Known, content: u128) -> NotClaimed {
        if known.content != content {
            return NotClaimed::Rejected(self.conflict(true));
        }
        self.pipeline.metrics.admission.duplicate.inc();
        NotClaimed::Admitted(Admitted::Committed(Outcome {
            seq: known.seq,
            status: known.status,
            reason: None,
        }))
    }

    /// Releases a claim whose order never got into the queue. Nobody waits for
    /// it: a submission that met it got [`Rejection::Busy`].
    fn release(&self, claim: Claim) {
        // Gone already if the drain deadline has passed.
        let _ = self.pipeline.claims.withdraw(claim);
    }

    pub(super) fn full(&self) -> Rejection {
        self.reject(Reason::Full);
        let retry_after = self.retry_after();
        Rejection::Full { retry_after }
    }

    fn closed(&self, state: GateState) -> Rejection {
        self.reject(match state {
            GateState::LedgerDown | GateState::LedgerFull => Reason::Ledger,
            _ => Reason::Draining,
        });
        Rejection::Closed(state)
    }

    fn conflict(&self, committed: bool) -> Rejection {
        self.reject(Reason::Conflict);
        Rejection::Conflict { committed }
    }
}

/// The order of a job that the queue had no space for.
fn taken_back(job: Arc<InFlight>) -> Order {
    let job = Arc::into_inner(job).expect("the queue gave the only reference back");
    job.order
}

/// Why an order is not claimed.
pub(super) enum NotClaimed {
    /// It is a duplicate.
    Admitted(Admitted),
    Rejected(Rejection),
    /// No claim is free: the queue is as good as full.
    Full,
}

/// Wakes a plain thread.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Lets an order out of the gate again unless it got into the queue.
pub(super) struct Entered<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) bytes: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.pipeline.gate.leave(1, self.bytes);
    }
}
