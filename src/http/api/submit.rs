//! `POST /submit`: one order.

use std::mem;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::admission::{Acknowledged, Admitted, Rejection, Ticket};
use crate::clock;
use crate::http::api::handled::Handled;
use crate::http::api::idempotency_key;
use crate::http::api::orders::Lookup;
use crate::http::api::outcome;
use crate::http::api::prefer::AckWait;
use crate::http::api::problem::{
    Problem, committed_otherwise, rejected, unsupported_coding, withdrawn,
};
use crate::http::api::request::Request;
use crate::http::api::service::Service;
use crate::http::wire::ContentCoding;
use crate::http::wire::reply::Reply;
use crate::ledger::{Outcome, Status};
use crate::metrics::Reason;
use crate::order::{Order, OrderId};
use crate::pipeline::answer::Answer;

/// What the reply to a submission waits for.
pub(crate) enum SubmitWait {
    Outcome(OutcomeWait),
    /// The reason of an order that failed before.
    Reason(Lookup),
}

/// An order whose outcome the client waits for.
pub(crate) struct OutcomeWait {
    ticket: Ticket,
    id: OrderId,
    /// When the order is acknowledged as queued instead.
    until: Instant,
    /// The first poll follows the submission, when no time has passed: it needs
    /// no clock.
    polled: bool,
    respond_async: bool,
}

/// Takes one order.
pub(crate) fn submit(
    service: &Service,
    request: &Request<'_>,
    waker: &Waker,
) -> Handled<SubmitWait> {
    let Some(body) = request.body else {
        service.admission.reject(Reason::Invalid);
        let report = Problem::LengthRequired.report("an order is sent as the body");
        return Handled::Reply(report.reply());
    };
    if request.content_coding != ContentCoding::Identity {
        service.admission.reject(Reason::Invalid);
        return Handled::Reply(unsupported_coding("identity"));
    }
    let decoded = match request.idempotency_key {
        None => service
            .admission
            .decode(body)
            .map_err(|rejection| Box::new(refusal(service, None, &rejection))),
        Some(key) => idempotency_key::decode(service, body, key),
    };
    let mut order = match decoded {
        Ok(order) => order,
        Err(reply) => return Handled::Reply(*reply),
    };
    order.set_submission(request.submission);
    let id = *order.id();
    let ack_wait = AckWait::of(&service.limits, request.prefer);
    if ack_wait.time.is_zero() {
        return submit_queued(service, order, &id, ack_wait.respond_async, waker);
    }
    match service.admission.admit(order, Some(waker)) {
        Err(rejection) => Handled::Reply(refusal(service, Some(&id), &rejection)),
        Ok(Admitted::Committed(outcome)) => known(service, id, &outcome, waker),
        Ok(Admitted::Waiting(ticket)) => Handled::Wait(SubmitWait::Outcome(OutcomeWait {
            ticket,
            id,
            until: clock::deadline(ack_wait.time),
            polled: false,
            respond_async: ack_wait.respond_async,
        })),
    }
}

/// Takes an order for which the client doesn't wait.
fn submit_queued(
    service: &Service,
    order: Order,
    id: &OrderId,
    respond_async: bool,
    waker: &Waker,
) -> Handled<SubmitWait> {
    match service.admission.admit_queued(order) {
        Err(rejection) => Handled::Reply(refusal(service, Some(id), &rejection)),
        Ok(Acknowledged::Queued) => Handled::Reply(outcome::queued(id, respond_async, false)),
        Ok(Acknowledged::Withdrawn(why)) => {
            let report = withdrawn(&why, service.admission.retry_after());
            Handled::Reply(report.id(id.as_str()).reply())
        }
        Ok(Acknowledged::Duplicate(Admitted::Committed(outcome))) => {
            known(service, *id, &outcome, waker)
        }
        Ok(Acknowledged::Duplicate(Admitted::Waiting(ticket)) | Acknowledged::Deferred(ticket)) => {
            let mut wait = OutcomeWait {
                ticket,
                id: *id,
                until: Instant::now(),
                polled: true,
                respond_async,
            };
            match wait.poll(service) {
                Some(reply) => Handled::Reply(reply),
                None => Handled::Wait(SubmitWait::Outcome(wait)),
            }
        }
    }
}

/// The reply to a duplicate of a committed order.
fn known(service: &Service, id: OrderId, outcome: &Outcome, waker: &Waker) -> Handled<SubmitWait> {
    match outcome.status {
        Status::Processed => Handled::Reply(outcome::committed(&id, outcome, true)),
        // The reason is in the archive.
        Status::Failed => {
            Lookup::failed_again(service, id, outcome.seq, waker).map(SubmitWait::Reason)
        }
    }
}

/// The reply to an order that was not taken.
fn refusal(service: &Service, id: Option<&OrderId>, rejection: &Rejection) -> Reply {
    let report = rejected(rejection, service.limits.overload_status);
    match (rejection, id) {
        // Nothing about this order in particular.
        (Rejection::Closed(_), _) | (_, None) => report.reply(),
        (_, Some(id)) => report.id(id.as_str()).reply(),
    }
}

impl SubmitWait {
    /// The reply, if it is there or the time is up.
    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        match self {
            Self::Outcome(wait) => wait.poll(service),
            Self::Reason(lookup) => lookup.poll(service),
        }
    }

    /// When to poll again at the latest; `None`: the archive will wake it.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self {
            Self::Outcome(wait) => Some(wait.until),
            Self::Reason(_) => None,
        }
    }
}

impl OutcomeWait {
    fn poll(&mut self, service: &Service) -> Option<Reply> {
        if let Some(answer) = self.ticket.answer() {
            return Some(self.answered(service, &answer));
        }
        if !mem::replace(&mut self.polled, true) {
            return None;
        }
        let now = Instant::now();
        if now < self.until {
            return None;
        }
        if self.ticket.ack_queued() {
            let duplicate = self.ticket.is_duplicate();
            return Some(outcome::queued(&self.id, self.respond_async, duplicate));
        }
        // The order has just ended: its answer is about to be there. With no
        // waker nobody announces it, so check again soon.
        self.until = now + Duration::from_millis(1);
        self.ticket
            .answer()
            .map(|answer| self.answered(service, &answer))
    }

    fn answered(&self, service: &Service, answer: &Answer) -> Reply {
        match answer {
            Answer::Committed(outcome) => {
                outcome::committed(&self.id, outcome, self.ticket.is_duplicate())
            }
            Answer::AlreadyThere(outcome) => outcome::committed(&self.id, outcome, true),
            Answer::OtherContent => committed_otherwise().id(self.id.as_str()).reply(),
            Answer::Withdrawn(why) => withdrawn(why, service.admission.retry_after())
                .id(self.id.as_str())
                .reply(),
        }
    }
}
