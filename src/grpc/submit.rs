//! `Submit`: one order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::admission::{Admission, Admitted, Ticket};
use crate::config::Ack;
use crate::grpc::proto::{
    AckMode, Order as OrderMessage, OrderStatus, SubmitRequest, SubmitResponse,
};
use crate::grpc::status::{Kind, Refusal};
use crate::grpc::task_waker::TaskWaker;
use crate::grpc::{Door, Phase, lookup};
use crate::ledger::{Outcome, Status};
use crate::metrics::Reason;
use crate::order::Order;
use crate::pipeline::answer::Answer;

/// How soon to look again for an answer that is about to be there, and that
/// nobody may be going to wake us for.
pub(super) const MOMENT: Duration = Duration::from_millis(1);

/// Takes one order and waits for its outcome.
pub(super) async fn submit(door: &Door, request: SubmitRequest) -> Result<SubmitResponse, Refusal> {
    let SubmitRequest {
        order,
        ack_mode,
        wait,
    } = request;
    let wait = terms(door, ack_mode, wait)?;
    let order = decode(&door.admission, order)?;
    let id = *order.id();
    let task_waker = door.wakeups.task_waker();
    let waker = task_waker.waker();
    let waiting = (!wait.is_zero()).then_some(&waker);
    let (outcome, duplicate) = match door.admission.admit(order, waiting) {
        Err(rejection) => return Err(Refusal::rejected(&rejection)),
        Ok(Admitted::Committed(mut outcome)) => {
            if outcome.status == Status::Failed {
                outcome.reason = lookup::reason(door, outcome.seq, &task_waker).await;
            }
            (Some(outcome), true)
        }
        Ok(Admitted::Waiting(ticket)) => {
            let until = Instant::now() + wait;
            let outcome = match answer(door, &ticket, &task_waker, until).await {
                Some(Answer::Committed(outcome)) => Some(outcome),
                Some(Answer::Withdrawn(why)) => {
                    return Err(Refusal::withdrawn(&door.admission, &why));
                }
                None => None,
            };
            (outcome, ticket.is_duplicate())
        }
    };
    let (status, seq, reason) = told(outcome);
    Ok(SubmitResponse {
        id: id.as_str().to_owned(),
        status: status.into(),
        seq,
        duplicate,
        reason,
    })
}

/// How long a request wants to wait for the commit; zero: not at all.
pub(super) fn terms(
    door: &Door,
    ack_mode: i32,
    wait: Option<prost_types::Duration>,
) -> Result<Duration, Refusal> {
    let refuse = |field: &'static str, detail: &str| {
        door.admission.reject(Reason::Invalid);
        Kind::InvalidRequest.because(detail).field(field)
    };
    let ack = match AckMode::try_from(ack_mode) {
        Ok(AckMode::Unspecified) => None,
        Ok(AckMode::Committed) => Some(Ack::Committed),
        Ok(AckMode::Queued) => Some(Ack::Queued),
        Err(_) => return Err(refuse("ack_mode", "no such ack mode")),
    };
    let wait = match wait {
        None => None,
        Some(wait) => match Duration::try_from(wait) {
            Ok(wait) => Some(wait.min(door.limits.ack_timeout)),
            Err(_) => return Err(refuse("wait", "a wait can't be negative")),
        },
    };
    Ok(match (ack, wait) {
        (Some(Ack::Queued), _) => Duration::ZERO,
        (_, Some(wait)) => wait,
        (Some(Ack::Committed), None) => door.limits.ack_timeout,
        (None, None) => match door.limits.ack {
            Ack::Committed => door.limits.ack_timeout,
            Ack::Queued => Duration::ZERO,
        },
    })
}

/// The order in a message.
pub(super) fn decode(
    admission: &Admission,
    message: Option<OrderMessage>,
) -> Result<Order, Refusal> {
    let Some(OrderMessage {
        id,
        value,
        attributes_json,
    }) = message
    else {
        admission.reject(Reason::Invalid);
        return Err(Kind::Invalid
            .because("the request has no order")
            .field("order"));
    };
    let others = (!attributes_json.is_empty()).then_some(&*attributes_json);
    admission
        .decode_parts(&id, &value, others)
        .map_err(|rejection| Refusal::rejected(&rejection))
}

/// Waits for a ticket's answer; `None`: the time is up and the order is queued.
async fn answer(
    door: &Door,
    ticket: &Ticket,
    task_waker: &Arc<TaskWaker>,
    mut until: Instant,
) -> Option<Answer> {
    let mut phase = door.phase.subscribe();
    // At the end of a drain, orders may be withdrawn that nobody tells us of.
    let mut over = false;
    loop {
        if let Some(answer) = ticket.answer() {
            return Some(answer);
        }
        if Instant::now() >= until {
            if ticket.ack_queued() {
                return None;
            }
            until = Instant::now() + MOMENT;
        }
        tokio::select! {
            biased;
            answer = task_waker.until(|| ticket.answer()) => return Some(answer),
            () = sleep_until(until) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Over), if !over => over = true,
        }
    }
}

/// An outcome, or the want of one, in the words of a response.
pub(super) fn told(outcome: Option<Outcome>) -> (OrderStatus, u64, String) {
    match outcome {
        None => (OrderStatus::Queued, 0, String::new()),
        Some(Outcome {
            seq,
            status,
            reason,
        }) => (
            status_of(status),
            seq,
            reason.map_or_else(String::new, |reason| reason.as_ref().to_owned()),
        ),
    }
}

/// A committed status in the words of a response.
pub(super) fn status_of(status: Status) -> OrderStatus {
    match status {
        Status::Processed => OrderStatus::Processed,
        Status::Failed => OrderStatus::Failed,
    }
}
