//! Requests that no route answers.

use crate::http::api::problem::{Problem, Report, shown};

/// Why no route answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteRefusal {
    NotFound,
    /// The path has these methods.
    MethodNotAllowed(&'static str),
    UnknownMethod,
    /// This port's engine takes no batches.
    NoBatches,
    /// This port's engine has no feed.
    NoFeed,
}

impl RouteRefusal {
    pub(crate) fn report(self, path: &str) -> Report<'static> {
        match self {
            Self::NotFound => {
                Problem::NotFound.report(format!("nothing is served at {}", shown(path)))
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
        }
    }
}
