//! The lingering close (RFC 9112 section 9.6): a socket closed with bytes of the
//! client unread sends a reset, which can take the last reply from the client
//! before it has read it.

use std::time::{Duration, Instant};

use crate::http::server::connection::capacity::BUFFER_BYTES;
use crate::http::server::socket::Socket;

/// How much is received and dropped, and for how long.
const LINGER_BYTES: usize = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Ends the sending side, then waits for the peer to close, within limits.
pub(crate) fn linger(mut socket: Socket) {
    if socket.finish().is_err() {
        return;
    }
    let until = Instant::now() + LINGER_TIME;
    let mut bytes = Vec::with_capacity(BUFFER_BYTES);
    let mut dropped = 0;
    while dropped < LINGER_BYTES {
        bytes.clear();
        match socket.read(&mut bytes, until, || true) {
            Ok(()) => dropped += bytes.len(),
            Err(_) => return,
        }
    }
}
