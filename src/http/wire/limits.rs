//! How large a request's head may be.

/// The most header lines a head can have, whatever [`HeadLimits::headers`] says: their table lies
/// on the stack.
pub(crate) const HEADERS_MAX: usize = 100;

/// The limits on one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadLimits {
    /// Bytes from the first of the buffer to the empty line, both included. Past it: 431, or 414
    /// when the target is what is too long. At most `u32::MAX` counts.
    pub head_bytes: usize,
    /// Bytes of the request target. Past it: 414.
    pub target_bytes: usize,
    /// Header lines, at most [`HEADERS_MAX`]. Past it: 431.
    pub headers: usize,
}

impl Default for HeadLimits {
    /// 16 KiB, 8 KiB (RFC 9112 section 3 asks for 8,000 bytes at least), 100 lines.
    fn default() -> Self {
        Self {
            head_bytes: 16 << 10,
            target_bytes: 8 << 10,
            headers: HEADERS_MAX,
        }
    }
}
