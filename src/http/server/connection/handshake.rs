//! TLS, before the first request.

use std::sync::Arc;
use std::time::SystemTime;

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
use crate::tls::{client_at, refuses_client};

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
    let error = match socket.handshake(config, until, || !service.is_closing()) {
        Ok(()) => match client_at(socket.client_certificates(), SystemTime::now()) {
            Ok(name) => {
                handshaking.end(HandshakeResult::Completed);
                return Ok(caller(name));
            }
            Err(error) => error,
        },
        Err(HandshakeError::PlainHttp) => {
            handshaking.end(HandshakeResult::Refused);
            let report = Problem::MalformedRequest.report("this port speaks TLS: use https");
            return Err(Ending::refuse(Route::Other, report));
        }
        Err(HandshakeError::Unfinished) => return Err(Ending::Drop),
        Err(HandshakeError::Refused(error)) => error,
    };
    handshaking.end(if refuses_client(&error) {
        HandshakeResult::Certificate
    } else {
        HandshakeResult::Refused
    });
    static LIMIT: LogLimit = LogLimit::new();
    LIMIT.log(|suppressed| tracing::debug!(suppressed, %error, "a TLS handshake failed"));
    Err(Ending::Close)
}

fn caller(name: Option<&str>) -> Caller {
    let Some(name) = name else {
        return Caller::default();
    };
    static LIMIT: LogLimit = LogLimit::new();
    LIMIT.log(|suppressed| tracing::debug!(suppressed, name, "a client has connected"));
    Caller::certified(name)
}
