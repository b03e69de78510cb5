//! A parsed head: the request line, and the fields that the server reads.

use std::borrow::Cow;

use crate::http::wire::body::BodyFraming;
use crate::http::wire::content::ContentCoding;
use crate::http::wire::list::FieldLines;
use crate::http::wire::request_line::{Method, Version};
use crate::http::wire::span::Span;
use crate::http::wire::target::{normalized, normalized_text};
use crate::order::TraceParent;

/// What a request's head says. Holds no borrow: the texts are ranges of the
/// buffer that [`parse_head`](crate::http::wire::parse_head) saw, and the
/// accessors take that buffer again, with the head still at the same position.
/// They panic when given another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub method: Method,
    pub version: Version,
    /// Whether the client lets the connection stay open after the reply (RFC
    /// 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether the client may wait for `100 Continue` before it sends its body.
    /// False when there is no body, and on HTTP/1.0 (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
    pub body: BodyFraming,
    pub content_coding: ContentCoding,
    /// Bytes of the buffer that the head takes, skipped empty lines included:
    /// the body starts here.
    pub len: usize,
    /// Whether a browser says that another site's page asks (`Sec-Fetch-Site`).
    pub is_cross_site: bool,
    /// Whether a browser says that it is to show the reply as a page
    /// (`Sec-Fetch-Mode`).
    pub navigates: bool,
    /// Whether a browser asks if a page may send a request
    /// (`Access-Control-Request-Method`).
    pub asks_for_method: bool,
    pub(super) path: Span,
    pub(super) query: Span,
    pub(super) host: Span,
    pub(super) origin: Span,
    pub(super) idempotency_key: Span,
    pub(super) traceparent: Span,
    pub(super) content_type: Span,
    pub(super) authorization: Span,
    pub(super) prefer: Span,
    pub(super) accept: Span,
}

// A head is copied out of the parser by value; two cache lines are what that
// may cost.
const _: () = assert!(size_of::<Head>() <= 128);

impl Head {
    /// The target's path, which starts with `/` (or is `*`, for `OPTIONS`
    /// only), taken out of an absolute-form target where there is one, and
    /// [`normalized`]. All of it is ASCII.
    pub(crate) fn path<'b>(&self, buf: &'b [u8]) -> Cow<'b, [u8]> {
        normalized(self.path.bytes(buf).unwrap_or_default())
    }

    /// What follows the first `?` of the target, [`normalized`]; empty when
    /// there is none.
    pub(crate) fn query<'b>(&self, buf: &'b [u8]) -> Cow<'b, str> {
        normalized_text(self.query.text(buf).unwrap_or_default())
    }

    /// The host that is asked, with its port: the target's, or `Host`. Can be
    /// absent in HTTP/1.0 only.
    pub(crate) fn host<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.host.bytes(buf)
    }

    /// The `Origin`: whose page asks.
    pub(crate) fn origin<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.origin.bytes(buf)
    }

    /// The `Idempotency-Key`, with its quotes if it has any.
    pub(crate) fn idempotency_key<'b>(&self, buf: &'b [u8]) -> Option<&'b str> {
        self.idempotency_key.text(buf)
    }

    /// The `traceparent`, if it is valid.
    pub(crate) fn traceparent(&self, buf: &[u8]) -> Option<TraceParent> {
        TraceParent::parse(self.traceparent.bytes(buf)?)
    }

    /// The `Content-Type`, with its parameters, as it was sent.
    pub(crate) fn content_type<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.content_type.bytes(buf)
    }

    /// The `Authorization` credentials, scheme included.
    pub(crate) fn authorization<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.authorization.bytes(buf)
    }

    /// The `Prefer` lines.
    pub(crate) fn prefer<'b>(&self, buf: &'b [u8]) -> FieldLines<'b> {
        FieldLines::new("prefer", self.prefer.bytes(buf).unwrap_or_default())
    }

    /// The `Accept` lines.
    pub(crate) fn accept<'b>(&self, buf: &'b [u8]) -> FieldLines<'b> {
        FieldLines::new("accept", self.accept.bytes(buf).unwrap_or_default())
    }
}
