//! What a refusal looks like over gRPC: as a status with `google.rpc` details,
//! or as one result of a stream.
//!
//! Every status carries an `ErrorInfo`: the domain `orders.v1`, a reason that
//! never changes its meaning, and `retry_safe` in its metadata. `RetryInfo` and
//! `BadRequest` come with it where they say more.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::admission::{Admission, Rejection};
use crate::grpc::proto::{SubmitResult, SubmitStreamResponse};
use crate::ledger::ReadError;
use crate::order::Invalid;
use crate::pipeline::answer::Withdrawal;
use crate::pipeline::gate::GateState;

/// `ErrorInfo.domain`.
pub(super) const DOMAIN: &str = "orders.v1";

/// One row of the table of refusals.
struct Row {
    code: Code,
    reason: &'static str,
    retry_safe: bool,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $kind:ident $code:ident $reason:literal $retry_safe:literal,)*) => {
        /// The kinds of refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        code: Code::$code,
                        reason: $reason,
                        retry_safe: $retry_safe,
                    },)*
                }
            }
        }
    };
}

refusals! {
    /// It is no order, or asks for what there isn't.
    Invalid InvalidArgument "INVALID_ORDER" false,
    /// A field beside the order is not valid.
    InvalidRequest InvalidArgument "INVALID_REQUEST" false,
    /// The id was used with other content; safe to retry until that one is committed.
    Conflict AlreadyExists "ID_CONFLICT" false,
    /// Another call with this id is being admitted at this moment.
    Busy Unavailable "ID_BUSY" true,
    /// The queue has no room, in orders or in bytes.
    Full ResourceExhausted "QUEUE_FULL" true,
    /// The message is over its limit.
    TooLarge ResourceExhausted "TOO_LARGE" false,
    /// All messages being read together are over their budget.
    BodyMemory ResourceExhausted "BODY_MEMORY" true,
    /// A message, or the end of a request, did not arrive in time.
    TooSlow DeadlineExceeded "TOO_SLOW" true,
    /// The ledger is being recovered.
    Recovering Unavailable "RECOVERING" true,
    /// The process is about to end.
    Draining Unavailable "DRAINING" true,
    /// The ledger can't take outcomes, or can't be read.
    LedgerDown Unavailable "LEDGER_DOWN" true,
    /// The processor met a passing trouble.
    TryAgain Unavailable "TRY_AGAIN" true,
    /// No outcome of this id inside the window.
    Unknown NotFound "UNKNOWN_ORDER" false,
    /// `after` is past the last sequence.
    Ahead OutOfRange "FEED_AHEAD" false,
    /// What follows `after` is no longer kept.
    Pruned OutOfRange "FEED_PRUNED" false,
    /// The sequence belongs to another ledger.
    OtherLedger FailedPrecondition "OTHER_LEDGER" false,
    /// The readers of the ledger have more to do than they take on.
    FeedBusy ResourceExhausted "FEED_BUSY" true,
    /// As many streams of a kind, or calls of all kinds, as the server takes.
    TooManyStreams ResourceExhausted "TOO_MANY_STREAMS" true,
}

/// One refusal, on its way to a status or a result.
#[derive(Clone, Debug)]
#[must_use]
pub(super) struct Refusal {
    kind: Kind,
    detail: String,
    retry_safe: bool,
    field: Option<&'static str>,
    retry_after: Option<Duration>,
    metadata: Vec<(&'static str, u64)>,
}

impl Kind {
    /// A refusal of this kind; `detail` says in a sentence what happened.
    pub(super) fn because(self, detail: impl Into<String>) -> Refusal {
        Refusal {
            kind: self,
            detail: detail.into(),
            retry_safe: self.row().retry_safe,
            field: None,
            retry_after: None,
            metadata: Vec::new(),
        }
    }
}

impl Refusal {
    /// Names the field at fault.
    pub(super) fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// Says when to try again.
    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(Duration::from_secs(seconds.into()));
        self
    }

    /// Adds a number to the metadata of `ErrorInfo`.
    pub(super) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.metadata.push((name, value));
        self
    }

    fn retry_safe(mut self, retry_safe: bool) -> Self {
        self.retry_safe = retry_safe;
        self
    }

    /// Why an order was not taken.
    pub(super) fn rejected(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Invalid(invalid) => {
                let field = match invalid {
                    Invalid::Id(_) => "order.id",
                    Invalid::Value(_) => "order.value",
                    _ => "order.attributes_json",
                };
                Kind::Invalid.because(invalid.to_string()).field(field)
            }
            Rejection::Busy => Kind::Busy.because(rejection.to_string()).retry_after(1),
            Rejection::Conflict { committed } => Kind::Conflict
                .because(if *committed {
                    "the id belongs to a committed order with other content"
                } else {
                    "the id belongs to an order in flight with other content"
                })
                .retry_safe(!committed),
            Rejection::Full { retry_after } => Kind::Full
                .because("the intake queue is full; nothing was kept")
                .retry_after(*retry_after),
            Rejection::Closed(state) => Self::closed(*state),
        }
    }

    /// Why orders are not taken.
    pub(super) fn closed(state: GateState) -> Self {
        match state {
            GateState::Draining => {
                Kind::Draining.because("this process is about to end; another may be up")
            }
            GateState::LedgerDown => {
                Kind::LedgerDown.because("the ledger has failed; orders are refused")
            }
            GateState::LedgerFull => Kind::LedgerDown
                .because("the ledger's disk is full; orders are taken again when there is space"),
            GateState::Recovering | GateState::Open => {
                Kind::Recovering.because("the ledger is being recovered")
            }
        }
        .retry_after(1)
    }

    /// Why an admitted order got no outcome.
    pub(super) fn withdrawn(admission: &Admission, why: &Withdrawal) -> Self {
        match why {
            Withdrawal::Retry(reason) => Kind::TryAgain.because(&**reason),
            Withdrawal::Drain => {
                Kind::Draining.because("the process ended before the order had an outcome")
            }
            Withdrawal::Ledger => Kind::LedgerDown
                .because("the ledger failed; whether it holds the order is not known"),
        }
        .retry_after(admission.retry_after())
    }

    /// Why an outcome can't be read.
    pub(super) fn unreadable(why: &ReadError) -> Self {
        let detail = why.to_string();
        match why {
            ReadError::Gone { oldest, .. } => {
                Kind::Pruned.because(detail).number("oldest_seq", *oldest)
            }
            ReadError::Busy => Kind::FeedBusy.because(detail).retry_after(1),
            ReadError::Failed(_) => Kind::LedgerDown.because(detail).retry_after(1),
        }
    }

    /// The status that ends a call.
    pub(super) fn status(&self) -> Status {
        let row = self.kind.row();
        let mut metadata: HashMap<String, String> = self
            .metadata
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string()))
            .collect();
        metadata.insert("retry_safe".to_owned(), self.retry_safe.to_string());
        let mut details = ErrorDetails::with_error_info(row.reason, DOMAIN, metadata);
        if let Some(delay) = self.retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some(field) = self.field {
            details.add_bad_request_violation(field, self.detail.clone());
        }
        Status::with_error_details(row.code, self.detail.clone(), details)
    }

    /// The result that answers one order of a stream.
    pub(super) fn result(self, index: u64, id: String) -> SubmitStreamResponse {
        let result = match self.kind {
            Kind::Invalid | Kind::InvalidRequest | Kind::TooLarge => SubmitResult::Invalid,
            Kind::Conflict => SubmitResult::Conflict,
            _ => SubmitResult::Rejected,
        };
        SubmitStreamResponse {
            index,
            id,
            result: result.into(),
            detail: self.detail,
            field: self.field.unwrap_or_default().to_owned(),
            retry_safe: self.retry_safe,
            retry_delay: self.retry_after.map(|delay| prost_types::Duration {
                seconds: delay.as_secs() as i64,
                nanos: 0,
            }),
            ..SubmitStreamResponse::default()
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_all_that_is_known() {
        let status = Refusal::rejected(&Rejection::Full { retry_after: 7 }).status();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        let info = details.error_info().expect("always there");
        assert_eq!((&*info.reason, &*info.domain), ("QUEUE_FULL", DOMAIN));
        assert_eq!(info.metadata["retry_safe"], "true");
        let retry = details.retry_info().expect("set for a full queue");
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(7)));
        assert!(details.bad_request().is_none());
    }

    #[test]
    fn a_conflict_is_safe_to_retry_until_the_other_is_committed() {
        for committed in [true, false] {
            let refusal = Refusal::rejected(&Rejection::Conflict { committed });
            assert_eq!(refusal.retry_safe, !committed);
            let result = refusal.result(3, "a".to_owned());
            assert_eq!(result.result(), SubmitResult::Conflict);
            assert_eq!((result.index, result.retry_safe), (3, !committed));
        }
    }
}
