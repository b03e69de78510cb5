//! The head's parser: finds where a head ends, then reads it in one pass.
//!
//! Two steps, so that a head that drips in byte by byte costs linear time.
//! `find_end` reads each received byte once and knows only line ends; a head it
//! lets through has every LF after a CR. Then `httparse` sees exactly the
//! head's bytes, never more, and what the fields say is collected in
//! `fields.rs`.
//!
//! Relies on `httparse` in its default, strict configuration: it refuses CTLs,
//! a CR without LF, obs-fold, white space before a colon and more than one
//! space in a request line. The tests hold it to that.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::http::wire::body::BodyFraming;
use crate::http::wire::error::FramingError;
use crate::http::wire::fields::Fields;
use crate::http::wire::head::Head;
use crate::http::wire::limits::{HEADERS_MAX, HeadLimits};
use crate::http::wire::request_line::{Method, Version};
use crate::http::wire::span::Span;
use crate::http::wire::target::{self, Target};

/// Empty lines skipped before a request line. RFC 9112 section 2.2 asks for one
/// (old clients sent a CRLF after a body); a client has no reason for many.
const EMPTY_LINES_MAX: usize = 4;

// The table of headers is the largest thing on the stack; with it the frame
// must stay under 4 KiB.
const _: () = assert!(HEADERS_MAX * size_of::<httparse::Header<'_>>() <= 3200);

/// Reads the head of the request at the start of `buf`, when it is there as a
/// whole; `Ok(None)` asks for more bytes.
///
/// `searched` is zero for a new request and left to this function from call to
/// call, as long as bytes are only appended to `buf`; a head that was found
/// sets it back to zero. More bytes never change an answer once given. What
/// follows the head in `buf` (a body, pipelined requests) is not read. Allocates
/// only for a minor version above 1.
///
/// # Errors
/// See [`FramingError`]; reply with its status and close. A buffer that holds
/// `limits.head_bytes` always gets an answer, so it never has to be larger.
#[inline(never)] // keeps the header table out of its caller's frame, which lives as long as a connection
pub(crate) fn parse_head(
    buf: &[u8],
    searched: &mut usize,
    limits: &HeadLimits,
) -> Result<Option<Head>, FramingError> {
    // A handshake record's type. No method starts with it, and a person who
    // typed https:// needs a hint.
    if buf.first() == Some(&0x16) {
        return Err(FramingError::Tls);
    }
    let window_bytes = limits.head_bytes.min(u32::MAX as usize);
    let window = &buf[..buf.len().min(window_bytes)];
    let start = skip_empty_lines(window)?;
    if let Some(end) = find_end(window, start, searched)? {
        *searched = 0;
        let head = &window[..end];
        let head = match read(head, start, limits) {
            Err(FramingError::Version) => read_later_minor(head, start, limits),
            read => read,
        };
        return head.map(Some);
    }
    if window.len() < window_bytes {
        return Ok(None);
    }
    Err(over_limit(&window[start..], limits))
}

/// Whether a request that can't be parsed begins like a `HEAD` request. What
/// was received by the time that its error is found decides; more doesn't.
#[cold]
pub(crate) fn begins_with_head(buf: &[u8]) -> bool {
    skip_empty_lines(buf).is_ok_and(|start| buf[start..].starts_with(b"HEAD "))
}

/// Where the request line starts.
fn skip_empty_lines(window: &[u8]) -> Result<usize, FramingError> {
    let mut start = 0;
    while window[start..].starts_with(b"\r\n") {
        if start == 2 * EMPTY_LINES_MAX {
            return Err(FramingError::EmptyLines);
        }
        start += 2;
    }
    Ok(start)
}

/// Where the head ends: after the first empty line. Goes from line feed to line
/// feed, starting where the last call stopped.
fn find_end(
    window: &[u8],
    start: usize,
    searched: &mut usize,
) -> Result<Option<usize>, FramingError> {
    let from = start.max(*searched).min(window.len());
    for found in memchr::memchr_iter(b'\n', &window[from..]) {
        let line = &window[start..=from + found];
        if !line.ends_with(b"\r\n") {
            return Err(FramingError::BareLf);
        }
        if line.ends_with(b"\r\n\r\n") {
            return Ok(Some(start + line.len()));
        }
    }
    *searched = window.len();
    Ok(None)
}

/// Which limit a head is over that fills its window without an end.
#[cold]
fn over_limit(head: &[u8], limits: &HeadLimits) -> FramingError {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match line.split(|&byte| byte == b' ').nth(1) {
        Some(target) if target.len() > limits.target_bytes => FramingError::TargetTooLong,
        _ => FramingError::HeadTooLarge,
    }
}

/// Reads a whole head, `buf[start..]`.
fn read(buf: &[u8], start: usize, limits: &HeadLimits) -> Result<Head, FramingError> {
    let head = &buf[start..];
    // Left uninitialised: a request has ten headers, and zeroing a hundred
    // would cost more than parsing ten.
    let mut table = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; HEADERS_MAX];
    let table = &mut table[..limits.headers.min(HEADERS_MAX)];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, table) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Ok(_) => return Err(FramingError::RequestLine),
        Err(error) => return Err(explain(head, error)),
    }
    evaluate(buf, &request, limits)
}

/// Reads a head with a minor version above 1 as HTTP/1.1, the highest that the
/// server knows (RFC 9110 section 2.5). `httparse` doesn't, so it gets a copy
/// that says so; the ranges of its parts are the same.
#[cold]
#[inline(never)]
fn read_later_minor(buf: &[u8], start: usize, limits: &HeadLimits) -> Result<Head, FramingError> {
    let line_end = memchr::memchr(b'\n', &buf[start..]).map_or(buf.len(), |at| start + at);
    let line = &buf[start..line_end];
    match line {
        [.., b'/', b'1', b'.', b'2'..=b'9', b'\r'] => {
            let mut copy = buf.to_vec();
            copy[line_end - 2] = b'1';
            read(&copy, start, limits)
        }
        _ => Err(FramingError::Version),
    }
}

/// Makes a [`Head`] of a well-formed request, or says what is wrong with what
/// it says.
#[inline(never)] // so that the header table's frame holds little else
fn evaluate(
    buf: &[u8],
    request: &httparse::Request<'_, '_>,
    limits: &HeadLimits,
) -> Result<Head, FramingError> {
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(FramingError::RequestLine);
    };
    if target.len() > limits.target_bytes {
        return Err(FramingError::TargetTooLong);
    }
    let method = Method::from_token(method).ok_or(FramingError::Method)?;
    let version = if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    };

    let mut fields = Fields::new();
    for header in request.headers.iter() {
        fields.take(buf, header)?;
    }
    let Target {
        path,
        query,
        authority,
    } = target::split(target.as_bytes(), method)?;
    let target_start = Span::of(target.as_bytes(), buf).start();
    let within = |part: Range<usize>| Span::new(target_start + part.start, target_start + part.end);
    let body = fields.body(version)?;
    Ok(Head {
        method,
        version,
        keep_alive: !fields.close && (version == Version::Http11 || fields.keep_alive),
        expect_continue: fields.expect_continue
            && version == Version::Http11
            && !matches!(body, BodyFraming::None | BodyFraming::Length(0)),
        body,
        content_coding: fields.content_coding,
        len: buf.len(),
        path: within(path),
        query: query.map_or(Span::ABSENT, within),
        host: authority.map_or(fields.host, within),
        origin: fields.origin,
        is_cross_site: fields.is_cross_site,
        navigates: fields.navigates,
        asks_for_method: fields.asks_for_method,
        idempotency_key: fields.idempotency_key,
        traceparent: fields.traceparent,
        content_type: fields.content_type,
        authorization: fields.authorization,
        prefer: fields.prefer,
        accept: fields.accept,
    })
}

/// Says what is wrong with a head that `httparse` refused; its own errors name
/// a position, not a cause.
#[cold]
#[inline(never)]
fn explain(head: &[u8], error: httparse::Error) -> FramingError {
    if error == httparse::Error::TooManyHeaders {
        return FramingError::TooManyHeaders;
    }
    if head
        .windows(2)
        .any(|pair| pair[0] == b'\r' && pair[1] != b'\n')
    {
        return FramingError::BareCr;
    }
    if head
        .iter()
        .any(|byte| byte.is_ascii_control() && !b"\r\n\t".contains(byte))
    {
        return FramingError::ControlByte;
    }
    let mut lines = head
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request_line = lines.next().unwrap_or_default();
    match error {
        httparse::Error::Version if names_a_version(request_line) => FramingError::Version,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => lines
            .find_map(|line| match line.iter().position(|&byte| byte == b':') {
                _ if line.starts_with(b" ") || line.starts_with(b"\t") => {
                    Some(FramingError::FoldedLine)
                }
                Some(at) if line[..at].ends_with(b" ") || line[..at].ends_with(b"\t") => {
                    Some(FramingError::SpaceBeforeColon)
                }
                _ => None,
            })
            .unwrap_or(FramingError::HeaderName),
        _ => FramingError::RequestLine,
    }
}

/// Whether this is a request line but for the digits of its version (RFC 9112
/// section 2.3): another version, not another protocol.
fn names_a_version(request_line: &[u8]) -> bool {
    let mut parts = request_line.split(|&byte| byte == b' ').skip(2);
    let (Some(version), None) = (parts.next(), parts.next()) else {
        return false;
    };
    match version.strip_prefix(b"HTTP/") {
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}
