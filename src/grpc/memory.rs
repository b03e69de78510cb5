//! The most memory that clients can make this front end hold, term by term; the
//! table in docs/limits.md says the same.

use crate::grpc::limits::{
    CALL_WINDOW_BYTES, CallKind, FREE_RECORD_BYTES, PAGE_BYTES_MAX, READ_PIECE_BYTES,
    RECORD_BYTES_MAX, STREAM_ORDER_BYTES_MAX, UNWRITTEN_BYTES_MAX,
};

/// Buffers and tables of HTTP/2 for a connection: measured, rounded up.
const CONNECTION_BYTES: usize = 48 << 10;
/// What TLS adds: one record as it was received and what was in it, what is
/// being sent, the client's certificates, keys and state.
pub(crate) const TLS_BYTES_MAX: usize = 80 << 10;
/// A call that runs or waits for its client: measured, rounded up.
const CALL_BYTES: usize = 10 << 10;
/// Responses of one stream that are being sent.
const RESPONSES_BYTES: usize = 40 << 10;

/// Names and bytes, for so many connections and orders of so many bytes.
pub(crate) fn memory(connections: usize, order_bytes: usize) -> Vec<(&'static str, u64)> {
    let open_max = |kind: CallKind| kind.open_max(connections);
    let unread = CALL_WINDOW_BYTES as usize + READ_PIECE_BYTES;
    let calls = open_max(CallKind::Any) + open_max(CallKind::Stalled);
    let stream = unread + STREAM_ORDER_BYTES_MAX + RESPONSES_BYTES;
    let follower = PAGE_BYTES_MAX.max(order_bytes) + RESPONSES_BYTES;
    [
        (
            "gRPC connections",
            connections * (CONNECTION_BYTES + UNWRITTEN_BYTES_MAX),
        ),
        (
            "gRPC calls",
            (calls + open_max(CallKind::HealthCheck)) * CALL_BYTES,
        ),
        (
            "gRPC order streams",
            open_max(CallKind::SubmitStream) * stream,
        ),
        ("gRPC followers", open_max(CallKind::Follow) * follower),
        ("gRPC reflection", open_max(CallKind::Reflection) * unread),
        ("gRPC records", RECORD_BYTES_MAX + calls * FREE_RECORD_BYTES),
    ]
    .map(|(name, bytes)| (name, bytes as u64))
    .to_vec()
}
