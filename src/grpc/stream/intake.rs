//! Requests of a stream as entries: decoded and offered, or answered at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::access::{Denied, Grant, Quota};
use crate::admission::{Admitted, Rejection};
use crate::grpc::access_log::StreamCounts;
use crate::grpc::body::DroppedMessages;
use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::front_end::FrontEnd;
use crate::grpc::proto::{Order as OrderMessage, SubmitStreamRequest};
use crate::grpc::ready_queue::TaskWaker;
use crate::grpc::request::{commit_wait, decode_order};
use crate::grpc::stream::entry::{Entry, EntryState};
use crate::grpc::stream::response::{committed, failed};
use crate::grpc::stream::waiting_order::{OrderRequest, WaitingOrder};
use crate::grpc::{lookup, status};
use crate::ledger::Status;
use crate::metrics::Reason;
use crate::order::{ID_LEN_MAX, Order, Submission};

pub(super) struct Intake {
    front_end: Arc<FrontEnd>,
    task_waker: Arc<TaskWaker>,
    call: OfCall,
    requests_read: u64,
}

/// What its orders have of their call.
pub(crate) struct OfCall {
    pub(crate) dropped: DroppedMessages,
    pub(crate) submission: Submission,
    pub(crate) quota: Option<Quota>,
    /// `None` where it needs no token.
    pub(crate) grant: Option<Grant>,
    /// Where requests are counted, if they are.
    pub(crate) counts: Option<Arc<StreamCounts>>,
}

impl Intake {
    pub(super) fn new(front_end: Arc<FrontEnd>, task_waker: Arc<TaskWaker>, call: OfCall) -> Self {
        Self {
            front_end,
            task_waker,
            call,
            requests_read: 0,
        }
    }

    /// Whether an order may be admitted. If the tokens have changed, the next
    /// one has the name and the quota that the call's token has now.
    #[inline]
    pub(super) fn check_token(&mut self) -> Result<(), Denied> {
        let OfCall {
            submission,
            quota,
            grant: Some(grant),
            ..
        } = &mut self.call
        else {
            return Ok(());
        };
        if let Some(client) = grant.check(&self.front_end.access)? {
            submission.client = client.name();
            *quota = Some(client.quota().clone());
        }
        Ok(())
    }

    /// Decodes the next request's order, to be offered to the queue; `Err`: the
    /// request is answered.
    pub(super) fn decode(
        &mut self,
        request: SubmitStreamRequest,
    ) -> Result<WaitingOrder, Box<Entry>> {
        self.requests_read += 1;
        if let Some(counts) = &self.call.counts {
            counts.request();
        }
        let index = self.requests_read;
        let id = echoed_id(request.order.as_ref());
        match self.decode_order(index, request) {
            Ok((order, wait)) => {
                let request = OrderRequest {
                    index,
                    id,
                    order_bytes: order.json().len(),
                    wait,
                };
                let deadline = Instant::now() + self.front_end.limits.ack_timeout;
                Ok(WaitingOrder::new(
                    request,
                    order,
                    deadline,
                    self.call.quota.clone(),
                ))
            }
            Err(error) => Err(Box::new(Entry::answered(failed(index, id, error)))),
        }
    }

    fn decode_order(
        &self,
        index: u64,
        request: SubmitStreamRequest,
    ) -> Result<(Order, Duration), CallError> {
        let FrontEnd {
            admission, limits, ..
        } = &*self.front_end;
        if self.call.dropped.take(index) {
            admission.reject(Reason::TooLarge);
            let limit = limits.message_bytes_max;
            let detail = format!("the request is over {limit} bytes and was not read");
            return Err(ErrorReason::TooLarge.error(detail));
        }
        let wait = commit_wait(&self.front_end, request.ack_mode, request.wait)?;
        let order = decode_order(admission, request.order, self.call.submission)?;
        Ok((order, wait))
    }

    /// The entry of an order that was admitted or rejected.
    pub(super) fn entry(
        &self,
        request: OrderRequest,
        result: Result<Admitted, Rejection>,
    ) -> Entry {
        let OrderRequest {
            index,
            id,
            order_bytes,
            wait,
        } = request;
        match result {
            Ok(Admitted::Waiting(ticket)) => Entry {
                index,
                id,
                state: EntryState::InFlight {
                    ticket,
                    order_bytes,
                    deadline: Instant::now() + wait,
                },
            },
            Ok(Admitted::Committed(outcome)) if outcome.status == Status::Failed => Entry {
                index,
                id,
                state: EntryState::ReadingReason {
                    read: lookup::start_read(&self.front_end, outcome.seq, &self.task_waker),
                    outcome,
                },
            },
            Ok(Admitted::Committed(outcome)) => {
                Entry::answered(committed(index, id, &outcome, true))
            }
            Err(rejection) => Entry::answered(failed(index, id, status::rejected(&rejection))),
        }
    }
}

/// The id as its sender gets it back: empty if it is longer than an id may be.
fn echoed_id(order: Option<&OrderMessage>) -> String {
    match order {
        Some(order) if order.id.len() <= ID_LEN_MAX => order.id.clone(),
        _ => String::new(),
    }
}
