//! What all of admission shares: the pipeline, the key, the gate, and the count
//! of what is refused.

use std::sync::Arc;

use crate::admission::outcome::Rejection;
use crate::metrics::Reason;
use crate::order::{HashKey, Order};
use crate::pipeline::gate::{GateState, Refused};
use crate::pipeline::{Pipeline, cost};

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

    /// Asks the gate for a single order.
    ///
    /// # Errors
    /// `None`: the queue is full, not counted yet.
    pub(super) fn enter(&self, order: &Order) -> Result<Entered<'_>, Option<Rejection>> {
        let bytes = cost(order);
        if self.pipeline.is_kept_for_bulk(bytes) && self.pipeline.gate.state() == GateState::Open {
            return Err(None);
        }
        self.enter_gate(bytes, false)
    }

    /// The same for one that comes in bulk.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub(super) fn enter_in_bulk(&self, order: &Order) -> Result<Entered<'_>, Option<Rejection>> {
        let bytes = cost(order);
        let entered = self.enter_gate(bytes, true)?;
        self.pipeline.bulk.enter(bytes);
        Ok(entered)
    }

    fn enter_gate(&self, bytes: u64, bulk: bool) -> Result<Entered<'_>, Option<Rejection>> {
        match self.pipeline.gate.enter(bytes) {
            Ok(first) => Ok(Entered {
                pipeline: &self.pipeline,
                bytes,
                first,
                bulk,
            }),
            Err(Refused::Bytes | Refused::Orders) => Err(None),
            Err(Refused::Closed(state)) => Err(Some(self.closed(state))),
        }
    }

    /// Counts a submission that a front end refused.
    pub fn reject(&self, reason: Reason) {
        self.pipeline.metrics.admission.rejected.inc(reason);
    }

    pub(super) fn full(&self) -> Rejection {
        self.reject(Reason::Full);
        let retry_after = self.retry_after();
        Rejection::Full { retry_after }
    }

    pub(super) fn closed(&self, state: GateState) -> Rejection {
        self.reject(match state {
            GateState::LedgerDown | GateState::LedgerFull | GateState::LedgerAway => Reason::Ledger,
            // Open: it has opened since.
            GateState::Recovering | GateState::Open => Reason::Starting,
            GateState::Draining => Reason::Draining,
        });
        Rejection::Closed(state)
    }

    pub(super) fn conflict(&self, committed: bool) -> Rejection {
        self.reject(Reason::Conflict);
        Rejection::Conflict { committed }
    }
}

/// Lets an order out of the gate again unless it got into the queue.
pub(super) struct Entered<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) bytes: u64,
    /// It comes in bulk.
    pub(super) bulk: bool,
    /// It found no other order inside.
    pub(super) first: bool,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.bulk {
            self.pipeline.bulk.leave(1, self.bytes);
        }
        self.pipeline.gate.leave(1, self.bytes);
    }
}
