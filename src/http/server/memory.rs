//! The most memory that a connection takes, beside what is in a budget.

use crate::http::server::connection::KEPT_BYTES;

/// Its stack, its tables and the buffer that it begins with: measured, idle, and
/// rounded up.
const IDLE_BYTES: usize = 20 << 10;

/// The same with a head that doesn't end, or replies that the client doesn't
/// take, in the buffers.
pub(crate) const CONNECTION_BYTES_MAX: usize = IDLE_BYTES + KEPT_BYTES;

/// What TLS adds to that: one record as it was received (18 KiB) and what was
/// in it (17 KiB), two that are being sent (33 KiB), the client's certificates
/// (16 KiB), keys and state, and the deeper stack of its handshake.
pub(crate) const TLS_BYTES_MAX: usize = 112 << 10;
