//! Requests that no route answers.

use crate::access::{Denied, OverQuota, Scope};
use crate::http::api::idempotency_key;
use crate::http::api::problem::{Problem, Report, shown};
use crate::http::api::site::Foreign;
use crate::http::wire::FramingError;
use crate::metrics::{DenyReason, Reason};

/// Why no route answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteRefusal {
    /// This is served instead.
    NotFound(&'static str),
    /// The path has these methods.
    MethodNotAllowed(&'static str),
    UnknownMethod,
    /// This port's engine takes no batches.
    NoBatches,
    /// This port's engine has no feed.
    NoFeed,
    /// A batch with an `Idempotency-Key`.
    KeyOnBatch,
    Foreign(Foreign),
    Denied(Denied),
    OverQuota(OverQuota),
    /// What the other engine would have refused as malformed.
    Malformed(FramingError),
}

impl RouteRefusal {
    /// What a submission is counted under.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::Foreign(_) | Self::Denied(_) => Reason::Unauthorized,
            Self::OverQuota(_) => Reason::RateLimited,
            _ => Reason::Invalid,
        }
    }

    /// What it is counted under if it is for who asks.
    pub(crate) fn denied(self) -> Option<DenyReason> {
        match self {
            Self::Foreign(Foreign::Site) => Some(DenyReason::OtherSite),
            Self::Foreign(Foreign::Host) => Some(DenyReason::OtherHost),
            Self::Denied(denied) => Some(denied.reason()),
            _ => None,
        }
    }

    /// Whether the connection may go on, if the body is there already: a client
    /// that needs another token, or is too quick, is no danger to those that
    /// share a proxy's connection with it.
    pub(crate) fn keeps_connection(self) -> bool {
        matches!(self, Self::Denied(_) | Self::OverQuota(_))
    }

    pub(crate) fn report(self, path: &str) -> Report<'static> {
        match self {
            Self::NotFound(served) => {
                Problem::NotFound.report(format!("nothing is served at {}; {served}", shown(path)))
            }
            Self::MethodNotAllowed(allow) => Problem::MethodNotAllowed
                .report(format!("{} takes {allow} only", shown(path)))
                .allow(allow),
            Self::UnknownMethod => Problem::NotImplemented.report("the method is not known"),
            Self::NoBatches => Problem::NotImplemented.report(
                "may_minihttp takes no batches: send the orders one by one, or start the server \
                 with --http-engine native",
            ),
            Self::NoFeed => Problem::NotImplemented.report(
                "may_minihttp serves no feed: start the server with --http-engine native to have \
                 it",
            ),
            Self::KeyOnBatch => idempotency_key::bad(
                "a batch takes no Idempotency-Key: each of its orders has an id of its own",
            ),
            Self::Foreign(Foreign::Site) => Problem::OtherSite.report(
                "a page of another site asks, by its Origin or Sec-Fetch-Site; --allowed-origins \
                 lets named ones in",
            ),
            Self::Foreign(Foreign::Host) => Problem::OtherHost.report(
                "this port is bound to loopback and answers to localhost, 127.0.0.0/8, [::1] and \
                 the names of --allowed-hosts",
            ),
            Self::Denied(denied) => report_denied(denied),
            Self::OverQuota(over) => Problem::RateLimited
                .report(over.detail())
                .retry_after(over.retry_after())
                .fields(over.fields()),
            Self::Malformed(error) => error.into(),
        }
    }
}

/// RFC 6750 section 3: a challenge says what was wrong, if there was a token.
fn report_denied(denied: Denied) -> Report<'static> {
    match denied {
        Denied::NoToken => Problem::Unauthorized
            .report("a token is needed: Authorization: Bearer TOKEN")
            .challenge(r#"Bearer realm="orders""#),
        Denied::BadToken => Problem::Unauthorized
            .report("the token is not known here")
            .challenge(r#"Bearer realm="orders", error="invalid_token""#),
        Denied::Scope(scope) => Problem::InsufficientScope
            .report(format!("the token has no scope {}", scope.as_str()))
            .challenge(match scope {
                Scope::Submit => {
                    r#"Bearer realm="orders", error="insufficient_scope", scope="submit""#
                }
                Scope::Read => r#"Bearer realm="orders", error="insufficient_scope", scope="read""#,
            }),
    }
}
