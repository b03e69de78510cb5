//! Every limit of this front end: its unit, what it bounds, and the answer past it.
//!
//! Those that an operator sets are in [`Limits`]; the others are constants, and
//! what must hold between them is asserted where they are compiled. Bytes of all
//! messages being received are bounded by `--body-bytes`, shared with HTTP
//! ([`MemoryBudget`](crate::sync::memory_budget::MemoryBudget)).

use std::time::Duration;

use crate::config::{Ack, Config};

// Connections.

/// Connections past `--grpc-max-connections` that are being refused at a time;
/// past it they are closed at once.
pub(crate) const REFUSING_MAX: usize = 16;
/// How long a refused connection may take to close; past it, it is closed.
pub(super) const LINGER_MAX: Duration = Duration::from_secs(1);
/// Bytes that are read of a refused connection meanwhile; past them, it is closed.
pub(super) const LINGER_BYTES_MAX: usize = 64 << 10;
/// Bytes of one connection that may wait to be read, over all its calls. Past
/// them flow control holds the client back.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Streams of one connection that the server may have to reset because the client
/// broke the rules of HTTP/2; past them the connection ends with
/// ENHANCE_YOUR_CALM. That a client could cause resets without a limit was
/// CVE-2025-8671; `tonic` sets no limit unless it is given one.
pub(super) const RESET_STREAMS_MAX: usize = 1024;

// Calls, over all connections. Past any of these a call is refused with
// TOO_MANY_STREAMS.

/// Calls of all kinds open at a time, until their response is taken: connections
/// times streams would be many more, at some 10 KB each.
pub const CALLS_MAX: usize = 16_384;
/// `grpc.health.v1.Health/Check` calls open at a time, which are not among those:
/// probes are few, and answered at once.
pub const HEALTH_CHECKS_MAX: usize = 256;
/// `grpc.health.v1.Health/Watch` calls open at a time: several for each connection
/// that is allowed by default.
pub const HEALTH_WATCHES_MAX: usize = 4096;
/// `SubmitStream` calls open at a time, each with [`STREAM_ORDERS_MAX`] and
/// [`STREAM_ORDER_BYTES_MAX`].
pub const SUBMIT_STREAMS_MAX: usize = 1024;
/// `Follow` calls open at a time, each with a page of 1 MiB.
pub const FOLLOWERS_MAX: usize = 256;
/// Reflection calls open at a time: each may leave a window of requests unread.
pub const REFLECTION_STREAMS_MAX: usize = 64;

// Within one call.

/// Bytes of one call that may wait to be read. Past them flow control holds the
/// client back.
pub(super) const CALL_WINDOW_BYTES: u32 = 64 << 10;
/// Bytes of a request's header list, as HTTP/2 counts them (RFC 9113 section
/// 6.5.2). Past them the call is refused with HTTP status 431.
pub const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Bytes that a message may have beside an order of `--max-body` bytes. Past them
/// it is not read: TOO_LARGE, or an INVALID result in a stream.
pub(super) const MESSAGE_OVERHEAD_BYTES: usize = 1 << 10;
/// Orders of one `SubmitStream` that may be without a response. Past them nothing
/// more is read of the stream, until flow control holds the client back.
pub const STREAM_ORDERS_MAX: usize = 1024;
/// Bytes of such orders, which stay in memory until their response is taken,
/// however short the queue is. Past them likewise; the last order may exceed it.
pub const STREAM_ORDER_BYTES_MAX: usize = 256 << 10;
/// Bytes of text and outcomes of the page that a follower reads ahead. What comes
/// after them is read when the client has taken the page.
pub(super) const PAGE_BYTES_MAX: usize = 1 << 20;
/// See `PAGE_BYTES_MAX`.
pub(super) const PAGE_OUTCOMES_MAX: usize = 4096;

// Calls that may stay open for as long as the client likes leave at least half of
// the permits to those that are answered and end.
const _: () = assert!(
    SUBMIT_STREAMS_MAX + FOLLOWERS_MAX + HEALTH_WATCHES_MAX + REFLECTION_STREAMS_MAX
        <= CALLS_MAX / 2
);

// `h2` takes small DATA frames that nobody has read for a flood: for each it counts
// 256 bytes less the frame's size, and ends the connection once that comes to more
// than half of the connection's window. Orders are small, and a stream that is held
// back leaves them unread. So the window of a connection is that much larger than
// the window of a call: one call may be full of the smallest requests there are,
// each in a frame of its own, or nine of ordinary ones.
const _: () = {
    const FRAME_COST: u32 = 256;
    // Head of a message, order, and an id and a value of one byte each.
    const REQUEST_BYTES_MIN: u32 = 5 + 2 + 3 + 3;
    let cost = CALL_WINDOW_BYTES / REQUEST_BYTES_MIN * (FRAME_COST - REQUEST_BYTES_MIN);
    assert!(cost <= CONNECTION_WINDOW_BYTES / 2);
};

// Reflection calls that leave their windows unread hold no more than one
// connection may.
const _: () = assert!(REFLECTION_STREAMS_MAX as u32 * CALL_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES);

/// Calls that are counted together, over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    /// All but health checks. Those of the kinds below are counted here, too.
    Any,
    HealthCheck,
    HealthWatch,
    SubmitStream,
    Follow,
    Reflection,
}

impl CallKind {
    pub(super) const ALL: [Self; 6] = [
        Self::Any,
        Self::HealthCheck,
        Self::HealthWatch,
        Self::SubmitStream,
        Self::Follow,
        Self::Reflection,
    ];

    /// How many may be open at a time.
    pub(super) const fn open_max(self) -> usize {
        match self {
            Self::Any => CALLS_MAX,
            Self::HealthCheck => HEALTH_CHECKS_MAX,
            Self::HealthWatch => HEALTH_WATCHES_MAX,
            Self::SubmitStream => SUBMIT_STREAMS_MAX,
            Self::Follow => FOLLOWERS_MAX,
            Self::Reflection => REFLECTION_STREAMS_MAX,
        }
    }

    /// What an error calls them.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Any => "calls",
            Self::HealthCheck => "checks of health",
            Self::HealthWatch => "watchers of health",
            Self::SubmitStream => "streams of orders",
            Self::Follow => "followers",
            Self::Reflection => "reflection streams",
        }
    }
}

/// What this front end needs of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// What a response to an order waits for, unless the request says otherwise.
    pub(super) ack: Ack,
    /// How long it waits at most; past it the order is acknowledged as queued, and
    /// one that found the queue full is refused.
    pub(super) ack_timeout: Duration,
    /// Bytes of one message; past them TOO_LARGE, or an INVALID result in a stream.
    pub(super) message_bytes_max: usize,
    /// In a stream, from the first byte of a message to its last; in other calls,
    /// from the call's begin to the request's end. Past it TOO_SLOW.
    pub(super) body_timeout: Duration,
    /// For a connection's preface to arrive; past it the connection is closed.
    pub(super) head_timeout: Duration,
    /// Connections open at a time; one more is refused with GOAWAY.
    pub(crate) connections_max: usize,
    /// Calls open at a time on one connection; the client holds one more back.
    pub(super) streams_max: u32,
    /// How long a connection may be silent before it is pinged.
    pub(super) keepalive_interval: Duration,
    /// How long the answer to a ping may take; past it the connection is closed.
    pub(super) keepalive_timeout: Duration,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            ack: config.ack,
            ack_timeout: config.ack_timeout,
            message_bytes_max: config.max_body + MESSAGE_OVERHEAD_BYTES,
            body_timeout: config.body_timeout,
            head_timeout: config.head_timeout,
            connections_max: config.grpc_max_connections,
            streams_max: config.grpc_max_streams as u32,
            keepalive_interval: config.grpc_keepalive_interval,
            keepalive_timeout: config.grpc_keepalive_timeout,
        }
    }
}
