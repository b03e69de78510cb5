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
use crate::ledger::{Find, Outcome, Read, Record, Status};
use crate::order::OrderId;
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// An outcome being read from the archive.
pub(crate) enum Lookup {
    /// To show the whole line.
    Show(Arc<Oneshot<Read>>),
    /// To show it, if the id has one: the window doesn't know.
    Find {
        id: OrderId,
        found: Arc<Oneshot<Find>>,
    },
    /// To say why an order failed that was submitted again.
    Resubmitted {
        id: OrderId,
        seq: u64,
        read: Arc<Oneshot<Read>>,
    },
}

/// Says where an order is.
pub(crate) fn order(service: &Service, id: &str, waker: &Waker) -> Handled<Lookup> {
    let Ok(id) = OrderId::parse(id) else {
        let detail = "no order has such an id: ids are 1 to 64 of A-Z a-z 0-9 _ -";
        return Handled::Reply(Problem::UnknownOrder.report(detail).reply());
    };
    // Read before the order is looked for: one that is not found may only not
    // be recovered yet.
    let state = service.admission.state();
    match service.admission.find(&id) {
        OrderState::InFlight => {
            let reply = outcome::in_flight(&id);
            Handled::Reply(with_ledger_id(reply, &service.admission))
        }
        OrderState::Committed(seq) => {
            Lookup::Show(start(service, seq, waker)).now_or_later(service)
        }
        OrderState::Unknown if state == GateState::Recovering => {
            Handled::Reply(closed(state).reply())
        }
        OrderState::Unknown if service.admission.is_shared() => {
            let found = Arc::new(Oneshot::new(Some(waker.clone())));
            let reply = found.clone();
            let complete = move |record| reply.complete(record);
            service.admission.find_committed(&id, complete);
            Lookup::Find { id, found }.now_or_later(service)
        }
        OrderState::Unknown => Handled::Reply(unknown(service, &id)),
    }
}

fn unknown(service: &Service, id: &OrderId) -> Reply {
    let detail = if service.admission.is_shared() {
        wording::UNKNOWN_TO_LEDGER.to_owned()
    } else {
        let WindowReach { orders, age } = service.admission.window_reach();
        wording::unknown(orders, age)
    };
    let report = Problem::UnknownOrder.report(detail);
    report.id(id.as_str()).reply()
}

fn start(service: &Service, seq: u64, waker: &Waker) -> Arc<Oneshot<Read>> {
    let read = Arc::new(Oneshot::new(Some(waker.clone())));
    let reply = read.clone();
    service
        .admission
        .read(seq, move |record| reply.complete(record));
    read
}

impl Lookup {
    /// Reads why an order failed that is submitted again.
    pub(crate) fn failed_again(
        service: &Service,
        id: OrderId,
        seq: u64,
        waker: &Waker,
    ) -> Handled<Self> {
        let read = start(service, seq, waker);
        Self::Resubmitted { id, seq, read }.now_or_later(service)
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
        let show =
            |record: &Record| with_ledger_id(Reply::json(200, line(record)), &service.admission);
        Some(match self {
            Self::Show(read) => match read.get()? {
                Ok(record) => show(record),
                Err(why) => unreadable(why, Problem::UnknownOrder).reply(),
            },
            Self::Find { id, found } => match found.get()? {
                Ok(Some(record)) => show(record),
                Ok(None) => unknown(service, id),
                Err(why) => unreadable(why, Problem::UnknownOrder).reply(),
            },
            Self::Resubmitted { id, seq, read } => {
                let reason = match read.get()? {
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
