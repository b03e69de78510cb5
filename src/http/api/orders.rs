//! `GET /orders/{id}`: what became of an order.

use std::io::Write;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::admission::{OrderState, WindowReach};
use crate::http::api::feed::with_ledger_id;
use crate::http::api::problem::Problem;
use crate::http::api::router::{Handled, Wait, closed};
use crate::http::api::service::Service;
use crate::http::api::submit::outcome_reply;
use crate::http::wire::reply::Reply;
use crate::ledger::{Outcome, Read, ReadError, Record, Status};
use crate::order::OrderId;
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// An outcome being read from the archive.
pub(crate) struct Lookup {
    read: Arc<Oneshot<Read>>,
    wanted: Wanted,
}

enum Wanted {
    /// The whole line.
    Line,
    /// The reason of a failed order that was submitted again.
    Failure { id: OrderId, seq: u64 },
}

/// Says what became of an order.
pub(crate) fn order(service: &Service, id: &str, waker: &Waker) -> Handled {
    let Ok(id) = OrderId::parse(id) else {
        let detail = "no order has such an id: ids are 1 to 64 of A-Z a-z 0-9 _ -";
        return Handled::Reply(Problem::UnknownOrder.report(detail).reply());
    };
    // Before the look: an outcome that is not found may only not be known yet.
    let state = service.admission.state();
    match service.admission.find(&id) {
        OrderState::InFlight => {
            let body = format!(r#"{{"id":"{id}","status":"queued"}}"#);
            let reply = Reply::json(200, body.into_bytes());
            Handled::Reply(with_ledger_id(reply, service))
        }
        OrderState::Committed(seq) => {
            now_or_later(Lookup::start(service, seq, Wanted::Line, waker), service)
        }
        OrderState::Unknown if state == GateState::Recovering => Handled::Reply(closed(state)),
        OrderState::Unknown => {
            let WindowReach { orders, age } = service.admission.window_reach();
            let detail = match age {
                Some(age) => format!(
                    "not in flight and not among the last {orders} outcomes, which reach back {} s",
                    age.as_secs()
                ),
                None => format!(
                    "not in flight and not among the outcomes since the start (the last {orders} are known)"
                ),
            };
            let report = Problem::UnknownOrder
                .report(&detail)
                .text("id", id.as_str());
            Handled::Reply(report.reply())
        }
    }
}

/// The reply if the archive had it at hand, else the wait for it.
pub(crate) fn now_or_later(mut lookup: Lookup, service: &Service) -> Handled {
    match lookup.poll(service) {
        Some(reply) => Handled::Reply(reply),
        None => Handled::Wait(Wait::Lookup(lookup)),
    }
}

impl Lookup {
    /// Reads why an order failed that is submitted again.
    pub(crate) fn failed_again(service: &Service, id: OrderId, seq: u64, waker: &Waker) -> Self {
        Self::start(service, seq, Wanted::Failure { id, seq }, waker)
    }

    fn start(service: &Service, seq: u64, wanted: Wanted, waker: &Waker) -> Self {
        let read = Arc::new(Oneshot::new(Some(waker.clone())));
        let reply = read.clone();
        service
            .admission
            .read(seq, move |record| reply.complete(record));
        Self { read, wanted }
    }

    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        let read = self.read.get()?;
        Some(match (&self.wanted, read) {
            (Wanted::Line, Ok(record)) => with_ledger_id(Reply::json(200, line(record)), service),
            (Wanted::Line, Err(why)) => unreadable(why),
            (Wanted::Failure { id, seq }, read) => {
                let reason = read
                    .as_ref()
                    .ok()
                    .and_then(|record| record.outcome.reason.clone());
                let outcome = Outcome {
                    seq: *seq,
                    status: Status::Failed,
                    reason,
                };
                outcome_reply(id, &outcome, true)
            }
        })
    }
}

fn unreadable(why: &ReadError) -> Reply {
    let detail = why.to_string();
    match why {
        ReadError::Gone { oldest, .. } => Problem::UnknownOrder
            .report(&detail)
            .number("oldest_seq", *oldest)
            .reply(),
        ReadError::Busy => Problem::FeedBusy.report(&detail).retry_after(1).reply(),
        ReadError::Failed(_) => Problem::LedgerDown.report(&detail).retry_after(1).reply(),
    }
}

/// One line of the feed, without its line end.
pub fn line(record: &Record) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(record, &mut line);
    line
}

/// Appends one line of the feed, without its line end.
pub(crate) fn write_line(record: &Record, line: &mut Vec<u8>) {
    let Outcome {
        seq,
        status,
        reason,
    } = &record.outcome;
    write!(
        line,
        r#"{{"seq":{seq},"id":"{}","status":"{}","accepted_at":"{}","committed_at":"{}""#,
        record.id,
        status.as_str(),
        time(record.accepted_at),
        time(record.committed_at),
    )
    .expect("a Vec takes all that is written");
    if let Some(reason) = reason {
        line.extend_from_slice(br#","detail":"#);
        serde_json::to_writer(&mut *line, &**reason).expect("a string is written to memory");
    }
    line.extend_from_slice(br#","order":"#);
    line.extend_from_slice(record.order.as_bytes());
    line.push(b'}');
}

/// RFC 3339, UTC, to the microsecond.
fn time(unix_nanos: u64) -> humantime::Rfc3339Timestamp {
    let at: SystemTime = UNIX_EPOCH + Duration::from_nanos(unix_nanos);
    humantime::format_rfc3339_micros(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_with_the_order_as_it_came() {
        let mut record = Record {
            outcome: Outcome {
                seq: 17,
                status: Status::Processed,
                reason: None,
            },
            accepted_at: 1_700_000_000_123_456_789,
            committed_at: 1_700_000_001_000_000_000,
            id: "ord-1".into(),
            order: r#"{"id":"ord-1","value":100.50}"#.into(),
        };
        let text = |record: &Record| String::from_utf8(line(record)).unwrap();
        assert_eq!(
            text(&record),
            r#"{"seq":17,"id":"ord-1","status":"processed","accepted_at":"2023-11-14T22:13:20.123456Z","committed_at":"2023-11-14T22:13:21.000000Z","order":{"id":"ord-1","value":100.50}}"#
        );
        record.outcome.status = Status::Failed;
        record.outcome.reason = Some("said \"no\"".into());
        let json: serde_json::Value = serde_json::from_str(&text(&record)).unwrap();
        assert_eq!(json["detail"], "said \"no\"");
        assert_eq!(json["status"], "failed");
    }
}
