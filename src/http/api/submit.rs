//! `POST /submit`: one order.

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::admission::{Admitted, Rejection, Ticket};
use crate::config::Ack;
use crate::http::api::orders;
use crate::http::api::orders::Lookup;
use crate::http::api::problem::Problem;
use crate::http::api::router::{Handled, Request, Wait, closed};
use crate::http::api::service::Service;
use crate::http::wire::reply::Reply;
use crate::ledger::{Outcome, Status};
use crate::metrics::Reason;
use crate::order::OrderId;
use crate::pipeline::answer::{Answer, Withdrawal};

/// An order whose outcome the client waits for.
pub(crate) struct Pending {
    ticket: Ticket,
    id: OrderId,
    /// When the client is told "queued" instead.
    until: Instant,
    deferred: bool,
}

/// Takes one order.
pub(crate) fn submit(service: &Service, request: &Request<'_>, waker: &Waker) -> Handled {
    let (wait, deferred) = wait_of(service, request.prefer);
    let waiting = (!wait.is_zero()).then_some(waker);
    let Some(body) = request.body else {
        service.admission.reject(Reason::Invalid);
        let report = Problem::LengthRequired.report("an order is sent as the body");
        return Handled::Reply(report.reply());
    };
    let order = match service.admission.decode(body) {
        Ok(order) => order,
        Err(rejection) => return Handled::Reply(rejected(service, None, &rejection)),
    };
    let id = *order.id();
    match service.admission.admit(order, waiting) {
        Err(rejection) => Handled::Reply(rejected(service, Some(&id), &rejection)),
        Ok(Admitted::Committed(outcome)) => match outcome.status {
            Status::Processed => Handled::Reply(outcome_reply(&id, &outcome, true)),
            // The reason is in the archive.
            Status::Failed => {
                let lookup = Lookup::failed_again(service, id, outcome.seq, waker);
                orders::now_or_later(lookup, service)
            }
        },
        Ok(Admitted::Waiting(ticket)) => {
            let now = Instant::now();
            let until = now + wait;
            let mut pending = Pending {
                ticket,
                id,
                until,
                deferred,
            };
            if !wait.is_zero() {
                return Handled::Wait(Wait::Order(pending));
            }
            match pending.poll(service) {
                Some(reply) => Handled::Reply(reply),
                None => Handled::Wait(Wait::Order(pending)),
            }
        }
    }
}

/// How long the outcome is waited for, and whether the client asked for not at
/// all (`respond-async`).
pub(crate) fn wait_of(service: &Service, prefer: [Option<&str>; 2]) -> (Duration, bool) {
    let prefer = Prefer::read(prefer.into_iter().flatten());
    let deferred = prefer.respond_async || service.limits.ack == Ack::Queued;
    let wait = match (prefer.wait, deferred) {
        (Some(wait), _) => wait.min(service.limits.ack_timeout),
        (None, true) => Duration::ZERO,
        (None, false) => service.limits.ack_timeout,
    };
    (wait, prefer.respond_async)
}

/// Why an id can't be used again, in words.
pub(crate) fn conflict(committed: bool) -> &'static str {
    if committed {
        "the id belongs to a committed order with other content"
    } else {
        "the id belongs to an order in flight with other content"
    }
}

impl Pending {
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        if let Some(answer) = self.ticket.answer() {
            return Some(self.answered(service, answer));
        }
        let now = Instant::now();
        if now < self.until {
            return None;
        }
        if self.ticket.ack_queued() {
            return Some(queued(&self.id, self.deferred, self.ticket.is_duplicate()));
        }
        // It ended this very moment: the answer is about to be there. Nobody
        // may be going to wake us, so look again.
        self.until = now + Duration::from_millis(1);
        self.ticket
            .answer()
            .map(|answer| self.answered(service, answer))
    }

    fn answered(&self, service: &Service, answer: Answer) -> Reply {
        match answer {
            Answer::Committed(outcome) => {
                outcome_reply(&self.id, &outcome, self.ticket.is_duplicate())
            }
            Answer::Withdrawn(why) => withdrawn(service, &self.id, &why),
        }
    }
}

/// Whether a body is a batch.
pub(crate) fn is_ndjson(content_type: Option<&str>) -> bool {
    let media_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    media_type
        .trim()
        .eq_ignore_ascii_case("application/x-ndjson")
}

/// 201, 200 or 422.
pub(crate) fn outcome_reply(id: &OrderId, outcome: &Outcome, duplicate: bool) -> Reply {
    let Outcome {
        seq,
        status,
        reason,
    } = outcome;
    if *status == Status::Failed {
        let reason = reason
            .as_deref()
            .unwrap_or("the processor refused the order");
        let mut report = Problem::OrderFailed
            .report(reason)
            .text("id", id.as_str())
            .text("outcome", status.as_str())
            .number("seq", *seq);
        if duplicate {
            report = report.flag("duplicate", true);
        }
        return report.reply();
    }
    let mut body = Vec::with_capacity(128);
    body.extend_from_slice(br#"{"id":""#);
    body.extend_from_slice(id.as_str().as_bytes()); // nothing in an id needs escaping
    body.extend_from_slice(br#"","status":"processed","seq":"#);
    body.extend_from_slice(itoa::Buffer::new().format(*seq).as_bytes());
    if duplicate {
        body.extend_from_slice(br#","duplicate":true"#);
    }
    body.push(b'}');
    Reply::json(if duplicate { 200 } else { 201 }, body)
}

fn queued(id: &OrderId, deferred: bool, duplicate: bool) -> Reply {
    let mark = if duplicate {
        r#","duplicate":true"#
    } else {
        ""
    };
    let body = format!(r#"{{"id":"{id}","status":"queued"{mark}}}"#);
    let reply = Reply::json(202, body.into_bytes()).with_location(format!("/orders/{id}"));
    if deferred {
        // RFC 7240 section 3: the preference that was honoured.
        return reply.with_header("Preference-Applied", "respond-async".into());
    }
    reply
}

fn rejected(service: &Service, id: Option<&OrderId>, rejection: &Rejection) -> Reply {
    let detail;
    let report = match rejection {
        Rejection::Invalid(invalid) => {
            detail = invalid.to_string();
            let report = Problem::InvalidOrder.report(&detail);
            return match invalid.field() {
                Some(field) => report.text("field", field).reply(),
                None => report.reply(),
            };
        }
        Rejection::Busy => Problem::IdBusy
            .report("the same id is being submitted at this moment")
            .retry_after(1),
        Rejection::Conflict { committed } => Problem::IdConflict
            .report(conflict(*committed))
            .retry_safe(!committed),
        Rejection::Full { retry_after } => Problem::QueueFull
            .report("the intake queue is full; nothing was kept")
            .status(service.limits.overload_status)
            .retry_after(*retry_after),
        Rejection::Closed(state) => return closed(*state),
    };
    match id {
        Some(id) => report.text("id", id.as_str()).reply(),
        None => report.reply(),
    }
}

fn withdrawn(service: &Service, id: &OrderId, why: &Withdrawal) -> Reply {
    let retry_after = service.admission.retry_after();
    match why {
        Withdrawal::Retry(reason) => Problem::TryAgain.report(reason),
        Withdrawal::Drain => {
            Problem::Draining.report("the process ended before the order had an outcome")
        }
        Withdrawal::Ledger => {
            Problem::LedgerDown.report("the ledger failed; whether it holds the order is not known")
        }
    }
    .retry_after(retry_after)
    .text("id", id.as_str())
    .reply()
}

/// What a client prefers (RFC 7240 sections 4.1 and 4.3).
#[derive(Debug, Default, PartialEq, Eq)]
struct Prefer {
    respond_async: bool,
    wait: Option<Duration>,
}

impl Prefer {
    /// Reads the preferences known here; others, and malformed ones, are
    /// ignored, as the RFC says. The first of two stands.
    fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut prefer = Self::default();
        for preference in lines.flat_map(|line| line.split(',')) {
            let token = preference.split(';').next().unwrap_or_default();
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("respond-async") => prefer.respond_async = true,
                name if name.eq_ignore_ascii_case("wait") && prefer.wait.is_none() => {
                    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                    let seconds = digits.then(|| value.parse().unwrap_or(u64::from(u32::MAX)));
                    prefer.wait = seconds.map(Duration::from_secs);
                }
                _ => {}
            }
        }
        prefer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences() {
        let read = |lines: &[&str]| Prefer::read(lines.iter().copied());
        let is = |respond_async, wait: Option<u64>| Prefer {
            respond_async,
            wait: wait.map(Duration::from_secs),
        };
        assert_eq!(read(&[]), is(false, None));
        assert_eq!(read(&["respond-async"]), is(true, None));
        assert_eq!(read(&["Respond-Async; x=1, wait=10"]), is(true, Some(10)));
        assert_eq!(
            read(&["wait=5", "wait=9, respond-async"]),
            is(true, Some(5))
        );
        assert_eq!(read(&["wait = \"7\""]), is(false, Some(7)));
        for ignored in [
            "wait",
            "wait=",
            "wait=-1",
            "wait=1.5",
            "wait=x",
            "return=minimal, ,;=",
        ] {
            assert_eq!(read(&[ignored]), is(false, None), "{ignored}");
        }
        assert!(read(&["wait=99999999999999999999"]).wait > Some(Duration::from_secs(1 << 31)));
    }

    #[test]
    fn batches_are_known_by_their_media_type() {
        assert!(is_ndjson(Some("application/x-ndjson")));
        assert!(is_ndjson(Some(" Application/X-NDJSON ; charset=utf-8")));
        for other in [
            None,
            Some("application/json"),
            Some("application/x-ndjsonl"),
            Some(""),
        ] {
            assert!(!is_ndjson(other));
        }
    }
}
