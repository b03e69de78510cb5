//! Replies that say where an order is: 201, 200 and 422 for a committed one,
//! 202 for one that is acknowledged as queued.

use crate::http::api::problem::Problem;
use crate::http::wire::reply::Reply;
use crate::ledger::{Outcome, Status};
use crate::order::{ID_LEN_MAX, OrderId};

/// The order is committed, now or (a duplicate) by an earlier submission.
pub(crate) fn committed(id: &OrderId, outcome: &Outcome, duplicate: bool) -> Reply {
    match outcome.status {
        Status::Processed => processed(id, outcome.seq, duplicate),
        Status::Failed => failed(id, outcome, duplicate),
    }
}

/// What comes before the id in the path of an order.
pub(crate) const ORDER_PREFIX: &str = "/orders/";
/// The longest body written by hand, its line end included: an id of 64 bytes, a
/// sequence of 20 digits.
const BODY_BYTES_MAX: usize = 160;

/// Written by hand: it is on the path of every order.
fn processed(id: &OrderId, seq: u64, duplicate: bool) -> Reply {
    let mut body = Vec::with_capacity(BODY_BYTES_MAX);
    body.extend_from_slice(br#"{"id":""#);
    body.extend_from_slice(id.as_bytes()); // nothing in an id needs escaping
    body.extend_from_slice(br#"","status":"processed","seq":"#);
    body.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    if duplicate {
        body.extend_from_slice(br#","duplicate":true"#);
    }
    body.push(b'}');
    Reply {
        is_replay: duplicate,
        ..Reply::json(if duplicate { 200 } else { 201 }, body)
    }
}

fn failed(id: &OrderId, outcome: &Outcome, duplicate: bool) -> Reply {
    let reason = outcome
        .reason
        .as_deref()
        .unwrap_or("the processor refused the order");
    let report = Problem::OrderFailed
        .report(reason)
        .id(id.as_str())
        .outcome(outcome.status.as_str(), outcome.seq);
    if duplicate {
        report.duplicate().reply()
    } else {
        report.reply()
    }
}

/// The order is in flight, and its submitter stops waiting. `respond_async` if
/// it asked for that.
pub(crate) fn queued(id: &OrderId, respond_async: bool, duplicate: bool) -> Reply {
    let mut location = String::with_capacity(ORDER_PREFIX.len() + ID_LEN_MAX);
    location.push_str(ORDER_PREFIX);
    location.push_str(id.as_str());
    let reply = Reply::json(202, queued_body(id, duplicate)).with_location(location);
    if respond_async {
        // RFC 7240 section 3: the preference that was honoured.
        return reply.with_header("Preference-Applied", "respond-async".into());
    }
    reply
}

/// The order that is looked up is in flight.
pub(crate) fn in_flight(id: &OrderId) -> Reply {
    Reply::json(200, queued_body(id, false))
}

/// By hand, as [`processed`].
fn queued_body(id: &OrderId, duplicate: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(BODY_BYTES_MAX);
    body.extend_from_slice(br#"{"id":""#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(br#"","status":"queued""#);
    if duplicate {
        body.extend_from_slice(br#","duplicate":true"#);
    }
    body.push(b'}');
    body
}
