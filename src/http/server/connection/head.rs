//! Receiving the head of the next request.

use std::time::Duration;

use crate::clock;
use crate::http::api::problem::Problem;
use crate::http::api::service::Service;
use crate::http::server::connection::capacity::BUFFER_BYTES;
use crate::http::server::connection::ending::Ending;
use crate::http::server::connection::read_buffer::ReadBuffer;
use crate::http::server::socket::{Socket, SocketError};
use crate::http::wire::Head;
use crate::metrics::Route;

/// The next request's head, if it has been received.
pub(crate) fn parse_head(input: &mut ReadBuffer) -> Result<Option<Head>, Ending> {
    input
        .parse_head()
        .map_err(|error| Ending::refuse(Route::Other, error.into()))
}

/// Waits for the next request's head: `idle` for its first byte, and from then
/// on for `--head-timeout`. Empty lines before it are none of it: a client that
/// sends one behind a body isn't asking for anything, and would take a reply
/// for that to its next request.
pub(crate) fn receive_head(
    input: &mut ReadBuffer,
    socket: &mut Socket,
    service: &Service,
    idle: Duration,
) -> Result<Head, Ending> {
    let (mut idle_until, mut head_until) = (None, None);
    loop {
        let begun = input.has_begun();
        if !begun && service.is_closing() {
            return Err(Ending::Close);
        }
        let (until, timeout) = if begun {
            (&mut head_until, service.limits.head_timeout)
        } else {
            (&mut idle_until, idle)
        };
        let until = *until.get_or_insert_with(|| clock::deadline(timeout));
        match input.fill(socket, BUFFER_BYTES, until, || !service.is_closing()) {
            Ok(()) => {}
            Err(SocketError::TimedOut) if begun => {
                let detail = "the head did not arrive within --head-timeout";
                let report = Problem::RequestTimeout.report(detail);
                return Err(Ending::refuse(Route::Other, report));
            }
            // The process is about to end, but this request still comes in.
            Err(SocketError::Interrupted) if begun => continue,
            Err(SocketError::TimedOut | SocketError::Interrupted) => return Err(Ending::Close),
            Err(SocketError::Closed | SocketError::Broken) => return Err(Ending::Drop),
        }
        if let Some(head) = parse_head(input)? {
            return Ok(head);
        }
    }
}
