//! The lingering close (RFC 9112 section 9.6): a socket closed with bytes of
//! the client unread sends a reset, which can take the last reply from the
//! client before it has read it. Many clients read nothing before they have
//! sent all of a body, so the rest of one is received and dropped, whatever its
//! size, while it comes fast enough.

use std::time::{Duration, Instant};

use crate::http::server::connection::capacity::BUFFER_BYTES;
use crate::http::server::socket::Socket;

/// How long the close may take.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(30);
/// The same for a connection that was refused unread: few may linger so, and a
/// drain waits for them.
pub(crate) const LINGER_TIME_UNREAD: Duration = Duration::from_secs(2);
/// Within each such time the client must close, or send so many bytes: one that
/// trickles, or has gone silent, holds its connection no longer than that.
const PERIOD: Duration = Duration::from_secs(5);
const PERIOD_BYTES: usize = 64 << 10;

/// Ends the sending side, then waits for the peer to close, within limits.
pub(crate) fn linger(mut socket: Socket, limit: Duration) {
    if socket.finish().is_err() {
        return;
    }
    let now = Instant::now();
    let (mut until, last) = (now + PERIOD.min(limit), now + limit);
    let mut bytes = Vec::with_capacity(BUFFER_BYTES);
    let mut dropped = 0;
    // A client that always has more to send is stopped here.
    while Instant::now() < last {
        bytes.clear();
        if socket.read(&mut bytes, until, || true).is_err() {
            return;
        }
        socket.quantum().count_bytes(bytes.len());
        if socket.quantum().is_spent() {
            socket.give_way();
        }
        dropped += bytes.len();
        if dropped >= PERIOD_BYTES {
            dropped = 0;
            until = last.min(Instant::now() + PERIOD);
        }
    }
}
