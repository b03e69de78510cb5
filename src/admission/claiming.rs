//! From a decoded order to a claimed id, and from there into the queue.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Waker;

use crate::admission::outcome::{Admitted, Rejection};
use crate::admission::shared::{Admission, Entered};
use crate::admission::ticket::Ticket;
use crate::clock::Moment;
use crate::dedupe::claims::{Claim, Claimed};
use crate::dedupe::window::Known;
use crate::ledger::Outcome;
use crate::metrics::Reason;
use crate::order::Order;
use crate::pipeline::InFlight;
use crate::pipeline::answer::Waiter;

/// Why an order is not claimed.
pub(super) enum NotClaimed {
    /// It is a duplicate.
    Admitted(Admitted),
    Rejected(Rejection),
    /// No claim is free: the queue is as good as full.
    Full,
}

impl Admission {
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
        if entered.first {
            self.pipeline.throughput.begin_busy(arrived.instant);
        }
        let job = Arc::new(InFlight {
            order,
            claim,
            waiter,
            accepted_at: arrived.unix_nanos,
            admitted: arrived.instant,
            bulk: entered.bulk,
            pending: false,
            retried: AtomicBool::new(false),
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
        let mut ticket = self.late_ticket(claim, waker)?;
        ticket.duplicate = true;
        if waker.is_some() {
            self.pipeline.end_pause();
        }
        self.pipeline.metrics.admission.duplicate.inc();
        Some(ticket)
    }

    /// A ticket for an order that is in the queue; `None` if it has ended.
    pub(super) fn late_ticket(&self, claim: Claim, waker: Option<&Waker>) -> Option<Ticket> {
        let waiter = Arc::new(Waiter::new(waker.cloned()));
        let attached = self.pipeline.claims.attach(claim, &waiter);
        attached.then(|| Ticket {
            pipeline: self.pipeline.clone(),
            claim,
            waiter,
            duplicate: false,
            given_up: AtomicBool::new(false),
        })
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
}

/// The order of a job that the queue had no space for.
pub(super) fn taken_back(job: Arc<InFlight>) -> Order {
    let job = Arc::into_inner(job).expect("the queue gave the only reference back");
    job.order
}
