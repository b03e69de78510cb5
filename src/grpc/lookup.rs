//! `GetOrder`, and reading single outcomes from the ledger for other calls.

use std::sync::Arc;

use tonic::Response;

use crate::admission::{OrderState, wording};
use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::front_end::FrontEnd;
use crate::grpc::limits::FREE_RECORD_BYTES;
use crate::grpc::proto::{GetOrderRequest, GetOrderResponse, OrderStatus};
use crate::grpc::ready_queue::TaskWaker;
use crate::grpc::{convert, status};
use crate::ledger::{Find, Read, ReadError, Record};
use crate::order::OrderId;
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// Answers with an order's state, and its record once it is committed.
pub(super) async fn get_order(
    front_end: &FrontEnd,
    request: GetOrderRequest,
) -> Result<Response<GetOrderResponse>, CallError> {
    let id = OrderId::parse(&request.id).map_err(|invalid| {
        ErrorReason::InvalidRequest
            .error(format!("the id {invalid}"))
            .field("id")
    })?;
    // Read before the lookup: an outcome that is not found may not have been
    // recovered by then.
    let state = front_end.admission.state();
    let seq = match front_end.admission.find(&id) {
        OrderState::InFlight => {
            return Ok(Response::new(GetOrderResponse {
                status: OrderStatus::Queued.into(),
                record: None,
            }));
        }
        OrderState::Committed(seq) => seq,
        OrderState::Unknown if state == GateState::Recovering => {
            return Err(status::closed(state));
        }
        OrderState::Unknown if front_end.admission.is_shared() => {
            return match find(front_end, &id, &front_end.task_waker()).await {
                Ok(Some(record)) => sent(front_end, &record),
                Ok(None) => Err(ErrorReason::UnknownOrder.error(wording::UNKNOWN_TO_LEDGER)),
                Err(why) => Err(status::unreadable(&why)),
            };
        }
        OrderState::Unknown => return Err(status::unknown(front_end.admission.window_reach())),
    };
    match read(front_end, seq, &front_end.task_waker()).await {
        Ok(record) => sent(front_end, &record),
        // Still in the window, but the ledger has dropped its record.
        Err(why @ ReadError::Gone { .. }) => Err(ErrorReason::UnknownOrder.error(why.to_string())),
        Err(why) => Err(status::unreadable(&why)),
    }
}

/// A response with a record, and the memory permit that it holds.
fn sent(front_end: &FrontEnd, record: &Record) -> Result<Response<GetOrderResponse>, CallError> {
    let bytes = record.text_bytes();
    let permit = if bytes > FREE_RECORD_BYTES {
        let permit = front_end.records.try_acquire(bytes);
        Some(permit.ok_or_else(|| {
            ErrorReason::FeedBusy
                .error("as many bytes of records are being sent as the server holds")
                .retry_after(1)
        })?)
    } else {
        None
    };
    let record = convert::order_record(record);
    let mut response = Response::new(GetOrderResponse {
        status: record.status,
        record: Some(record),
    });
    if let Some(permit) = permit {
        response.extensions_mut().insert(Arc::new(permit));
    }
    Ok(response)
}

/// Reads why the order with this sequence failed; `None` if that can't be read.
pub(super) async fn failure_reason(
    front_end: &FrontEnd,
    seq: u64,
    task_waker: &Arc<TaskWaker>,
) -> Option<Arc<str>> {
    failure_reason_of(&read(front_end, seq, task_waker).await)
}

/// The same of a read that is complete.
pub(super) fn failure_reason_of(read: &Read) -> Option<Arc<str>> {
    read.as_ref().ok()?.outcome.reason.clone()
}

/// Starts to read one outcome; wakes `task_waker` when it is there.
pub(super) fn start_read(
    front_end: &FrontEnd,
    seq: u64,
    task_waker: &Arc<TaskWaker>,
) -> Arc<Oneshot<Read>> {
    let oneshot = Arc::new(Oneshot::new(Some(task_waker.waker())));
    let reply = oneshot.clone();
    front_end
        .admission
        .read(seq, move |read| reply.complete(read));
    oneshot
}

async fn read(front_end: &FrontEnd, seq: u64, task_waker: &Arc<TaskWaker>) -> Read {
    let oneshot = start_read(front_end, seq, task_waker);
    task_waker.wait_for(|| oneshot.get().cloned()).await
}

/// Looks up an id that the window doesn't know.
async fn find(front_end: &FrontEnd, id: &OrderId, task_waker: &Arc<TaskWaker>) -> Find {
    let oneshot = Arc::new(Oneshot::new(Some(task_waker.waker())));
    let reply = oneshot.clone();
    front_end
        .admission
        .find_committed(id, move |found| reply.complete(found));
    task_waker.wait_for(|| oneshot.get().cloned()).await
}
