//! How large a connection's two buffers are.

use crate::sync::memory_budget::FREE_BYTES;

/// What the read buffer starts with; enough for most requests.
pub(crate) const BUFFER_BYTES: usize = FREE_BYTES;
/// A buffer that has grown past this is given back once it is empty.
pub(crate) const KEPT_BYTES: usize = 32 << 10;
