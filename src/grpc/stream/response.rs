//! What a stream answers an order with.

use crate::grpc::convert::{order_status, reason};
use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::proto::{OrderStatus, SubmitResult, SubmitStreamResponse};
use crate::ledger::{Outcome, Status};

pub(super) fn committed(
    index: u64,
    id: String,
    outcome: &Outcome,
    duplicate: bool,
) -> SubmitStreamResponse {
    let (result, known) = match (duplicate, outcome.status) {
        (true, status) => (SubmitResult::Duplicate, order_status(status)),
        (false, Status::Processed) => (SubmitResult::Processed, OrderStatus::Unspecified),
        (false, Status::Failed) => (SubmitResult::Failed, OrderStatus::Unspecified),
    };
    SubmitStreamResponse {
        index,
        id,
        result: result.into(),
        outcome: known.into(),
        seq: outcome.seq,
        detail: reason(outcome),
        ..SubmitStreamResponse::default()
    }
}

pub(super) fn queued(index: u64, id: String, duplicate: bool) -> SubmitStreamResponse {
    let (result, known) = if duplicate {
        (SubmitResult::Duplicate, OrderStatus::Queued)
    } else {
        (SubmitResult::Queued, OrderStatus::Unspecified)
    };
    SubmitStreamResponse {
        index,
        id,
        result: result.into(),
        outcome: known.into(),
        ..SubmitStreamResponse::default()
    }
}

pub(super) fn failed(index: u64, id: String, error: CallError) -> SubmitStreamResponse {
    let result = match error.reason {
        ErrorReason::InvalidOrder | ErrorReason::InvalidRequest | ErrorReason::TooLarge => {
            SubmitResult::Invalid
        }
        ErrorReason::IdConflict => SubmitResult::Conflict,
        _ => SubmitResult::Rejected,
    };
    SubmitStreamResponse {
        index,
        id,
        result: result.into(),
        detail: error.detail,
        field: error.field.unwrap_or_default().to_owned(),
        retry_safe: error.retry_safe,
        retry_delay: error.retry_after.map(|delay| prost_types::Duration {
            seconds: delay.as_secs() as i64,
            nanos: 0,
        }),
        ..SubmitStreamResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Rejection;
    use crate::grpc::status::rejected;

    #[test]
    fn a_conflict_is_safe_to_retry_until_the_other_order_is_committed() {
        for committed in [true, false] {
            let error = rejected(&Rejection::Conflict { committed });
            assert_eq!(error.retry_safe, !committed);
            let response = failed(3, "a".to_owned(), error);
            assert_eq!(response.result(), SubmitResult::Conflict);
            assert_eq!((response.index, response.retry_safe), (3, !committed));
        }
    }
}
