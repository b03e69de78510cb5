//! Where an HTTP/1.1 request ends: the head's parser and the body's decoder, without a socket.
//!
//! The order port's connection loop feeds received bytes in and gets a [`Head`] or decoded body
//! bytes out. Everything here is incremental, bounded by limits that the caller states, and as
//! strict as RFC 9112 allows: wherever two servers could disagree on where a request ends (request
//! smuggling), the answer is an error and the connection is closed. Nothing recurses, and the
//! largest frame (the header table in `head.rs`, [`HEADERS_MAX`] entries) stays under 4 KiB, since
//! it runs on coroutines.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | [`Head`]: what a parsed head says, as byte ranges into the caller's buffer |
//! | `head.rs` | [`parse_head`]: finding the end of a head, and its one pass through `httparse` |
//! | `fields.rs` | the fields that the server reads, and which exclude each other |
//! | `target.rs` | the request target's forms |
//! | `error.rs` | [`FramingError`], [`BodyError`]: each refusal, its status and its reason |
//! | `body.rs` | [`BodyDecoder`]: a body of known length, or chunked |

mod body;
pub(crate) mod date;
mod error;
mod fields;
mod head;
pub(crate) mod reply;
mod target;

#[cfg(test)]
mod tests;

pub(crate) use self::body::BodyDecoder;
pub(crate) use self::error::{BodyError, FramingError};
pub(crate) use self::head::parse_head;

/// The most header lines a head can have, whatever [`HeadLimits::headers`] says: their table lies
/// on the stack.
pub(crate) const HEADERS_MAX: usize = 100;

/// How large a request's head may be.
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

/// The request methods that the server knows (RFC 9110 section 9, RFC 5789). `CONNECT` is not among
/// them: its target has a form of its own, and this is no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
}

impl Method {
    /// The method of a token, which is case-sensitive; `None` when it is not known.
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        Some(match token {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "TRACE" => Self::Trace,
            _ => return None,
        })
    }
}

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0: a connection closes after the reply unless both sides say `keep-alive`.
    Http10,
    /// HTTP/1.1: a connection stays open unless a side says `close`.
    Http11,
}

/// How long a request's body is, as its head says (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// Neither `Content-Length` nor `Transfer-Encoding`: no body. A route that needs one says 411.
    None,
    /// `Content-Length`, in bytes; zero when it says zero.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A byte range of the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Stands for a field that was not sent; an empty value has another range.
    const ABSENT: Self = Self {
        start: u32::MAX,
        end: u32::MAX,
    };

    fn text(self, buf: &[u8]) -> Option<&str> {
        if self == Self::ABSENT {
            return None;
        }
        let bytes = &buf[self.start as usize..self.end as usize];
        Some(std::str::from_utf8(bytes).expect("parse_head found only ASCII in this range"))
    }
}

/// What a request's head says. Holds no borrow: the texts are ranges of the buffer that
/// [`parse_head`] saw, and the accessors take that buffer again, with the head still at the same
/// place. They panic when given another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request method.
    pub method: Method,
    /// The protocol version.
    pub version: Version,
    /// Whether the client lets the connection stay open after the reply (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether the client may wait for `100 Continue` before it sends its body. False when there
    /// is no body, and on HTTP/1.0 (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
    /// How the body is framed.
    pub body: BodyFraming,
    /// Bytes of the buffer that the head takes, skipped empty lines included: the body starts here.
    pub len: usize,
    path: Span,
    query: Span,
    content_type: Span,
    authorization: Span,
    prefer: [Span; 2],
    accept: [Span; 2],
}

// A head is copied out of the parser by value; two cache lines are what that may cost.
const _: () = assert!(size_of::<Head>() <= 128);

impl Head {
    /// The target's path, which starts with `/` (or is `*`, for `OPTIONS` only), taken out of an
    /// absolute-form target where there is one. Percent-encoding is left as it stands: no route and
    /// no order id needs it, so an encoded path is just a path that matches nothing.
    pub(crate) fn path<'b>(&self, buf: &'b [u8]) -> &'b str {
        self.path.text(buf).unwrap_or_default()
    }

    /// What follows the first `?` of the target, as it stands; empty when there is none.
    pub(crate) fn query<'b>(&self, buf: &'b [u8]) -> &'b str {
        self.query.text(buf).unwrap_or_default()
    }

    /// The `Content-Type`, with its parameters, as it was sent.
    pub(crate) fn content_type<'b>(&self, buf: &'b [u8]) -> Option<&'b str> {
        self.content_type.text(buf)
    }

    /// The `Authorization` credentials, scheme included.
    #[cfg_attr(not(test), expect(dead_code, reason = "for --token-file"))]
    pub(crate) fn authorization<'b>(&self, buf: &'b [u8]) -> Option<&'b str> {
        self.authorization.text(buf)
    }

    /// The values of the first two `Prefer` lines, in order. A list split over lines means the same
    /// as one line with commas (RFC 7240 section 2), so look for a preference in each; further
    /// lines are ignored, as any preference may be.
    pub(crate) fn prefer<'b>(&self, buf: &'b [u8]) -> impl Iterator<Item = &'b str> + use<'b> {
        texts(self.prefer, buf)
    }

    /// The values of the first two `Accept` lines, in order; like [`Head::prefer`].
    pub(crate) fn accept<'b>(&self, buf: &'b [u8]) -> impl Iterator<Item = &'b str> + use<'b> {
        texts(self.accept, buf)
    }
}

fn texts(lines: [Span; 2], buf: &[u8]) -> impl Iterator<Item = &str> {
    lines.into_iter().filter_map(move |line| line.text(buf))
}
