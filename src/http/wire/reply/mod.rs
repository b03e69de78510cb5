//! A reply, and its bytes on the wire.
//!
//! Routes build a [`Reply`]; each HTTP engine writes it in its own way, the native one with
//! [`Reply::encode`]. That is on the path of every order, so known heads are constants, numbers go
//! through `itoa`, and a short reply costs no allocation once the connection's buffer has grown.

#[cfg(test)]
mod tests;

use crate::http::api::feed::Slice;
use crate::http::wire::date::DATE_LEN;
use crate::http::wire::{Head, Method, Version};

/// `application/json`.
pub(crate) const JSON: &str = "application/json";
/// `application/x-ndjson`: a JSON value a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// `application/problem+json` (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The interim reply that lets a client send its body (RFC 9110 section 15.2.1).
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Room for a head without dynamic fields: what `encode` reserves besides the body.
const HEAD_BYTES_USUAL: usize = 256;

/// A reply's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Bytes that the program holds.
    Static(&'static [u8]),
    /// Bytes made for this reply.
    Bytes(Vec<u8>),
    /// Lines of the feed, shared with other replies, and counted until all of them are dropped.
    Page(Slice),
}

impl Body {
    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Bytes(bytes) => bytes,
            Self::Page(page) => page.as_slice(),
        }
    }
}

/// What a route answers, apart from what the connection adds (`Date`, `Content-Length`,
/// `Connection`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The status code, 200 to 599.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'static str>,
    /// `Retry-After`, in whole seconds.
    pub retry_after: Option<u32>,
    /// `Allow`: the methods that the target knows (with 405).
    pub allow: Option<&'static str>,
    /// `WWW-Authenticate`: the challenge (with 401).
    pub www_authenticate: Option<&'static str>,
    /// `Location`.
    pub location: Option<String>,
    /// Further fields. Names must be tokens, and none that this type or the connection writes.
    pub extra: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// What a connection knows about the reply that a route doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    /// The request's version.
    pub version: Version,
    /// Whether the connection stays open after this reply.
    pub keep_alive: bool,
    /// Whether the body is left out since the request was `HEAD`; its length is still stated.
    pub head_only: bool,
}

impl Framing {
    /// The framing of a reply to this request, with the connection kept open if the client lets it.
    pub(crate) fn of(head: &Head) -> Self {
        Self {
            version: head.version,
            keep_alive: head.keep_alive,
            head_only: head.method == Method::Head,
        }
    }

    /// The framing of the last reply of a connection, to a request that was not understood.
    pub(crate) const LAST: Self = Self {
        version: Version::Http11,
        keep_alive: false,
        head_only: false,
    };
}

impl Reply {
    /// A reply without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            retry_after: None,
            allow: None,
            www_authenticate: None,
            location: None,
            extra: Vec::new(),
            body: Body::Static(b""),
        }
    }

    /// A reply with a body made for it.
    pub(crate) fn bytes(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            content_type: Some(content_type),
            body: Body::Bytes(body),
            ..Self::empty(status)
        }
    }

    /// A reply with a body that the program holds.
    pub(crate) fn fixed(status: u16, content_type: &'static str, body: &'static [u8]) -> Self {
        Self {
            content_type: Some(content_type),
            body: Body::Static(body),
            ..Self::empty(status)
        }
    }

    /// A JSON reply.
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self::bytes(status, JSON, body)
    }

    /// The same with a `Location`.
    #[must_use]
    pub(crate) fn with_location(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// The same with a further field; see [`Reply::extra`].
    #[must_use]
    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.extra.push((name, value));
        self
    }

    /// Appends the whole reply to `out`. `date` is what [`crate::http::wire::date::write_date`] wrote.
    pub(crate) fn encode(&self, framing: Framing, date: &[u8; DATE_LEN], out: &mut Vec<u8>) {
        let body = self.body.as_slice();
        out.reserve(HEAD_BYTES_USUAL + body.len());
        self.encode_head(framing, date, out);
        if !framing.head_only && has_content(self.status) {
            out.extend_from_slice(body);
        }
    }

    /// Appends the reply's head only, empty line included; for a body that is large enough to be
    /// written from where it lies. The caller leaves that out for `HEAD`.
    ///
    /// The status line says HTTP/1.1 to a 1.0 client, too (RFC 9112 section 2.3).
    pub(crate) fn encode_head(&self, framing: Framing, date: &[u8; DATE_LEN], out: &mut Vec<u8>) {
        match status_line(self.status) {
            "" => {
                out.extend_from_slice(b"HTTP/1.1 ");
                push_number(out, u64::from(self.status));
                out.extend_from_slice(b" \r\nDate: ");
            }
            line => out.extend_from_slice(line.as_bytes()),
        }
        out.extend_from_slice(date);
        if has_content(self.status) {
            out.extend_from_slice(b"\r\nContent-Length: ");
            push_number(out, self.body.as_slice().len() as u64);
        }
        if let Some(content_type) = self.content_type {
            push_field(out, "Content-Type", content_type);
        }
        if let Some(seconds) = self.retry_after {
            out.extend_from_slice(b"\r\nRetry-After: ");
            push_number(out, u64::from(seconds));
        }
        if let Some(methods) = self.allow {
            push_field(out, "Allow", methods);
        }
        if let Some(challenge) = self.www_authenticate {
            push_field(out, "WWW-Authenticate", challenge);
        }
        if let Some(location) = &self.location {
            push_field(out, "Location", location);
        }
        for (name, value) in &self.extra {
            push_field(out, name, value);
        }
        out.extend_from_slice(match (framing.keep_alive, framing.version) {
            (true, Version::Http11) => b"\r\n\r\n",
            (true, Version::Http10) => b"\r\nConnection: keep-alive\r\n\r\n",
            (false, _) => b"\r\nConnection: close\r\n\r\n",
        });
    }
}

/// Whether a status may come with content and its length (RFC 9110 section 8.6).
fn has_content(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

/// Appends a number in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a field, line end first. Control bytes in the value become spaces, so that no value can
/// end its line and start a field or a reply of its own.
fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(
        value
            .bytes()
            .map(|byte| if byte.is_ascii_control() { b' ' } else { byte }),
    );
}

macro_rules! statuses {
    ($($status:literal $phrase:literal,)*) => {
        /// The reason phrase of a status that the server sends (RFC 9110 section 15, RFC 6585);
        /// empty for others.
        pub(crate) const fn reason_phrase(status: u16) -> &'static str {
            match status {
                $($status => $phrase,)*
                _ => "",
            }
        }

        /// The status line and the next line's start, ready to send; empty for a status not listed.
        const fn status_line(status: u16) -> &'static str {
            match status {
                $($status => concat!("HTTP/1.1 ", $status, " ", $phrase, "\r\nDate: "),)*
                _ => "",
            }
        }
    };
}

statuses! {
    200 "OK",
    201 "Created",
    202 "Accepted",
    204 "No Content",
    304 "Not Modified",
    400 "Bad Request",
    401 "Unauthorized",
    404 "Not Found",
    405 "Method Not Allowed",
    408 "Request Timeout",
    409 "Conflict",
    410 "Gone",
    411 "Length Required",
    413 "Content Too Large",
    414 "URI Too Long",
    417 "Expectation Failed",
    422 "Unprocessable Content",
    429 "Too Many Requests",
    431 "Request Header Fields Too Large",
    500 "Internal Server Error",
    501 "Not Implemented",
    503 "Service Unavailable",
    505 "HTTP Version Not Supported",
}
