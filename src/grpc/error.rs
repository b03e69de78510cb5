//! Why a call fails, and how a client reads that: a status with `google.rpc`
//! details.
//!
//! Every status carries an `ErrorInfo`: the domain `orders.v1`, a reason that
//! never changes its meaning, and `retry_safe` in its metadata. `RetryInfo` and
//! `BadRequest` come with it where they say more.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `ErrorInfo.domain`.
pub(super) const DOMAIN: &str = "orders.v1";

/// One row of the table of reasons.
struct Row {
    code: Code,
    name: &'static str,
    retry_safe: bool,
}

macro_rules! error_reasons {
    ($($(#[$doc:meta])* $reason:ident $code:ident $name:literal $retry_safe:literal,)*) => {
        /// `ErrorInfo.reason`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum ErrorReason { $($(#[$doc])* $reason,)* }

        impl ErrorReason {
            const fn row(self) -> Row {
                match self {
                    $(Self::$reason => Row {
                        code: Code::$code,
                        name: $name,
                        retry_safe: $retry_safe,
                    },)*
                }
            }
        }
    };
}

error_reasons! {
    /// It is no order.
    InvalidOrder InvalidArgument "INVALID_ORDER" false,
    /// A field beside the order is not valid.
    InvalidRequest InvalidArgument "INVALID_REQUEST" false,
    /// The id was used with other content; safe to retry until that one is
    /// committed.
    IdConflict AlreadyExists "ID_CONFLICT" false,
    /// Another call with this id is being admitted at this moment.
    IdBusy Unavailable "ID_BUSY" true,
    /// The queue is full, in orders or in bytes.
    QueueFull ResourceExhausted "QUEUE_FULL" true,
    /// The message is over its limit.
    TooLarge ResourceExhausted "TOO_LARGE" false,
    /// All messages being received together are over their budget.
    BodyMemory ResourceExhausted "BODY_MEMORY" true,
    /// A message, or the end of a request, did not arrive in time, or a
    /// response was not taken in time.
    TooSlow DeadlineExceeded "TOO_SLOW" true,
    /// The call's own deadline (`grpc-timeout`) has passed.
    DeadlinePassed DeadlineExceeded "DEADLINE_PASSED" true,
    /// A request that is no message of its type, or not as many as there must
    /// be.
    BadMessage Internal "BAD_MESSAGE" false,
    /// The HTTP method is not POST.
    BadMethod Internal "BAD_METHOD" false,
    /// The content type is not gRPC's.
    BadContentType InvalidArgument "BAD_CONTENT_TYPE" false,
    /// There is no such method or service, or no such compression.
    Unimplemented Unimplemented "UNIMPLEMENTED" false,
    /// The ledger is being recovered.
    Recovering Unavailable "RECOVERING" true,
    /// The process is about to end.
    Draining Unavailable "DRAINING" true,
    /// The ledger can't take outcomes, or can't be read.
    LedgerDown Unavailable "LEDGER_DOWN" true,
    /// An outcome that was durable can't be read any more.
    JournalDamaged DataLoss "JOURNAL_DAMAGED" false,
    /// The processor met a passing trouble.
    TryAgain Unavailable "TRY_AGAIN" true,
    /// There is no outcome of this id inside the window; or the health of no
    /// such service is known.
    UnknownOrder NotFound "UNKNOWN_ORDER" false,
    /// `after` is past the last sequence.
    FeedAhead OutOfRange "FEED_AHEAD" false,
    /// What follows `after` is no longer retained.
    FeedPruned OutOfRange "FEED_PRUNED" false,
    /// The sequence belongs to another ledger.
    OtherLedger FailedPrecondition "OTHER_LEDGER" false,
    /// The ledger's readers have more to do than they take on.
    FeedBusy ResourceExhausted "FEED_BUSY" true,
    /// The client has used its own quota up.
    RateLimited ResourceExhausted "RATE_LIMITED" true,
    /// There is no token, or a wrong one.
    Unauthenticated Unauthenticated "UNAUTHENTICATED" false,
    /// The token doesn't have the scope that the call needs.
    InsufficientScope PermissionDenied "INSUFFICIENT_SCOPE" false,
    /// A browser's page calls, and none of them is this service's.
    OtherSite PermissionDenied "OTHER_SITE" false,
    /// As many calls of a kind, or of all kinds, are open as the server takes.
    TooManyStreams ResourceExhausted "TOO_MANY_STREAMS" true,
}

/// Why a call, or one order of a stream, fails.
#[derive(Clone, Debug)]
#[must_use]
pub(super) struct CallError {
    pub(super) reason: ErrorReason,
    /// A sentence for people.
    pub(super) detail: String,
    /// Whether sending the same order again, unchanged, is right.
    pub(super) retry_safe: bool,
    /// The field at fault.
    pub(super) field: Option<&'static str>,
    pub(super) retry_after: Option<Duration>,
    /// Numbers in the metadata of `ErrorInfo`.
    numbers: Vec<(&'static str, u64)>,
}

impl ErrorReason {
    /// An error for this reason; `detail` says in a sentence what happened.
    pub(super) fn error(self, detail: impl Into<String>) -> CallError {
        CallError {
            reason: self,
            detail: detail.into(),
            retry_safe: self.row().retry_safe,
            field: None,
            retry_after: None,
            numbers: Vec::new(),
        }
    }
}

impl CallError {
    pub(super) fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(Duration::from_secs(seconds.into()));
        self
    }

    pub(super) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.numbers.push((name, value));
        self
    }

    pub(super) fn retry_safe(mut self, retry_safe: bool) -> Self {
        self.retry_safe = retry_safe;
        self
    }

    /// The status that ends a call.
    pub(super) fn status(&self) -> Status {
        let row = self.reason.row();
        let mut metadata: HashMap<String, String> = self
            .numbers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string()))
            .collect();
        metadata.insert("retry_safe".to_owned(), self.retry_safe.to_string());
        let mut details = ErrorDetails::with_error_info(row.name, DOMAIN, metadata);
        if let Some(delay) = self.retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some(field) = self.field {
            details.add_bad_request_violation(field, self.detail.clone());
        }
        Status::with_error_details(row.code, self.detail.clone(), details)
    }
}

/// The error behind a status of the libraries, which have no details; `None`
/// for one of ours, and one that concerns no request.
pub(super) fn of_library(status: &Status) -> Option<CallError> {
    let reason = match status.code() {
        _ if !status.details().is_empty() => return None,
        Code::Internal => ErrorReason::BadMessage,
        Code::Unimplemented => ErrorReason::Unimplemented,
        _ => return None,
    };
    Some(reason.error(match status.message() {
        "" => "no method has this name",
        message => message,
    }))
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        error.status()
    }
}
