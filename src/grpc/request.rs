//! What requests of `Submit` and `SubmitStream` have in common: an order, and
//! how long to wait for its outcome.

use std::time::Duration;

use http::HeaderMap;

use crate::admission::Admission;
use crate::config::Ack;
use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::front_end::FrontEnd;
use crate::grpc::proto::{AckMode, Order as OrderMessage};
use crate::grpc::status;
use crate::metrics::Reason;
use crate::order::{Client as ClientName, Order, Submission, TraceParent};

/// In a request: the trace that the call belongs to.
pub(super) const TRACEPARENT: &str = "traceparent";

/// How soon to check again for an answer that is about to be there, since the
/// thread that brings it may not wake the call.
pub(super) const ANSWER_CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// How long a request wants to wait for the commit; zero: not at all.
pub(super) fn commit_wait(
    front_end: &FrontEnd,
    ack_mode: i32,
    wait: Option<prost_types::Duration>,
) -> Result<Duration, CallError> {
    let invalid = |field: &'static str, detail: &str| {
        front_end.admission.reject(Reason::Invalid);
        ErrorReason::InvalidRequest.error(detail).field(field)
    };
    let limits = &front_end.limits;
    let ack = match AckMode::try_from(ack_mode) {
        Ok(AckMode::Unspecified) => None,
        Ok(AckMode::Committed) => Some(Ack::Committed),
        Ok(AckMode::Queued) => Some(Ack::Queued),
        Err(_) => return Err(invalid("ack_mode", "no such ack mode")),
    };
    let wait = match wait.map(Duration::try_from) {
        None => None,
        Some(Ok(wait)) => Some(wait.min(limits.ack_timeout)),
        Some(Err(_)) => return Err(invalid("wait", "a wait can't be negative")),
    };
    if !limits.keeps_queued {
        // As over HTTP: there is nothing to ask for but an earlier end.
        let wait = wait.filter(|wait| !wait.is_zero());
        return Ok(wait.unwrap_or(limits.ack_timeout));
    }
    Ok(match (ack, wait) {
        (Some(Ack::Queued), _) => Duration::ZERO,
        (_, Some(wait)) => wait,
        (ack, None) => match ack.unwrap_or(limits.ack) {
            Ack::Committed => limits.ack_timeout,
            Ack::Queued => Duration::ZERO,
        },
    })
}

/// What is known of a call's orders: whose they are, and what its metadata says
/// of their trace.
pub(super) fn submission(metadata: &HeaderMap, client: Option<ClientName>) -> Submission {
    Submission {
        client,
        traceparent: traceparent(metadata),
    }
}

/// The trace that a call belongs to. An invalid trace context is no error, and
/// of several none counts (W3C Trace Context, section 3.2).
pub(super) fn traceparent(metadata: &HeaderMap) -> Option<TraceParent> {
    let mut values = metadata.get_all(TRACEPARENT).iter();
    let only = values.next().filter(|_| values.next().is_none());
    TraceParent::parse(only?.as_bytes())
}

/// The order in a message, submitted so.
pub(super) fn decode_order(
    admission: &Admission,
    message: Option<OrderMessage>,
    submission: Submission,
) -> Result<Order, CallError> {
    let Some(OrderMessage {
        id,
        value,
        attributes_json,
    }) = message
    else {
        admission.reject(Reason::Invalid);
        return Err(ErrorReason::InvalidOrder
            .error("the request has no order")
            .field("order"));
    };
    let others = (!attributes_json.is_empty()).then_some(&*attributes_json);
    let mut order = admission
        .decode_parts(&id, &value, others)
        .map_err(|rejection| status::rejected(&rejection))?;
    order.set_submission(submission);
    Ok(order)
}
