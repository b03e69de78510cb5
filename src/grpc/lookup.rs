//! `GetOrder`, and what else is read from the ledger by sequence.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::admission::{OrderState, WindowReach};
use crate::grpc::Door;
use crate::grpc::proto::{GetOrderRequest, GetOrderResponse, Order, OrderRecord, OrderStatus};
use crate::grpc::status::{Kind, Refusal};
use crate::grpc::submit::status_of;
use crate::grpc::task_waker::TaskWaker;
use crate::ledger::{Read, ReadError, Record};
use crate::order;
use crate::order::OrderId;
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// Says what became of an order.
pub(super) async fn get_order(
    door: &Door,
    request: GetOrderRequest,
) -> Result<GetOrderResponse, Refusal> {
    let id = OrderId::parse(&request.id).map_err(|invalid| {
        Kind::InvalidRequest
            .because(format!("the id {invalid}"))
            .field("id")
    })?;
    // Before the look: an outcome that is not found may only not be known yet.
    let state = door.admission.state();
    let seq = match door.admission.find(&id) {
        OrderState::InFlight => {
            return Ok(GetOrderResponse {
                status: OrderStatus::Queued.into(),
                record: None,
            });
        }
        OrderState::Committed(seq) => seq,
        OrderState::Unknown if state == GateState::Recovering => {
            return Err(Refusal::closed(state));
        }
        OrderState::Unknown => return Err(unknown(door)),
    };
    let task_waker = door.wakeups.task_waker();
    match read(door, seq, &task_waker).await {
        Ok(record) => {
            let record = message(&record);
            Ok(GetOrderResponse {
                status: record.status,
                record: Some(record),
            })
        }
        // Known by the window, and its record dropped since.
        Err(why @ ReadError::Gone { .. }) => Err(Kind::Unknown.because(why.to_string())),
        Err(why) => Err(Refusal::unreadable(&why)),
    }
}

fn unknown(door: &Door) -> Refusal {
    let WindowReach {
        orders: outcomes,
        age,
    } = door.admission.window_reach();
    let (reach, seconds) = match age {
        Some(age) => (
            format!(
                "the last {outcomes} outcomes, which reach back {} s",
                age.as_secs()
            ),
            Some(age.as_secs()),
        ),
        None => (
            format!("the outcomes since the start (the last {outcomes} are known)"),
            None,
        ),
    };
    let refusal = Kind::Unknown
        .because(format!("not in flight and not among {reach}"))
        .number("window_outcomes", outcomes as u64);
    match seconds {
        Some(seconds) => refusal.number("window_age_seconds", seconds),
        None => refusal,
    }
}

/// Reads one outcome.
pub(super) async fn read(door: &Door, seq: u64, task_waker: &Arc<TaskWaker>) -> Read {
    let oneshot = begin(door, seq, task_waker);
    task_waker.until(|| oneshot.get().cloned()).await
}

/// Why the order with this sequence failed; `None` if that can't be read.
pub(super) async fn reason(door: &Door, seq: u64, task_waker: &Arc<TaskWaker>) -> Option<Arc<str>> {
    reason_of(&read(door, seq, task_waker).await)
}

/// Why the order that was read failed.
pub(super) fn reason_of(read: &Read) -> Option<Arc<str>> {
    let record = read.as_ref().ok()?;
    record.outcome.reason.clone()
}

/// Starts to read one outcome, which wakes `task_waker` when it is there.
pub(super) fn begin(door: &Door, seq: u64, task_waker: &Arc<TaskWaker>) -> Arc<Oneshot<Read>> {
    let oneshot = Arc::new(Oneshot::new(Some(task_waker.waker())));
    let reply = oneshot.clone();
    door.admission.read(seq, move |read| reply.complete(read));
    oneshot
}

/// A committed outcome as a message.
pub(super) fn message(record: &Record) -> OrderRecord {
    let order::Parts { value, others } = order::Parts::of(&record.order);
    OrderRecord {
        seq: record.outcome.seq,
        status: status_of(record.outcome.status).into(),
        reason: record
            .outcome
            .reason
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
        accept_time: Some(time(record.accepted_at)),
        commit_time: Some(time(record.committed_at)),
        order: Some(Order {
            id: record.id.as_ref().to_owned(),
            value,
            attributes_json: others,
        }),
    }
}

fn time(unix_nanos: u64) -> prost_types::Timestamp {
    let at: SystemTime = UNIX_EPOCH + Duration::from_nanos(unix_nanos);
    at.into()
}
