//! TLS, before the first request.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::access::Caller;
use crate::clock;
use crate::http::api::problem::Problem;
use crate::http::api::service::Service;
use crate::http::server::connection::ending::Ending;
use crate::http::server::socket::Socket;
use crate::http::server::socket::tls::HandshakeError;
use crate::metrics::{HandshakeResult, Route};
use crate::sync::log_limit::LogLimit;
use crate::tls::{client_name, refuses_client};

/// Begins TLS, within `--head-timeout`; returns who has shown a certificate. A
/// client that has sent a request instead is told what is spoken here,
/// unencrypted.
pub(crate) fn handshake(
    socket: &mut Socket,
    config: Arc<ServerConfig>,
    service: &Service,
) -> Result<Caller, Ending> {
    let until = clock::deadline(service.limits.head_timeout);
    let handshaking = service.metrics().tls.begin();
    let ending = match socket.handshake(config, until, || !service.is_closing()) {
        Ok(()) => {
            handshaking.end(HandshakeResult::Completed);
            let Some(name) = client_name(socket.client_certificates()) else {
                return Ok(Caller::default());
            };
            static LIMIT: LogLimit = LogLimit::new();
            LIMIT.log(|suppressed| tracing::debug!(suppressed, name, "a client has connected"));
            return Ok(Caller::certified(name));
        }
        Err(HandshakeError::PlainHttp) => {
            handshaking.end(HandshakeResult::Refused);
            let report = Problem::MalformedRequest.report("this port speaks TLS: use https");
            return Err(Ending::refuse(Route::Other, report));
        }
        Err(HandshakeError::Unfinished) => Ending::Drop,
        Err(HandshakeError::Refused(error)) => {
            handshaking.end(if refuses_client(&error) {
                HandshakeResult::Certificate
            } else {
                HandshakeResult::Refused
            });
            static LIMIT: LogLimit = LogLimit::new();
            LIMIT.log(|suppressed| tracing::debug!(suppressed, %error, "a TLS handshake failed"));
            Ending::Close
        }
    };
    Err(ending)
}
