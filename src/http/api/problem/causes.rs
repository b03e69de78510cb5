//! Which problem a refusal of a lower layer is: the one place that maps them to
//! HTTP.

use crate::admission::{Rejection, wording};
use crate::http::api::problem::kind::Problem;
use crate::http::api::problem::report::Report;
use crate::http::wire::reply::Reply;
use crate::http::wire::{BodyError, FramingError};
use crate::ledger::ReadError;
use crate::pipeline::answer::Withdrawal;
use crate::pipeline::gate::GateState;

/// Why an order was not taken. `overload_status` is the status of a full queue.
pub(crate) fn rejected(rejection: &Rejection, overload_status: u16) -> Report<'_> {
    match rejection {
        Rejection::Invalid(invalid) => {
            let mut detail = invalid.to_string();
            if invalid.may_be_many() {
                detail +=
                    "; many orders are sent with Content-Type: application/x-ndjson, one a line";
            }
            let report = Problem::InvalidOrder.report(detail);
            match invalid.field() {
                Some(field) => report.field(field),
                None => report,
            }
        }
        Rejection::Busy => Problem::IdBusy.report(wording::BUSY).retry_after(1),
        Rejection::Conflict { committed } => Problem::IdConflict
            .report(wording::conflict(*committed))
            .retry_safe(!committed),
        Rejection::Full { retry_after } => Problem::QueueFull
            .report(wording::FULL)
            .status(overload_status)
            .retry_after(*retry_after),
        Rejection::Closed(state) => closed(*state),
    }
}

/// Another process has committed the id with other content.
pub(crate) fn committed_otherwise() -> Report<'static> {
    Problem::IdConflict.report(wording::conflict(true))
}

/// Why orders are not taken in this state.
pub(crate) fn closed(state: GateState) -> Report<'static> {
    of_state(state)
        .report(wording::closed(state))
        .retry_after(1)
}

/// The same for operators, with the cause.
pub(crate) fn closed_because(state: GateState, why: &str) -> Report<'static> {
    of_state(state)
        .report(format!("{}: {why}", wording::closed(state)))
        .retry_after(1)
}

const fn of_state(state: GateState) -> Problem {
    match state {
        GateState::Draining => Problem::Draining,
        GateState::LedgerDown | GateState::LedgerFull | GateState::LedgerAway => {
            Problem::LedgerDown
        }
        GateState::Recovering | GateState::Open => Problem::Recovering,
    }
}

/// Why an admitted order got no outcome.
pub(crate) fn withdrawn(why: &Withdrawal, retry_after: u32) -> Report<'_> {
    let problem = match why {
        Withdrawal::Retry(_) => Problem::TryAgain,
        Withdrawal::Drain => Problem::Draining,
        Withdrawal::Ledger | Withdrawal::Unconfirmed => Problem::LedgerDown,
    };
    problem
        .report(wording::withdrawn(why))
        .retry_after(retry_after)
}

/// Why an outcome can't be read; `gone` is the kind for one that is no longer
/// kept.
pub(crate) fn unreadable(why: &ReadError, gone: Problem) -> Report<'static> {
    match why {
        ReadError::Gone { oldest, .. } => gone.report(why.to_string()).oldest_seq(*oldest),
        ReadError::Ahead { last_seq } => Problem::FeedAhead
            .report(wording::feed_ahead(*last_seq))
            .last_seq(*last_seq),
        ReadError::Busy => busy(why.to_string()),
        ReadError::Damaged { .. } => Problem::JournalDamaged.report(why.to_string()),
        ReadError::Failed(_) => Problem::LedgerDown.report(why.to_string()).retry_after(1),
    }
}

/// The body comes in a content coding that is not taken; these are (RFC 9110
/// section 15.5.16).
pub(crate) fn unsupported_coding(accepted: &'static str) -> Reply {
    let detail = format!("the Content-Encoding is not taken here, only: {accepted}");
    let reply = Problem::UnsupportedEncoding.report(detail).reply();
    reply.with_header("Accept-Encoding", accepted.to_owned())
}

/// More reads or scrapes are waiting than are taken on.
pub(crate) fn busy(detail: String) -> Report<'static> {
    Problem::FeedBusy.report(detail).retry_after(1)
}

impl From<FramingError> for Report<'static> {
    fn from(error: FramingError) -> Self {
        of_status(error.status()).report(error.reason())
    }
}

impl From<BodyError> for Report<'static> {
    fn from(error: BodyError) -> Self {
        of_status(error.status()).report(error.reason())
    }
}

/// The kind for a refusal by the framing, which knows statuses only.
const fn of_status(status: u16) -> Problem {
    match status {
        413 => Problem::BodyTooLarge,
        414 => Problem::TargetTooLong,
        417 => Problem::ExpectationFailed,
        431 => Problem::HeadTooLarge,
        501 => Problem::NotImplemented,
        505 => Problem::VersionNotSupported,
        _ => Problem::MalformedRequest,
    }
}
