//! The error that each answer of the layers below becomes, and the sentence in
//! it.

use crate::access::{Denied, OverQuota};
use crate::admission::{Rejection, WindowReach, wording};
use crate::grpc::error::{CallError, ErrorReason};
use crate::ledger::{Archive, ReadError};
use crate::order::Invalid;
use crate::pipeline::answer::Withdrawal;
use crate::pipeline::gate::GateState;

/// An order was not taken.
pub(super) fn rejected(rejection: &Rejection) -> CallError {
    match rejection {
        Rejection::Invalid(invalid) => {
            let field = match invalid {
                Invalid::Id(_) => "order.id",
                Invalid::Value(_) => "order.value",
                _ => "order.attributes_json",
            };
            let detail = match invalid {
                Invalid::NotAnObject { .. } => format!("attributes_json: {invalid}"),
                _ => invalid.to_string(),
            };
            ErrorReason::InvalidOrder.error(detail).field(field)
        }
        Rejection::Busy => ErrorReason::IdBusy
            .error(rejection.to_string())
            .retry_after(1),
        Rejection::Conflict { committed } => ErrorReason::IdConflict
            .error(wording::conflict(*committed))
            .retry_safe(!committed),
        Rejection::Full { retry_after } => ErrorReason::QueueFull
            .error(wording::FULL)
            .retry_after(*retry_after),
        Rejection::Closed(state) => closed(*state),
    }
}

/// A token isn't good for a call.
pub(super) fn denied(denied: Denied) -> CallError {
    match denied {
        Denied::NoToken => ErrorReason::Unauthenticated
            .error("a token is needed, in the metadata: authorization: Bearer TOKEN"),
        Denied::BadToken => ErrorReason::Unauthenticated.error("the token is not known here"),
        Denied::Scope(scope) => ErrorReason::InsufficientScope
            .error(format!("the token has no scope {}", scope.as_str())),
    }
}

/// A client has used its quota up.
pub(super) fn over_quota(over: &OverQuota) -> CallError {
    ErrorReason::RateLimited
        .error(over.detail())
        .retry_after(over.retry_after())
}

/// Another process has committed the id with other content.
pub(super) fn committed_otherwise() -> CallError {
    ErrorReason::IdConflict.error(wording::conflict(true))
}

/// Orders are not taken.
pub(super) fn closed(state: GateState) -> CallError {
    let reason = match state {
        GateState::Draining => ErrorReason::Draining,
        GateState::LedgerDown | GateState::LedgerFull | GateState::LedgerAway => {
            ErrorReason::LedgerDown
        }
        GateState::Recovering | GateState::Open => ErrorReason::Recovering,
    };
    reason.error(wording::closed(state)).retry_after(1)
}

/// An admitted order got no outcome.
pub(super) fn withdrawn(why: &Withdrawal, retry_after: u32) -> CallError {
    let reason = match why {
        Withdrawal::Retry(_) => ErrorReason::TryAgain,
        Withdrawal::Drain => ErrorReason::Draining,
        Withdrawal::Ledger | Withdrawal::Unconfirmed => ErrorReason::LedgerDown,
    };
    reason
        .error(wording::withdrawn(why))
        .retry_after(retry_after)
}

/// An outcome can't be read.
pub(super) fn unreadable(why: &ReadError) -> CallError {
    let detail = why.to_string();
    match why {
        ReadError::Gone { oldest, .. } => ErrorReason::FeedPruned
            .error(detail)
            .number("oldest_seq", *oldest),
        ReadError::Ahead { last_seq } => ErrorReason::FeedAhead
            .error(detail)
            .number("last_seq", *last_seq),
        ReadError::Busy => ErrorReason::FeedBusy.error(detail).retry_after(1),
        ReadError::Damaged { seq, .. } => ErrorReason::JournalDamaged
            .error(detail)
            .number("seq", *seq),
        ReadError::Failed(_) => ErrorReason::LedgerDown.error(detail).retry_after(1),
    }
}

/// The feed no longer has the outcome `seq`.
pub(super) fn pruned(archive: &dyn Archive, seq: u64) -> CallError {
    let oldest = archive.oldest_seq();
    unreadable(&ReadError::Gone { seq, oldest }).number("last_seq", archive.last_seq())
}

/// An id is neither in flight nor in the window.
pub(super) fn unknown(reach: WindowReach) -> CallError {
    let error = ErrorReason::UnknownOrder
        .error(wording::unknown(reach.orders, reach.age))
        .number("window_outcomes", reach.orders as u64);
    match reach.age {
        Some(age) => error.number("window_age_seconds", age.as_secs()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;
    use crate::grpc::error::DOMAIN;

    #[test]
    fn a_status_carries_all_details() {
        let status = rejected(&Rejection::Full { retry_after: 7 }).status();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        let info = details.error_info().expect("always there");
        assert_eq!((&*info.reason, &*info.domain), ("QUEUE_FULL", DOMAIN));
        assert_eq!(info.metadata["retry_safe"], "true");
        let retry = details.retry_info().expect("set for a full queue");
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(7)));
        assert!(details.bad_request().is_none());
    }
}
