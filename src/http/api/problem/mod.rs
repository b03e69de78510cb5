//! Error replies as RFC 9457 problems: each kind has a stable `type`, a title, a status and a
//! default for `retry_safe`.
//!
//! `type` is a URI reference relative to the server (`/problems/queue-full`). It is a name to
//! compare with and promises no page. A slug never changes its meaning; `title` and `detail` are
//! for people. `retry_safe` says whether sending the same order again, unchanged, is right: true
//! when nothing was decided about it and a later try may fare better.

use crate::http::wire::reply::{Body, PROBLEM_JSON, Reply, push_number};
use crate::http::wire::{BodyError, FramingError};

#[cfg(test)]
mod tests;

/// One row of the table of problems.
struct Row {
    slug: &'static str,
    title: &'static str,
    status: u16,
    retry_safe: bool,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $kind:ident $slug:literal $status:literal $retry_safe:literal $title:literal,)*) => {
        /// The kinds of problem that a client can be told.
        #[cfg_attr(not(test), expect(dead_code, reason = "`Unauthorized` is for --token-file"))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Problem { $($(#[$doc])* $kind,)* }

        impl Problem {
            /// All kinds.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        slug: concat!("/problems/", $slug),
                        title: $title,
                        status: $status,
                        retry_safe: $retry_safe,
                    },)*
                }
            }
        }
    };
}

problems! {
    /// The request's framing is not HTTP/1.1 as this server takes it.
    MalformedRequest "malformed-request" 400 false "Malformed request",
    /// The order is no JSON object, or a field of it is not valid.
    InvalidOrder "invalid-order" 400 false "Invalid order",
    /// A query parameter or header of a route is not valid.
    InvalidParameter "invalid-parameter" 400 false "Invalid parameter",
    /// The body broke off. Lines of a batch that were admitted stand, and are duplicates when sent
    /// again.
    BodyCutShort "body-cut-short" 400 true "The body broke off",
    /// `after` is past the feed's last sequence (member `last_seq`).
    FeedAhead "feed-ahead" 400 false "Past the end of the feed",
    /// No token, or a wrong one.
    Unauthorized "unauthorized" 401 false "A valid bearer token is needed",
    /// No such route.
    NotFound "not-found" 404 false "No such resource",
    /// No outcome of this id inside the window.
    UnknownOrder "unknown-order" 404 false "Unknown order",
    /// The route exists, for other methods.
    MethodNotAllowed "method-not-allowed" 405 false "Method not allowed",
    /// The request didn't arrive in time.
    RequestTimeout "request-timeout" 408 true "The request took too long to arrive",
    /// The id was used with other content; safe to retry only until that one is committed.
    IdConflict "id-conflict" 409 false "The id belongs to an order with other content",
    /// `after` is before the oldest outcome kept (member `oldest_seq`).
    FeedPruned "feed-pruned" 410 false "No longer kept",
    /// The route needs a body.
    LengthRequired "length-required" 411 false "A body is needed",
    /// The body is over its limit.
    BodyTooLarge "body-too-large" 413 false "The body is too large",
    /// The request target is over its limit.
    TargetTooLong "target-too-long" 414 false "The request target is too long",
    /// An expectation other than `100-continue`.
    ExpectationFailed "expectation-failed" 417 false "Unknown expectation",
    /// The processor decided against the order (members `id`, `outcome`, `seq`); that is final.
    OrderFailed "order-failed" 422 false "The order failed",
    /// Head, header count or trailers are over their limit.
    HeadTooLarge "head-too-large" 431 false "The header fields are too large",
    /// A defect in the server. Ids make a second try harmless.
    Internal "internal" 500 true "Internal error",
    /// A method or transfer coding that the server doesn't know.
    NotImplemented "not-implemented" 501 false "Not implemented",
    /// The intake queue is full in orders or bytes (429 when so configured).
    QueueFull "queue-full" 503 true "The queue is full",
    /// The server is about to stop.
    Draining "draining" 503 true "Shutting down",
    /// The server is reading its journal after a start.
    Recovering "recovering" 503 true "Starting up",
    /// The ledger can't take outcomes.
    LedgerDown "ledger-down" 503 true "The ledger is not available",
    /// As many connections as the server takes.
    TooManyConnections "too-many-connections" 503 true "Too many connections",
    /// As many batches at once as the server takes.
    TooManyBatches "too-many-batches" 503 true "Too many batches",
    /// All bodies being read together are over their budget.
    BodyMemory "body-memory" 503 true "Too much is being received at once",
    /// The readers of the feed have more to do than they take on.
    FeedBusy "feed-busy" 503 true "The feed's readers are busy",
    /// The processor met a passing trouble.
    TryAgain "try-again" 503 true "The order can't be processed right now",
    /// Another request with this id is being admitted at this moment.
    IdBusy "id-busy" 503 true "The id is being claimed by another request",
    /// A protocol version other than HTTP/1.1 and 1.0.
    VersionNotSupported "version-not-supported" 505 false "HTTP version not supported",
}

impl Problem {
    /// The `type` member.
    pub(crate) const fn type_uri(self) -> &'static str {
        self.row().slug
    }

    /// The `title` member.
    pub(crate) const fn title(self) -> &'static str {
        self.row().title
    }

    /// The status, unless a report says otherwise.
    pub(crate) const fn status(self) -> u16 {
        self.row().status
    }

    /// The default of `retry_safe`.
    pub(crate) const fn retry_safe(self) -> bool {
        self.row().retry_safe
    }

    /// Reports an occurrence of this problem; `detail` says in a sentence what happened.
    pub(crate) const fn report(self, detail: &str) -> Report<'_> {
        Report {
            problem: self,
            status: self.status(),
            retry_safe: self.retry_safe(),
            retry_after: None,
            allow: None,
            detail,
            members: Vec::new(),
        }
    }
}

/// One occurrence of a [`Problem`], on its way to a [`Reply`].
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Report<'a> {
    problem: Problem,
    status: u16,
    retry_safe: bool,
    retry_after: Option<u32>,
    allow: Option<&'static str>,
    detail: &'a str,
    members: Vec<(&'static str, Member<'a>)>,
}

#[derive(Clone, Copy, Debug)]
enum Member<'a> {
    Text(&'a str),
    Number(u64),
    Flag(bool),
}

impl<'a> Report<'a> {
    /// Replaces the status (429 for a full queue).
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Replaces the default of `retry_safe`.
    pub(crate) fn retry_safe(mut self, retry_safe: bool) -> Self {
        self.retry_safe = retry_safe;
        self
    }

    /// Adds `Retry-After`, in whole seconds.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds `Allow`, for 405.
    pub(crate) fn allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Adds a text member (`id`, `outcome`), its name one that RFC 9457 and this module don't use.
    pub(crate) fn text(mut self, name: &'static str, value: &'a str) -> Self {
        self.members.push((name, Member::Text(value)));
        self
    }

    /// Adds a number member (`seq`, `oldest_seq`, `last_seq`); names as for [`Report::text`].
    pub(crate) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.members.push((name, Member::Number(value)));
        self
    }

    /// Adds a truth value (`duplicate`); names as for [`Report::text`].
    pub(crate) fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.members.push((name, Member::Flag(value)));
        self
    }

    /// The reply: problem JSON, the fields asked for, and the challenge that a 401 must have.
    pub(crate) fn reply(self) -> Reply {
        let challenge = (self.status == 401).then_some("Bearer realm=\"orders\"");
        Reply {
            content_type: Some(PROBLEM_JSON),
            retry_after: self.retry_after,
            allow: self.allow,
            www_authenticate: challenge,
            body: Body::Bytes(self.json()),
            ..Reply::empty(self.status)
        }
    }

    fn json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192 + self.detail.len());
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(self.problem.type_uri().as_bytes());
        out.extend_from_slice(b"\",\"title\":\"");
        out.extend_from_slice(self.problem.title().as_bytes());
        out.extend_from_slice(b"\",\"status\":");
        push_number(&mut out, u64::from(self.status));
        out.extend_from_slice(b",\"detail\":");
        push_string(&mut out, self.detail);
        out.extend_from_slice(b",\"retry_safe\":");
        out.extend_from_slice(if self.retry_safe { b"true" } else { b"false" });
        for (name, value) in &self.members {
            out.push(b',');
            push_string(&mut out, name);
            out.push(b':');
            match value {
                Member::Text(text) => push_string(&mut out, text),
                Member::Number(number) => push_number(&mut out, *number),
                Member::Flag(true) => out.extend_from_slice(b"true"),
                Member::Flag(false) => out.extend_from_slice(b"false"),
            }
        }
        out.push(b'}');
        out
    }
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes all bytes and every str is a JSON string");
}

impl From<FramingError> for Report<'static> {
    fn from(error: FramingError) -> Self {
        of_status(error.status())
            .report(error.reason())
            .status(error.status())
    }
}

impl From<BodyError> for Report<'static> {
    fn from(error: BodyError) -> Self {
        of_status(error.status())
            .report(error.reason())
            .status(error.status())
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
