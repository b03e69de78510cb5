//! A reply's bytes on the wire.
//!
//! This is on the path of every order, so known heads are constants, numbers go
//! through `itoa`, and a short reply costs no allocation once the connection's
//! buffer has grown.

use crate::http::wire::date::DATE_LEN;
use crate::http::wire::head::Head;
use crate::http::wire::reply::cors::{preflight_lines, shared_lines};
use crate::http::wire::reply::parts::{REPLAYED, Reply};
use crate::http::wire::reply::status::{NOSNIFF, first_lines, has_content};
use crate::http::wire::request_line::{Method, Version};

/// The interim reply that lets a client send its body (RFC 9110 section
/// 15.2.1).
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What `encode` reserves besides the body: the size of a head without dynamic
/// fields.
const HEAD_BYTES_USUAL: usize = 320;

/// What a connection knows about the reply that a route doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    pub version: Version,
    /// Whether the connection stays open after this reply.
    pub keep_alive: bool,
    /// Whether the body is left out since the request was `HEAD`; its length is
    /// still stated.
    pub head_only: bool,
}

impl Framing {
    /// The framing of a reply to this request, with the connection kept open if
    /// the client lets it.
    pub(crate) fn of(head: &Head) -> Self {
        Self {
            version: head.version,
            keep_alive: head.keep_alive,
            head_only: head.method == Method::Head,
        }
    }

    /// The framing of the last reply of a connection, to a request that was not
    /// understood.
    pub(crate) const LAST: Self = Self {
        version: Version::Http11,
        keep_alive: false,
        head_only: false,
    };
}

impl Reply {
    /// Appends the whole reply to `out`. `date` is what
    /// [`crate::http::wire::date::write_date`] wrote.
    pub(crate) fn encode(&self, framing: Framing, date: &[u8; DATE_LEN], out: &mut Vec<u8>) {
        let body = self.body.as_slice();
        let sent = match !framing.head_only && has_content(self.status) {
            true => body,
            false => &[],
        };
        out.reserve(HEAD_BYTES_USUAL + sent.len());
        self.encode_head(framing, date, out);
        out.extend_from_slice(sent);
    }

    /// Appends the reply's head only, empty line included; for a body that is
    /// large enough to be written from where it lies. The caller leaves that
    /// out for `HEAD`.
    ///
    /// The status line says HTTP/1.1 to a 1.0 client, too (RFC 9112 section
    /// 2.3).
    pub(crate) fn encode_head(&self, framing: Framing, date: &[u8; DATE_LEN], out: &mut Vec<u8>) {
        match first_lines(self.status, self.caching) {
            "" => {
                out.extend_from_slice(b"HTTP/1.1 ");
                push_number(out, u64::from(self.status));
                out.extend_from_slice(b" ");
                push_line(out, NOSNIFF);
                if let Some(line) = self.caching.line() {
                    push_line(out, line);
                }
                out.extend_from_slice(b"\r\nDate: ");
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
        if self.is_replay {
            push_line(out, REPLAYED);
        }
        if let Some(line) = self.allow_origin {
            self.push_cors(line, out);
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

    #[cold]
    fn push_cors(&self, allow_origin: &str, out: &mut Vec<u8>) {
        push_line(out, allow_origin);
        for line in shared_lines() {
            push_line(out, line);
        }
        if self.is_preflight {
            for line in preflight_lines(self.allow.unwrap_or_default()) {
                push_line(out, line);
            }
        }
    }
}

/// Appends a number in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a field that the program holds, line end first.
fn push_line(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(line.as_bytes());
}

/// Appends a field, line end first. Control bytes in the value become spaces,
/// so that no value can end its line and start a field or a reply of its own.
fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let start = out.len();
    out.extend_from_slice(value.as_bytes());
    // In place, since this is vectorized where an iterator of bytes is not.
    for byte in &mut out[start..] {
        if byte.is_ascii_control() {
            *byte = b' ';
        }
    }
}
