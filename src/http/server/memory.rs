//! The most memory that a connection takes, beside what is in a budget.

use crate::http::server::connection::KEPT_BYTES;

/// Its stack, its tables and the buffer that it begins with: measured, idle, and
/// rounded up.
const IDLE_BYTES: usize = 20 << 10;

/// The same with a head that doesn't end, or replies that the client doesn't
/// take, in the buffers.
pub(crate) const CONNECTION_BYTES_MAX: usize = IDLE_BYTES + KEPT_BYTES;
