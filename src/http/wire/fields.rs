//! The header fields that the server reads, and the rules on how often and
//! together with what they may come.
//!
//! `Host`, `Content-Length` and `Transfer-Encoding` decide where a request goes
//! and where it ends. They are collected first and evaluated together, so that
//! their order in the head doesn't matter.

use crate::http::wire::authority::Authority;
use crate::http::wire::body::BodyFraming;
use crate::http::wire::content::ContentCoding;
use crate::http::wire::error::FramingError;
use crate::http::wire::list;
use crate::http::wire::request_line::Version;
use crate::http::wire::span::Span;
use crate::http::wire::transfer_codings::TransferCodings;

/// What the header lines say, collected before any of it is evaluated against
/// the rest.
pub(super) struct Fields {
    pub(super) host: Span,
    content_length: Option<u64>,
    codings: TransferCodings,
    pub(super) content_coding: ContentCoding,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
    pub(super) content_type: Span,
    pub(super) authorization: Span,
    /// From the first line's value to the end of the last one's.
    pub(super) prefer: Span,
    /// Likewise.
    pub(super) accept: Span,
    pub(super) origin: Span,
    pub(super) is_cross_site: bool,
    pub(super) navigates: bool,
    pub(super) asks_for_method: bool,
    pub(super) idempotency_key: Span,
    pub(super) traceparent: Span,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self {
            host: Span::ABSENT,
            content_length: None,
            codings: TransferCodings::default(),
            content_coding: ContentCoding::Identity,
            close: false,
            keep_alive: false,
            expect_continue: false,
            content_type: Span::ABSENT,
            authorization: Span::ABSENT,
            prefer: Span::ABSENT,
            accept: Span::ABSENT,
            origin: Span::ABSENT,
            is_cross_site: false,
            navigates: false,
            asks_for_method: false,
            idempotency_key: Span::ABSENT,
            traceparent: Span::ABSENT,
        }
    }

    /// Takes in one header line. The name's length picks at most four to
    /// compare with.
    pub(super) fn take(
        &mut self,
        buf: &[u8],
        header: &httparse::Header<'_>,
    ) -> Result<(), FramingError> {
        let value = header.value;
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            4 if is("host") => {
                if self.host != Span::ABSENT {
                    return Err(FramingError::HostRepeated);
                }
                if Authority::parse(value).is_none() {
                    return Err(FramingError::HostInvalid);
                }
                self.host = Span::of(value, buf);
            }
            6 if is("accept") => keep(&mut self.accept, buf, value)?,
            6 if is("prefer") => keep(&mut self.prefer, buf, value)?,
            6 if is("origin") => keep_only(&mut self.origin, buf, value)?,
            6 if is("expect") => {
                let mut known = list::members(value).map(|member| {
                    self.expect_continue = true;
                    member.eq_ignore_ascii_case(b"100-continue")
                });
                if !known.all(|known| known) {
                    return Err(FramingError::Expectation);
                }
            }
            10 if is("connection") => {
                for token in list::members(value) {
                    self.close |= token.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            11 if is("traceparent") => self.take_traceparent(buf, value),
            12 if is("content-type") => keep_only(&mut self.content_type, buf, value)?,
            13 if is("authorization") => keep_only(&mut self.authorization, buf, value)?,
            14 if is("content-length") => {
                let length = decimal(value).ok_or(FramingError::LengthInvalid)?;
                if self.content_length.replace(length).is_some() {
                    return Err(FramingError::LengthRepeated);
                }
            }
            14 if is("sec-fetch-site") => self.is_cross_site |= fetch_site_is_foreign(value),
            14 if is("sec-fetch-mode") => self.navigates |= fetch_mode_is_navigate(value),
            15 if is("idempotency-key") => keep_only(&mut self.idempotency_key, buf, value)?,
            16 if is("content-encoding") => {
                self.content_coding = self.content_coding.with_line(value);
            }
            17 if is("transfer-encoding") => self.codings.take(value),
            29 if is("access-control-request-method") => self.asks_for_method = true,
            _ => {}
        }
        Ok(())
    }

    /// Of several lines none counts; that is no error (W3C Trace Context,
    /// section 3.2).
    fn take_traceparent(&mut self, buf: &[u8], value: &[u8]) {
        let is_first = self.traceparent == Span::ABSENT;
        self.traceparent = Span::of(if is_first { value } else { &value[..0] }, buf);
    }

    /// Evaluates the fields that depend on each other and on the version.
    pub(super) fn body(&self, version: Version) -> Result<BodyFraming, FramingError> {
        if version == Version::Http11 && self.host == Span::ABSENT {
            return Err(FramingError::HostMissing);
        }
        match (self.codings.any(), self.content_length) {
            (false, None) => Ok(BodyFraming::None),
            (false, Some(length)) => Ok(BodyFraming::Length(length)),
            (true, _) if version == Version::Http10 => Err(FramingError::EncodingOnHttp10),
            (true, Some(_)) => Err(FramingError::LengthAndEncoding),
            (true, None) => self.codings.check().map(|()| BodyFraming::Chunked),
        }
    }
}

/// Whether this value of `Sec-Fetch-Site` says that another site's page asks.
/// Values that the specification doesn't have are ignored, as it says (Fetch
/// Metadata Request Headers, W3C).
pub(crate) fn fetch_site_is_foreign(value: &[u8]) -> bool {
    value == b"cross-site" || value == b"same-site"
}

/// Whether this value of `Sec-Fetch-Mode` says that a page is to be shown.
pub(crate) fn fetch_mode_is_navigate(value: &[u8]) -> bool {
    value == b"navigate"
}

/// Keeps another line of a list field.
fn keep(lines: &mut Span, buf: &[u8], value: &[u8]) -> Result<(), FramingError> {
    let mut line = Span::ABSENT;
    keep_only(&mut line, buf, value)?;
    *lines = lines.to_end_of(line);
    Ok(())
}

/// Keeps a field that may come once only: if two readers picked different ones,
/// one of them would let pass what the other refused.
fn keep_only(line: &mut Span, buf: &[u8], value: &[u8]) -> Result<(), FramingError> {
    if *line != Span::ABSENT {
        return Err(FramingError::FieldRepeated);
    }
    if !value.is_ascii() {
        return Err(FramingError::FieldNotAscii);
    }
    *line = Span::of(value, buf);
    Ok(())
}

/// Digits only, at least one, below 2^64.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
