//! Admission: the one door to the pipeline, whatever the protocol.
//!
//! Decode, validate, claim the id, push; or say why not. Every submission is
//! counted exactly once: accepted, duplicate, or rejected with a reason.

pub(crate) mod wording;

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::clock;
use crate::dedupe::claims::{Claim, Claimed};
use crate::dedupe::window::Known;
use crate::ledger::{Archive, Outcome, Read, ReadError, ReadRange};
use crate::metrics::{Metrics, Reason};
use crate::order::{HashKey, Invalid, Order, OrderId, decode_telling};
use crate::pipeline::answer::{Answer, Waiter, Withdrawal};
use crate::pipeline::gate::{GateState, Refused};
use crate::pipeline::{InFlight, Pipeline, cost};
use crate::sync::watch_list::Watch;

/// Why a submission was not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// It isn't an order.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The same id is being submitted this very moment.
    #[error("{}", wording::BUSY)]
    Busy,
    /// The id belongs to an order with other content.
    #[error("{}", wording::conflict(*committed))]
    Conflict {
        /// Whether that order is committed, so that it will stay so.
        committed: bool,
    },
    /// The queue has no room, in orders or in bytes.
    #[error("{}", wording::FULL)]
    Full {
        /// Whole seconds until it should be worth trying again.
        retry_after: u32,
    },
    /// The gate is closed: recovering, draining or ledger down.
    #[error("{}", wording::closed(*.0))]
    Closed(GateState),
}

/// What came of an order that is one of many.
#[derive(Debug)]
pub enum Offered {
    /// It was taken, or met its own earlier self.
    Admitted(Admitted),
    /// It was not, and won't be.
    Rejected(Rejection),
    /// There is no room now: the order back, uncounted. Offer it again when the
    /// pipeline has moved ([`Pipeline::watch`]), or [give it
    /// up](Admission::give_up).
    Full(Order),
}

/// A submission that was taken, or that met its own earlier self.
#[derive(Debug)]
pub enum Admitted {
    /// In the queue, or (a duplicate) waiting for the one that is.
    Waiting(Ticket),
    /// A duplicate of a committed order: its outcome, without the reason of a
    /// failed one, which the archive has.
    Committed(Outcome),
}

/// What a submitter holds while its order is in flight. Not the order: that is
/// let go with its outcome, however long its submitter keeps the ticket.
pub struct Ticket {
    pipeline: Arc<Pipeline>,
    claim: Claim,
    waiter: Arc<Waiter>,
    /// It waits behind somebody else's order.
    duplicate: bool,
}

/// The door to the pipeline.
pub struct Admission {
    pipeline: Arc<Pipeline>,
    key: HashKey,
}

/// How far back the dedupe window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowReach {
    /// Outcomes it holds at most.
    pub(crate) orders: usize,
    /// The age of the oldest outcome, once the window is full.
    pub(crate) age: Option<Duration>,
}

/// Where an order is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// On its way to an outcome.
    InFlight,
    /// Committed under this sequence.
    Committed(u64),
    /// Neither in flight nor in the window.
    Unknown,
}

impl Admission {
    /// A door to `pipeline`. The key must be the one its window is kept under.
    pub fn new(pipeline: Arc<Pipeline>, key: HashKey) -> Self {
        Self { pipeline, key }
    }

    /// Whether orders are taken, or why not.
    pub(crate) fn state(&self) -> GateState {
        self.pipeline.gate.state()
    }

    /// Whether no more orders will be taken in this process.
    pub(crate) fn is_closed(&self) -> bool {
        self.pipeline.gate.is_closed()
    }

    /// Where outcomes are read; `None` until the ledger is open.
    pub(crate) fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.pipeline.archive()
    }

    /// Reads the outcome with this sequence and hands it to `reply`, now or later, on whatever
    /// thread. Wakers that `reply` calls are flushed behind it. Before the ledger is open the
    /// answer is [`ReadError::Busy`].
    pub(crate) fn read(&self, seq: u64, reply: impl FnOnce(Read) + Send + 'static) {
        let Some(archive) = self.archive() else {
            return reply(Err(ReadError::Busy));
        };
        let wake_queues = self.pipeline.wake_queues.clone();
        let reply = move |read| {
            reply(read);
            wake_queues.flush();
        };
        archive.read(seq, Box::new(reply));
    }

    /// Reads the outcomes after sequence `after`, as [`Archive::read_range`] does; the rest as with
    /// [`read`](Self::read).
    pub(crate) fn read_range(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: impl FnOnce(ReadRange) + Send + 'static,
    ) {
        let Some(archive) = self.archive() else {
            return reply(Err(ReadError::Busy));
        };
        let wake_queues = self.pipeline.wake_queues.clone();
        let reply = move |read| {
            reply(read);
            wake_queues.flush();
        };
        archive.read_range(after, limit, bytes_max, Box::new(reply));
    }

    /// How far back the dedupe window reaches.
    pub(crate) fn window_reach(&self) -> WindowReach {
        WindowReach {
            orders: self.pipeline.window.capacity(),
            age: self.pipeline.window.age(),
        }
    }

    /// Has `waker` called when next an order ends, or when the service drains. Look at what you
    /// wait for after this call: it may have come already.
    pub(crate) fn watch(&self, waker: &Waker) -> Watch {
        self.pipeline.watch(waker)
    }

    /// Has `waker` called when next [`state`](Self::state) changes; the rest as with
    /// [`watch`](Self::watch).
    pub(crate) fn watch_state(&self, waker: &Waker) -> Watch {
        self.pipeline.watch_gate(waker)
    }

    /// Whole seconds after which a refused order should be sent again.
    pub(crate) fn retry_after(&self) -> u32 {
        self.pipeline.throughput.retry_after(self.pipeline.depth())
    }

    /// Counters and histograms.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.pipeline.metrics
    }

    #[cfg(test)]
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Submits an order as JSON text. `waker` is called when the ticket has an
    /// answer; leave it out if nobody will wait.
    ///
    /// # Errors
    /// A [`Rejection`]; nothing is kept then.
    pub fn submit(&self, json: &[u8], waker: Option<&Waker>) -> Result<Admitted, Rejection> {
        self.admit(self.decode(json)?, waker)
    }

    /// Submits an order as JSON text from a plain thread, and waits for its
    /// answer; `None` if there is none after `timeout`: the order is queued
    /// then, and goes on.
    ///
    /// # Errors
    /// A [`Rejection`]; nothing is kept then.
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
            // An order that ended this very moment is answered in another.
            thread::park_timeout(left.max(Duration::from_millis(1)));
        }
    }

    /// Decodes an order, for a caller that needs its id whatever comes of it;
    /// [`admit`](Self::admit) must follow, or the submission is not counted.
    ///
    /// # Errors
    /// [`Rejection::Invalid`], counted.
    pub fn decode(&self, json: &[u8]) -> Result<Order, Rejection> {
        decode_telling(json, &self.key, &|id| self.id_read(id)).map_err(|invalid| {
            self.reject(Reason::Invalid);
            Rejection::Invalid(invalid)
        })
    }

    /// The same for a door where id, value and other members come apart
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
        let id_read = |id| self.id_read(id);
        Order::from_parts_telling(id, value, other_members_json, &self.key, &id_read).map_err(
            |invalid| {
                self.reject(Reason::Invalid);
                Rejection::Invalid(invalid)
            },
        )
    }

    /// While the rest of an order is decoded, what its claim will look at comes
    /// closer.
    fn id_read(&self, id: u128) {
        self.pipeline.claims.prefetch(id);
        self.pipeline.window.prefetch(id);
    }

    /// Submits a decoded order; else as [`submit`](Self::submit).
    ///
    /// # Errors
    /// A [`Rejection`] other than `Invalid`; nothing is kept then.
    pub fn admit(&self, order: Order, waker: Option<&Waker>) -> Result<Admitted, Rejection> {
        match self.try_admit(order, waker) {
            Offered::Admitted(admitted) => Ok(admitted),
            Offered::Rejected(rejection) => Err(rejection),
            Offered::Full(_) => Err(self.full()),
        }
    }

    /// Offers an order that is one of many, which can wait: it is taken only
    /// while half of the queue is free, so that orders that come one by one
    /// find room beside any number of batches.
    pub fn offer(&self, order: Order, waker: Option<&Waker>) -> Offered {
        let pipeline = &self.pipeline;
        if pipeline.gate.state() == GateState::Open && !pipeline.has_bulk_room() {
            return Offered::Full(order);
        }
        self.try_admit(order, waker)
    }

    /// Counts an offered order that found no room in time.
    pub fn give_up(&self, order: Order) -> Rejection {
        drop(order);
        self.full()
    }

    fn try_admit(&self, order: Order, waker: Option<&Waker>) -> Offered {
        let bytes = cost(&order);
        match self.pipeline.gate.enter(bytes) {
            Ok(()) => {}
            Err(Refused::Bytes | Refused::Orders) => return Offered::Full(order),
            Err(Refused::Closed(state)) => return Offered::Rejected(self.closed(state)),
        }
        let entered = Entered {
            pipeline: &self.pipeline,
            bytes,
        };
        self.admit_entered(order, waker, entered)
    }

    /// The way of an order that the gate has let in.
    fn admit_entered(&self, order: Order, waker: Option<&Waker>, entered: Entered<'_>) -> Offered {
        let (id, content) = (order.id_hash(), order.content_hash());
        let claim = loop {
            match self.pipeline.claims.claim(id, content) {
                Claimed::Mine(claim) => break claim,
                Claimed::InFlight { same: false, .. } => {
                    return Offered::Rejected(self.conflict(false));
                }
                Claimed::InFlight { claim, same: true } => {
                    let waiter = Arc::new(Waiter::new(waker.cloned()));
                    if self.pipeline.claims.attach(claim, &waiter) {
                        self.pipeline.metrics.admission.duplicate.inc();
                        return Offered::Admitted(Admitted::Waiting(Ticket {
                            pipeline: self.pipeline.clone(),
                            claim,
                            waiter,
                            duplicate: true,
                        }));
                    }
                    // It ended meanwhile: the next look meets what came of it.
                }
                Claimed::Busy => {
                    // Two claims at one moment; but if the order is committed
                    // there is no need to claim it.
                    if let Some(known) = self.pipeline.window.get(id) {
                        return self.committed(known, content);
                    }
                    self.reject(Reason::Full); // over in a moment
                    return Offered::Rejected(Rejection::Busy);
                }
                Claimed::Full => return Offered::Full(order),
            }
        };
        // After the claim, or an outcome could slip in between.
        if let Some(known) = self.pipeline.window.get(id) {
            self.release(claim);
            return self.committed(known, content);
        }
        // An order with this id may have been taken out to be kept since the gate
        // let us in. That happens behind a closed gate only; it freed its slot
        // with Release, and our claim has read that slot with Acquire: so we find
        // the gate closed, too.
        if self.pipeline.gate.is_closed() {
            self.release(claim);
            return Offered::Rejected(self.closed(self.pipeline.gate.state()));
        }
        let waiter = Arc::new(Waiter::new(waker.cloned()));
        let job = Arc::new(InFlight {
            order,
            claim,
            waiter: waiter.clone(),
            accepted_at: clock::unix_nanos(),
            admitted: Instant::now(),
            kept: false,
        });
        if let Err(job) = self.pipeline.push(job) {
            self.release(claim);
            let job = Arc::into_inner(job).expect("the queue gave it back, nobody else had it");
            return Offered::Full(job.order);
        }
        self.pipeline.metrics.admission.accepted.inc();
        std::mem::forget(entered); // whoever ends the order lets it out
        Offered::Admitted(Admitted::Waiting(Ticket {
            pipeline: self.pipeline.clone(),
            claim,
            waiter,
            duplicate: false,
        }))
    }

    /// Looks an order up by its id.
    pub fn find(&self, id: &OrderId) -> OrderState {
        let id = self.key.id(id);
        // In this order: an order that is committed in between is in the
        // window by then.
        if self.pipeline.claims.contains(id) {
            return OrderState::InFlight;
        }
        match self.pipeline.window.get(id) {
            Some(known) => OrderState::Committed(known.seq),
            None => OrderState::Unknown,
        }
    }

    /// Counts a submission that a door refused by itself.
    pub fn reject(&self, reason: Reason) {
        self.pipeline.metrics.admission.rejected.inc(reason);
    }

    /// What a submission hears whose id has an outcome.
    fn committed(&self, known: Known, content: u128) -> Offered {
        if known.content != content {
            return Offered::Rejected(self.conflict(true));
        }
        self.pipeline.metrics.admission.duplicate.inc();
        Offered::Admitted(Admitted::Committed(Outcome {
            seq: known.seq,
            status: known.status,
            reason: None,
        }))
    }

    /// Gives a claim back whose order never got into the queue. Nobody waits for
    /// it: who met it was told to come again.
    fn release(&self, claim: Claim) {
        // Gone already if the drain deadline has passed.
        let _ = self.pipeline.claims.withdraw(claim);
    }

    fn full(&self) -> Rejection {
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

/// Wakes a plain thread.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Lets an order out of the gate again unless it got into the queue.
struct Entered<'a> {
    pipeline: &'a Pipeline,
    bytes: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.pipeline.gate.leave(1, self.bytes);
    }
}

impl Ticket {
    /// The answer, once it is there. There always is one when the drain is
    /// over.
    pub fn answer(&self) -> Option<Answer> {
        let answer = self.waiter.get().cloned();
        // At the deadline an order may still be with a worker that is not
        // waited for; nobody else will say that it was withdrawn.
        if answer.is_none() && self.pipeline.is_force_draining() {
            let claims = &self.pipeline.claims;
            let why = if claims.was_withdrawn(self.claim) {
                Withdrawal::Drain
            } else if claims.was_sealed(self.claim) {
                Withdrawal::Ledger
            } else {
                return None;
            };
            return Some(Answer::Withdrawn(why));
        }
        answer
    }

    /// Whether this is a duplicate that waits for somebody else's order.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// Stops waiting because the client is told "queued". `false` if the order
    /// has ended: then there is an answer, now or in a moment.
    pub fn ack_queued(&self) -> bool {
        self.pipeline.claims.ack_queued(self.claim)
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("claim", &self.claim)
            .field("duplicate", &self.is_duplicate())
            .field("answer", &self.answer())
            .finish()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod ticket_tests;
