//! How large a connection's two buffers are.

use crate::sync::memory_budget::FREE_BYTES;

/// What the read buffer starts with; enough for most requests.
pub(crate) const BUFFER_BYTES: usize = FREE_BYTES;
/// Replies are sent once this many bytes have been gathered, even if the next
/// request is here already. One reply may exceed it by what [`FREE_BYTES`]
/// lets it have.
pub(crate) const GATHERED_BYTES: usize = 16 << 10;
/// A buffer that has grown past this is given back once it is empty.
pub(crate) const KEPT_BYTES: usize = 32 << 10;
