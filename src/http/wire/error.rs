//! Each way in which a head or a body is refused, with its status and a reason
//! a client's author can act on.

/// Why a request's head is refused. Always fatal for the connection: after it
/// nobody can say where the next request starts, so reply and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.reason())]
pub(crate) enum FramingError {
    /// The first byte is that of a TLS record.
    Tls,
    /// More empty lines before the request line than RFC 9112 section 2.2 makes
    /// a server put up with.
    EmptyLines,
    /// A line feed without a carriage return before it.
    BareLf,
    /// A carriage return without a line feed after it.
    BareCr,
    /// A control byte or NUL.
    ControlByte,
    /// The first line is no request line (RFC 9112 section 3).
    RequestLine,
    /// The request target has none of the forms of RFC 9112 section 3.2, or not
    /// the method's.
    Target,
    /// The request target is over its limit.
    TargetTooLong,
    /// A method that the server doesn't know.
    Method,
    /// A major version other than 1.
    Version,
    /// The head is over its limit in bytes.
    HeadTooLarge,
    /// More header lines than the limit.
    TooManyHeaders,
    /// A header line folded over lines (obs-fold, RFC 9112 section 5.2).
    FoldedLine,
    /// White space between a field's name and its colon (RFC 9112 section 5.1).
    SpaceBeforeColon,
    /// A header line without a colon, or with a name that is no token.
    HeaderName,
    /// A field that the server reads has bytes outside ASCII.
    FieldNotAscii,
    /// A field of which there can be one only is there again.
    FieldRepeated,
    /// HTTP/1.1 without `Host` (RFC 9112 section 3.2).
    HostMissing,
    /// `Host` more than once.
    HostRepeated,
    /// A `Host` that can't be a host and port.
    HostInvalid,
    /// `Content-Length` more than once, be the values equal or not.
    LengthRepeated,
    /// `Content-Length` is not digits only, or over 2^64 - 1.
    LengthInvalid,
    /// `Transfer-Encoding` together with `Content-Length` (RFC 9112 section
    /// 6.1).
    LengthAndEncoding,
    /// `Transfer-Encoding` on HTTP/1.0, which doesn't know it.
    EncodingOnHttp10,
    /// A list of transfer codings that doesn't end in `chunked`, or has it
    /// twice.
    CodingsInvalid,
    /// A transfer coding other than `chunked`.
    CodingUnknown,
    /// An expectation other than `100-continue`.
    Expectation,
}

impl FramingError {
    /// The status to reply with.
    pub(crate) const fn status(self) -> u16 {
        self.row().0
    }

    /// A sentence for the problem's `detail`.
    pub(crate) const fn reason(self) -> &'static str {
        self.row().1
    }

    const fn row(self) -> (u16, &'static str) {
        match self {
            Self::Tls => (
                400,
                "this port speaks plain HTTP/1.1, and a TLS handshake arrived: use http:// here, or a TLS proxy in front",
            ),
            Self::EmptyLines => (400, "too many empty lines before the request line"),
            Self::BareLf => (400, "a line of the head ends in LF without CR"),
            Self::BareCr => (400, "the head has a CR that no LF follows"),
            Self::ControlByte => (400, "the head has a control byte"),
            Self::RequestLine => (
                400,
                "the first line is not `METHOD TARGET HTTP/1.1`, with single spaces",
            ),
            Self::Target => (
                400,
                "the request target is neither a path nor an http URL with a host, or has a fragment or bytes that belong percent-encoded",
            ),
            Self::TargetTooLong => (414, "the request target is too long"),
            Self::Method => (
                501,
                "the request method is not one this server knows; methods are case-sensitive",
            ),
            Self::Version => (
                505,
                "the protocol version is not HTTP/1; this port has no HTTP/2",
            ),
            Self::HeadTooLarge => (431, "request line and header fields are too large together"),
            Self::TooManyHeaders => (431, "the request has too many header fields"),
            Self::FoldedLine => (400, "a header field is folded over lines"),
            Self::SpaceBeforeColon => (
                400,
                "white space is between a header field's name and its colon",
            ),
            Self::HeaderName => (
                400,
                "a header line has no colon, or a name with bytes that no name has",
            ),
            Self::FieldNotAscii => (
                400,
                "Content-Type, Authorization, Prefer, Accept, Origin or Idempotency-Key has bytes outside ASCII",
            ),
            Self::FieldRepeated => (
                400,
                "Content-Type, Authorization, Origin or Idempotency-Key is there more than once",
            ),
            Self::HostMissing => (400, "an HTTP/1.1 request needs a Host field"),
            Self::HostRepeated => (400, "Host is there more than once"),
            Self::HostInvalid => (400, "Host is not a host and an optional port"),
            Self::LengthRepeated => (400, "Content-Length is there more than once"),
            Self::LengthInvalid => (400, "Content-Length is not one decimal number below 2^64"),
            Self::LengthAndEncoding => (
                400,
                "Content-Length and Transfer-Encoding exclude each other",
            ),
            Self::EncodingOnHttp10 => (400, "HTTP/1.0 has no Transfer-Encoding"),
            Self::CodingsInvalid => (
                400,
                "Transfer-Encoding must end in `chunked`, which must be there once",
            ),
            Self::CodingUnknown => (501, "the only transfer coding known is `chunked`"),
            Self::Expectation => (417, "the only expectation known is `100-continue`"),
        }
    }
}

/// Why a body is refused. Always fatal for the connection, as the end of the
/// body is not known or not worth reading up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.reason())]
pub(crate) enum BodyError {
    /// The body is over its limit.
    TooLarge,
    /// A chunk's size is not 1 to 16 hex digits.
    ChunkSize,
    /// A chunk's extensions are too long or malformed.
    ChunkExtension,
    /// Far more chunk framing than content.
    ChunkOverhead,
    /// CRLF is missing where chunked coding has it.
    ChunkLineEnd,
    /// A trailer line that is no field line.
    Trailer,
    /// Too many trailers, or too long.
    TrailersTooLarge,
}

impl BodyError {
    /// The status to reply with.
    pub(crate) const fn status(self) -> u16 {
        self.row().0
    }

    /// A sentence for the problem's `detail`.
    pub(crate) const fn reason(self) -> &'static str {
        self.row().1
    }

    const fn row(self) -> (u16, &'static str) {
        match self {
            Self::TooLarge => (413, "the body is over its limit"),
            Self::ChunkSize => (400, "a chunk's size is not 1 to 16 hexadecimal digits"),
            Self::ChunkExtension => (400, "a chunk's extensions are too long or malformed"),
            Self::ChunkOverhead => (400, "the body is far more chunk framing than content"),
            Self::ChunkLineEnd => (400, "CRLF is missing in the chunked body"),
            Self::Trailer => (400, "a trailer line is no field line"),
            Self::TrailersTooLarge => (431, "the trailers are too many or too long"),
        }
    }
}
