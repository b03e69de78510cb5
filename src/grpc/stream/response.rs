//! What a stream answers an order with that was taken.

use crate::grpc::proto::{OrderStatus, SubmitResult, SubmitStreamResponse};
use crate::grpc::submit::status_of;
use crate::ledger;
use crate::ledger::Outcome;

/// It has its outcome.
pub(super) fn committed(
    index: u64,
    id: &str,
    outcome: Outcome,
    duplicate: bool,
) -> SubmitStreamResponse {
    let result = match (duplicate, outcome.status) {
        (true, _) => SubmitResult::Duplicate,
        (false, ledger::Status::Processed) => SubmitResult::Processed,
        (false, ledger::Status::Failed) => SubmitResult::Failed,
    };
    SubmitStreamResponse {
        index,
        id: id.to_owned(),
        result: result.into(),
        outcome: if duplicate {
            status_of(outcome.status).into()
        } else {
            OrderStatus::Unspecified.into()
        },
        seq: outcome.seq,
        detail: outcome.reason.as_deref().unwrap_or_default().to_owned(),
        ..SubmitStreamResponse::default()
    }
}

/// It has none yet.
pub(super) fn queued(index: u64, id: &str, duplicate: bool) -> SubmitStreamResponse {
    let (result, outcome) = if duplicate {
        (SubmitResult::Duplicate, OrderStatus::Queued)
    } else {
        (SubmitResult::Queued, OrderStatus::Unspecified)
    };
    SubmitStreamResponse {
        index,
        id: id.to_owned(),
        result: result.into(),
        outcome: outcome.into(),
        ..SubmitStreamResponse::default()
    }
}
