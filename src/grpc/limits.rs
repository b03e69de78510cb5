//! Every limit of this front end: its unit, what it bounds, and the answer past
//! it.
//!
//! Those that an operator sets are in [`Limits`]; the others are constants, and
//! what must hold between them is asserted where they are compiled. Bytes of
//! all messages being received are bounded by `--body-bytes`, shared with HTTP
//! ([`MemoryBudget`](crate::sync::memory_budget::MemoryBudget)).

use std::time::Duration;

use crate::config::{AccessLog, Ack, Config};

// Connections.

/// Connections past `--grpc-max-connections` that are being refused at a time;
/// past it they are closed at once.
pub(crate) const REFUSING_MAX: usize = 16;
/// How long a refused connection may take to close; past it, it is closed.
pub(super) const LINGER_MAX: Duration = Duration::from_secs(1);
/// Bytes that are read of a refused connection meanwhile; past them, it is
/// closed.
pub(super) const LINGER_BYTES_MAX: usize = 64 << 10;
/// Bytes that are read of a connection before its calls are given what they
/// brought. Until then a DATA frame takes some 250 bytes beside its payload.
pub(super) const READ_TURN_BYTES: usize = 64 << 10;
/// Bytes of the responses of one connection that the socket has not taken. Past
/// them its calls wait; past `--write-timeout` the connection is closed.
pub(super) const UNWRITTEN_BYTES_MAX: usize = 64 << 10;
/// Streams of one connection that the server may have to reset because the
/// client broke the rules of HTTP/2; past them the connection ends with
/// ENHANCE_YOUR_CALM. That a client could cause resets without a limit was
/// CVE-2025-8671.
pub(super) const RESET_STREAMS_MAX: usize = 1024;
/// How long frames of a stream that the server has ended are ignored. Past it
/// they count as violations.
pub(super) const RESET_MEMORY: Duration = Duration::from_secs(3);

// Calls, over all connections. Past any of these, or past an eighth of one on a
// single connection, a call is refused with TOO_MANY_STREAMS.

/// Calls of all kinds open at a time, until their response is taken:
/// connections times streams would be many more, at some 10 KiB each. With few
/// connections, 16 for each.
pub const CALLS_MAX: usize = 12_288;
/// However few connections there are, there may be so many calls.
const CALLS_MIN: usize = 2048;
/// Calls whose response waits for the client to take it, which are not among
/// those, but a third of them: clients that take nothing hinder each other
/// only. Past it a call that would have to wait is ended. Each waits for
/// `--write-timeout` at most.
pub const STALLED_CALLS_MAX: usize = CALLS_MAX / 3;
/// `grpc.health.v1.Health/Check` calls open at a time, which are not among
/// those: probes are few, and answered at once.
pub const HEALTH_CHECKS_MAX: usize = 256;
/// `grpc.health.v1.Health/Watch` calls open at a time, a quarter of all:
/// several for each connection.
pub const HEALTH_WATCHES_MAX: usize = CALLS_MAX / 4;
/// `SubmitStream` calls open at a time, each with [`STREAM_ORDERS_MAX`] and
/// [`STREAM_ORDER_BYTES_MAX`]; with few connections, two for each.
pub const SUBMIT_STREAMS_MAX: usize = 1024;
/// `Follow` calls open at a time, each with a page of [`PAGE_BYTES_MAX`]; with
/// few connections, one for each.
pub const FOLLOWERS_MAX: usize = 256;
/// However few connections there are, there may be so many of those.
const OPEN_CALLS_MIN: usize = 64;
/// Reflection calls open at a time: each may leave a window of requests unread.
pub const REFLECTION_STREAMS_MAX: usize = 64;

/// One connection may have the total divided by this.
pub const CONNECTION_SHARE: usize = 8;

// Within one call.

/// Bytes of one call that may wait to be read. Past them flow control holds the
/// client back. A connection's window is that of all its calls, so that one
/// that is held back does not hinder the others.
pub(super) const CALL_WINDOW_BYTES: u32 = 64 << 10;
/// Bytes of them that a call is given at a time. They are decoded one message
/// at a time, while the window is open for as many more.
pub(super) const READ_PIECE_BYTES: usize = 16 << 10;
/// Bytes of a response that are handed to the connection at a time.
pub(super) const WRITE_PIECE_BYTES: usize = 16 << 10;
/// Bytes of one response that `h2` takes, of [`UNWRITTEN_BYTES_MAX`].
pub(super) const SEND_BUFFER_BYTES_MAX: usize = 32 << 10;
/// Bytes of a request's header list, as HTTP/2 counts them (RFC 9113 section
/// 6.5.2). Past them the call is refused with HTTP status 431.
pub const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Bytes that a message may have beside an order of `--max-body` bytes. Past
/// them it is not read: TOO_LARGE, or an INVALID result in a stream.
pub(super) const MESSAGE_OVERHEAD_BYTES: usize = 1 << 10;
/// Orders of one `SubmitStream` that may be without a response. Past them
/// nothing more is read of the stream, until flow control holds the client
/// back.
pub const STREAM_ORDERS_MAX: usize = 1024;
/// Bytes of such orders, which stay in memory until their response is taken,
/// however short the queue is. Past them likewise; the last order may exceed
/// it.
pub const STREAM_ORDER_BYTES_MAX: usize = 128 << 10;
/// Bytes of text of the page that a follower reads ahead; a longer outcome is a
/// page of its own. What comes after them is read when the client has taken the
/// page.
pub(super) const PAGE_BYTES_MAX: usize = 256 << 10;
/// Outcomes of such a page.
pub(super) const PAGE_OUTCOMES_MAX: usize = 1024;
/// Bytes of records that are being sent to `GetOrder` calls. Past them
/// FEED_BUSY; one record alone always fits.
pub(super) const RECORD_BYTES_MAX: usize = 32 << 20;
/// Records up to so many bytes need no share of those.
pub(super) const FREE_RECORD_BYTES: usize = 1 << 10;

// A piece fits what all calls of a connection may have unwritten.
const _: () = assert!(WRITE_PIECE_BYTES <= SEND_BUFFER_BYTES_MAX);
const _: () = assert!(SEND_BUFFER_BYTES_MAX <= UNWRITTEN_BYTES_MAX);

/// Calls that are counted together, over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    /// All but health checks. Those of the kinds below are counted here, too.
    Any,
    /// Calls that wait for their client to take the response. Meanwhile they
    /// are not counted in the kind that they began with.
    Stalled,
    HealthCheck,
    HealthWatch,
    SubmitStream,
    Follow,
    Reflection,
}

impl CallKind {
    pub(super) const ALL: [Self; 7] = [
        Self::Any,
        Self::Stalled,
        Self::HealthCheck,
        Self::HealthWatch,
        Self::SubmitStream,
        Self::Follow,
        Self::Reflection,
    ];

    /// How many may be open at a time, with so many connections.
    pub(super) fn open_max(self, connections: usize) -> usize {
        match self {
            Self::Any => (16 * connections).clamp(CALLS_MIN, CALLS_MAX),
            Self::Stalled => Self::Any.open_max(connections) / 3,
            Self::HealthCheck => HEALTH_CHECKS_MAX,
            Self::HealthWatch => Self::Any.open_max(connections) / 4,
            Self::SubmitStream => (2 * connections).clamp(OPEN_CALLS_MIN, SUBMIT_STREAMS_MAX),
            Self::Follow => connections.clamp(OPEN_CALLS_MIN, FOLLOWERS_MAX),
            Self::Reflection => REFLECTION_STREAMS_MAX,
        }
    }

    /// How many of those on one connection.
    pub(super) fn share_max(self, connections: usize) -> usize {
        self.open_max(connections) / CONNECTION_SHARE
    }

    /// What an error calls them.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Any => "calls",
            Self::Stalled => "calls whose response is not taken",
            Self::HealthCheck => "checks of health",
            Self::HealthWatch => "watchers of health",
            Self::SubmitStream => "streams of orders",
            Self::Follow => "followers",
            Self::Reflection => "reflection streams",
        }
    }
}

// The largest window of a connection.
const _: () = assert!(CALLS_MAX / CONNECTION_SHARE * (CALL_WINDOW_BYTES as usize) < 1 << 31);

/// What this front end needs of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// What a response to an order waits for, unless the request says
    /// otherwise.
    pub(super) ack: Ack,
    /// Whether an order can be acknowledged as queued.
    pub(super) keeps_queued: bool,
    /// How long it waits at most; past it the order is acknowledged as queued,
    /// and one that found the queue full is refused.
    pub(super) ack_timeout: Duration,
    /// Bytes of one message; past them TOO_LARGE, or an INVALID result in a
    /// stream.
    pub(super) message_bytes_max: usize,
    /// In a stream, from the first byte of a message to its last; in other
    /// calls, from the call's begin to the request's end. Past it TOO_SLOW.
    pub(super) body_timeout: Duration,
    /// For a connection's preface to arrive; past it the connection is closed.
    pub(super) head_timeout: Duration,
    /// For a client to take a part of a response; past it TOO_SLOW. For the
    /// socket to take any byte; past it the connection is closed.
    pub(super) write_timeout: Duration,
    /// Connections open at a time; one more is refused with GOAWAY.
    pub(crate) connections_max: usize,
    /// Calls open at a time on one connection; the client holds one more back.
    pub(super) streams_max: u32,
    /// How long a connection may be silent before it is pinged.
    pub(super) keepalive_interval: Duration,
    /// How long the answer to a ping may take; past it the connection is
    /// closed.
    pub(super) keepalive_timeout: Duration,
    /// Which calls are logged.
    pub(super) access_log: AccessLog,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            ack: config.ack,
            keeps_queued: config.ledger.keeps_queued(),
            ack_timeout: config.ack_timeout,
            message_bytes_max: config.max_body + MESSAGE_OVERHEAD_BYTES,
            body_timeout: config.body_timeout,
            head_timeout: config.head_timeout,
            write_timeout: config.write_timeout,
            connections_max: config.grpc_max_connections,
            streams_max: config.grpc_max_streams as u32,
            keepalive_interval: config.grpc_keepalive_interval,
            keepalive_timeout: config.grpc_keepalive_timeout,
            access_log: config.access_log,
        }
    }

    /// Calls open at a time on one connection: as many as it may have permits
    /// for.
    pub(super) fn connection_streams_max(&self) -> u32 {
        let share = CallKind::Any.share_max(self.connections_max);
        self.streams_max.min(share as u32)
    }

    /// Bytes of one connection that may wait to be read.
    pub(super) fn connection_window_bytes(&self) -> u32 {
        // Far from the most that there may be (RFC 9113 section 6.9.1).
        self.connection_streams_max() * CALL_WINDOW_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that may stay open for as long as the client likes leave at least
    /// half of the permits to those that are answered and end; and a connection
    /// may have some of each kind.
    #[test]
    fn calls_that_stay_open_leave_permits_to_the_others() {
        for connections in 1..3000 {
            let open_max = |kind: CallKind| kind.open_max(connections);
            let staying: usize = [
                CallKind::HealthWatch,
                CallKind::SubmitStream,
                CallKind::Follow,
                CallKind::Reflection,
            ]
            .into_iter()
            .map(open_max)
            .sum();
            let all = open_max(CallKind::Any);
            assert!(staying <= all / 2, "{staying} of {all}");
            for kind in CallKind::ALL {
                assert!(kind.share_max(connections) >= 8, "{kind:?}");
            }
        }
        assert_eq!(CallKind::Any.open_max(1000), CALLS_MAX);
        assert_eq!(CallKind::Stalled.open_max(1000), STALLED_CALLS_MAX);
        assert_eq!(CallKind::HealthWatch.open_max(1000), HEALTH_WATCHES_MAX);
    }
}
