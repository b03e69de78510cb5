//! Submissions that wait for nothing: an order that is acknowledged as queued
//! in the moment it enters the queue.
//!
//! Nobody waits for its answer, so it needs no oneshot, and the acknowledgement
//! costs no step of its own: it is made with the one that lets the claim be
//! found.

use crate::admission::claiming::NotClaimed;
use crate::admission::outcome::{Admitted, Rejection};
use crate::admission::shared::Admission;
use crate::admission::ticket::Ticket;
use crate::dedupe::claims::Claim;
use crate::order::Order;
use crate::pipeline::answer::Withdrawal;
use crate::pipeline::gate::GateState;

/// What became of a submission that doesn't wait.
#[derive(Debug)]
pub(crate) enum Acknowledged {
    /// The order is acknowledged as queued.
    Queued,
    /// It is a duplicate; one that waits may be acknowledged, too.
    Duplicate(Admitted),
    /// A drain has begun, and saves it before it is acknowledged.
    Deferred(Ticket),
    /// It was withdrawn in the moment between queue and acknowledgement.
    Withdrawn(Withdrawal),
}

impl Admission {
    /// Submits a decoded order for which nobody will wait.
    ///
    /// # Errors
    /// A [`Rejection`] other than `Invalid`; nothing remains of the order then.
    pub(crate) fn admit_queued(&self, order: Order) -> Result<Acknowledged, Rejection> {
        let entered = match self.enter(&order) {
            Ok(entered) => entered,
            Err(rejection) => return Err(rejection.unwrap_or_else(|| self.full())),
        };
        let claim = match self.claim(&order, None) {
            Ok(claim) => claim,
            Err(NotClaimed::Admitted(admitted)) => return Ok(Acknowledged::Duplicate(admitted)),
            Err(NotClaimed::Rejected(rejection)) => return Err(rejection),
            Err(NotClaimed::Full) => return Err(self.full()),
        };
        let id = order.id_hash();
        match self.enqueue(order, claim, None, None, entered) {
            Err(_) => Err(self.full()),
            Ok(true) => Ok(Acknowledged::Queued),
            Ok(false) => Ok(match self.deferred(claim) {
                Some(ticket) => Acknowledged::Deferred(ticket),
                None => self.ended_first(claim, id),
            }),
        }
    }

    /// A ticket for an order that can't be acknowledged yet; `None` if it can't
    /// be any more.
    fn deferred(&self, claim: Claim) -> Option<Ticket> {
        let is_sealed = self.pipeline.claims.was_sealed(claim);
        (!is_sealed).then(|| self.late_ticket(claim, None))?
    }

    /// What to answer when an order ended before it could be acknowledged.
    fn ended_first(&self, claim: Claim, id: u128) -> Acknowledged {
        let pipeline = &self.pipeline;
        if pipeline.claims.was_sealed(claim) {
            return Acknowledged::Withdrawn(Withdrawal::Ledger);
        }
        if !pipeline.claims.was_withdrawn(claim) && pipeline.window.get(id).is_some() {
            // Committed: more than the acknowledgement says.
            return Acknowledged::Queued;
        }
        Acknowledged::Withdrawn(if pipeline.gate.state() == GateState::LedgerDown {
            Withdrawal::Ledger
        } else if pipeline.gate.is_closed() {
            Withdrawal::Drain
        } else {
            Withdrawal::Retry("the processor could not take the order now".into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedupe::claims::Claimed;
    use crate::dedupe::window::Known;
    use crate::ledger::Status;
    use crate::order::HashKey;
    use crate::pipeline::{Pipeline, Settings};

    const CONTENT: u128 = 1;

    fn open() -> Admission {
        let pipeline = Pipeline::for_tests(&Settings::for_tests());
        pipeline.gate.open();
        Admission::new(pipeline, HashKey::from_bytes([1; 16]))
    }

    fn claimed(admission: &Admission, id: u128) -> Claim {
        match admission.pipeline.claims.claim(id, CONTENT) {
            Claimed::Mine(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    /// An order that ended between the push and its acknowledgement.
    #[test]
    fn one_that_ended_first_is_answered_by_how_it_ended() {
        let admission = open();
        let pipeline = &admission.pipeline;

        let committed = claimed(&admission, 1);
        let known = Known {
            seq: 1,
            status: Status::Processed,
            content: CONTENT,
        };
        assert!(pipeline.claims.begin_commit(committed));
        pipeline.window.insert(1, known, 1);
        drop(pipeline.claims.finish(committed));
        assert!(!pipeline.claims.queued_acked(committed));
        let answer = admission.ended_first(committed, 1);
        assert!(matches!(answer, Acknowledged::Queued), "{answer:?}");

        let withdrawn = claimed(&admission, 2);
        assert!(pipeline.claims.withdraw(withdrawn).is_some());
        assert!(!pipeline.claims.queued_acked(withdrawn));
        let why = |claim, id| match admission.ended_first(claim, id) {
            Acknowledged::Withdrawn(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(matches!(why(withdrawn, 2), Withdrawal::Retry(_)));
        pipeline.gate.close(GateState::Draining);
        assert_eq!(why(withdrawn, 2), Withdrawal::Drain);

        // In a batch when the drain ends: whether it is committed is not known.
        let in_batch = claimed(&admission, 3);
        assert!(pipeline.claims.begin_commit(in_batch));
        pipeline.claims.seal();
        assert!(!pipeline.claims.queued_acked(in_batch));
        assert_eq!(why(in_batch, 3), Withdrawal::Ledger);

        pipeline.gate.close(GateState::LedgerDown);
        assert_eq!(why(withdrawn, 2), Withdrawal::Ledger);
    }

    /// A drain that begins while an order is on its way into the queue saves it
    /// before it is acknowledged.
    #[test]
    fn a_drain_saves_it_first() {
        let admission = open();
        let claims = &admission.pipeline.claims;
        claims.defer_acks();
        let json = br#"{"id":"a","value":1}"#;
        let order = admission.decode(json).unwrap();
        let deferred = admission.admit_queued(order).unwrap();
        let Acknowledged::Deferred(ticket) = deferred else {
            panic!("{deferred:?}");
        };
        assert!(!ticket.is_duplicate() && !ticket.ack_queued());
        let found: Vec<_> = claims.acked_or_wanted().collect();
        assert_eq!(found, [ticket.claim()]);
        claims.set_saved(found[0]);
        assert!(ticket.ack_queued());
        let metrics = &admission.pipeline.metrics.admission;
        assert_eq!((metrics.accepted.get(), metrics.duplicate.get()), (1, 0));
    }
}
