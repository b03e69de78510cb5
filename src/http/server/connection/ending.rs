//! How a connection ends.

use crate::http::api::problem::Report;
use crate::http::api::router::RouteRefusal;
use crate::http::api::service::Service;
use crate::http::server::connection::write_buffer::WriteFailed;
use crate::http::wire::reply::Reply;
use crate::metrics::{Reason, Route};

/// Why no further request is read.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The last reply has been gathered, or there is none.
    Close,
    /// The same, and the client has said that it sends no other request
    /// (RFC 9112 section 9.6).
    Asked,
    /// A request is refused with this reply, and it isn't known where the next
    /// one would begin.
    Refuse(Route, Box<Reply>),
    /// Nobody receives a reply any more.
    Drop,
}

impl Ending {
    pub(crate) fn refuse(route: Route, report: Report<'_>) -> Self {
        Self::Refuse(route, Box::new(report.reply()))
    }

    /// Refuses a request before admission has seen it, which would have counted
    /// it.
    pub(crate) fn reject(service: &Service, route: Route, reason: Reason, reply: Reply) -> Self {
        count_rejected(service, route, reason);
        Self::Refuse(route, Box::new(reply))
    }

    /// The same for a request whose client is gone.
    pub(crate) fn reject_gone(service: &Service, route: Route, reason: Reason) -> Self {
        count_rejected(service, route, reason);
        Self::Drop
    }
}

/// Counts a request that is refused for its head.
pub(crate) fn count_refused(service: &Service, route: Route, refusal: RouteRefusal) {
    count_rejected(service, route, refusal.reason());
    if let Some(reason) = refusal.denied() {
        service.metrics().denied.inc(reason);
    }
}

/// Counts a submission that admission doesn't see.
pub(crate) fn count_rejected(service: &Service, route: Route, reason: Reason) {
    if route == Route::Submit {
        service.admission.reject(reason);
    }
}

impl From<WriteFailed> for Ending {
    fn from(WriteFailed: WriteFailed) -> Self {
        Self::Drop
    }
}
