//! `GET /orders/{id}`: where an order is, and its outcome.

use std::sync::Arc;
use std::task::Waker;

use crate::admission::{OrderState, WindowReach, wording};
use crate::http::api::feed_line::{line, with_ledger_id};
use crate::http::api::handled::Handled;
use crate::http::api::outcome;
use crate::http::api::problem::{Problem, closed, unreadable};
use crate::http::api::service::Service;
use crate::http::wire::reply::Reply;
use crate::ledger::{Outcome, Read, Status};
use crate::order::OrderId;
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// An outcome being read from the archive.
pub(crate) struct Lookup {
    read: Arc<Oneshot<Read>>,
    purpose: LookupPurpose,
}

enum LookupPurpose {
    /// To show the whole line.
    Show,
    /// To say why an order failed that was submitted again.
    Resubmitted { id: OrderId, seq: u64 },
}

/// Says where an order is.
pub(crate) fn order(service: &Service, id: &str, waker: &Waker) -> Handled<Lookup> {
    let Ok(id) = OrderId::parse(id) else {
        let detail = "no order has such an id: ids are 1 to 64 of A-Z a-z 0-9 _ -";
        return Handled::Reply(Problem::UnknownOrder.report(detail).reply());
    };
    // Read before the order is looked for: one that is not found may only not be recovered yet.
    let state = service.admission.state();
    match service.admission.find(&id) {
        OrderState::InFlight => {
            let reply = outcome::in_flight(&id);
            Handled::Reply(with_ledger_id(reply, &service.admission))
        }
        OrderState::Committed(seq) => {
            Lookup::start(service, seq, LookupPurpose::Show, waker).now_or_later(service)
        }
        OrderState::Unknown if state == GateState::Recovering => {
            Handled::Reply(closed(state).reply())
        }
        OrderState::Unknown => {
            let WindowReach { orders, age } = service.admission.window_reach();
            let report = Problem::UnknownOrder.report(wording::unknown(orders, age));
            Handled::Reply(report.id(id.as_str()).reply())
        }
    }
}

impl Lookup {
    /// Reads why an order failed that is submitted again.
    pub(crate) fn failed_again(
        service: &Service,
        id: OrderId,
        seq: u64,
        waker: &Waker,
    ) -> Handled<Self> {
        let purpose = LookupPurpose::Resubmitted { id, seq };
        Self::start(service, seq, purpose, waker).now_or_later(service)
    }

    fn start(service: &Service, seq: u64, purpose: LookupPurpose, waker: &Waker) -> Self {
        let read = Arc::new(Oneshot::new(Some(waker.clone())));
        let reply = read.clone();
        service
            .admission
            .read(seq, move |record| reply.complete(record));
        Self { read, purpose }
    }

    /// The reply if the archive answered at once, else the wait for it.
    fn now_or_later(self, service: &Service) -> Handled<Self> {
        match self.poll(service) {
            Some(reply) => Handled::Reply(reply),
            None => Handled::Wait(self),
        }
    }

    /// The reply, once the archive has answered.
    pub(crate) fn poll(&self, service: &Service) -> Option<Reply> {
        let read = self.read.get()?;
        Some(match (&self.purpose, read) {
            (LookupPurpose::Show, Ok(record)) => {
                with_ledger_id(Reply::json(200, line(record)), &service.admission)
            }
            (LookupPurpose::Show, Err(why)) => unreadable(why, Problem::UnknownOrder).reply(),
            (LookupPurpose::Resubmitted { id, seq }, read) => {
                let reason = match read {
                    Ok(record) => record.outcome.reason.clone(),
                    Err(_) => None,
                };
                let outcome = Outcome {
                    seq: *seq,
                    status: Status::Failed,
                    reason,
                };
                outcome::committed(id, &outcome, true)
            }
        })
    }
}
