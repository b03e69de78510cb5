//! How long a request's body is.

/// What a head says of its body's length (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// Neither `Content-Length` nor `Transfer-Encoding`: no body. A route that needs one says 411.
    None,
    /// `Content-Length`, in bytes; zero when it says zero.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}
