//! The request target: which part of it is the path, which the query.

use std::borrow::Cow;
use std::ops::Range;

use crate::http::wire::authority::Authority;
use crate::http::wire::error::FramingError;
use crate::http::wire::request_line::Method;

/// The parts of a request target, as ranges of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: Range<usize>,
    /// `None` without a `?`.
    pub(super) query: Option<Range<usize>>,
    /// Of the absolute form. It wins over `Host` (RFC 9112 section 3.2.2).
    pub(super) authority: Option<Range<usize>>,
}

/// Finds path and query in a request target, as ranges of it (RFC 9112 section
/// 3.2).
///
/// Origin form (`/orders?after=0`), absolute form
/// (`http://host/orders?after=0`, which a server must take though clients send
/// it to proxies only) and, for `OPTIONS`, `*`.
pub(super) fn split(target: &[u8], method: Method) -> Result<Target, FramingError> {
    let is_allowed = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b'#';
    // All of them, without a way out, so that it is vectorized.
    let allowed = |all, &byte: &u8| all & is_allowed(byte);
    if !target.iter().fold(true, allowed) {
        return Err(FramingError::Target);
    }
    let question = memchr::memchr(b'?', target);
    let path_end = question.unwrap_or(target.len());
    let query = question.map(|at| at + 1..target.len());
    let (path, authority) = match target.first() {
        Some(b'/') => (0..path_end, None),
        Some(b'*') if target.len() == 1 && method == Method::Options => (0..1, None),
        _ => absolute_form(&target[..path_end])?,
    };
    Ok(Target {
        path,
        query,
        authority,
    })
}

/// Path and authority of an absolute-form target without its query.
#[cold]
fn absolute_form(target: &[u8]) -> Result<(Range<usize>, Option<Range<usize>>), FramingError> {
    let starts_with = |scheme: &str| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let authority_start = ["http://", "https://"]
        .into_iter()
        .find(|scheme| starts_with(scheme))
        .ok_or(FramingError::Target)?
        .len();
    let authority_len = memchr::memchr(b'/', &target[authority_start..]);
    let authority_end = authority_len.map_or(target.len(), |len| authority_start + len);
    // No user information either (RFC 9110 section 4.2.4): `@` is in no host.
    let authority = authority_start..authority_end;
    if Authority::parse(&target[authority.clone()]).is_none() {
        return Err(FramingError::Target);
    }
    let path = if authority_end == target.len() {
        // An empty path means `/`; the scheme's last slash lends its byte.
        authority_start - 1..authority_start
    } else {
        authority_end..target.len()
    };
    Ok((path, Some(authority)))
}

/// The same path or query with unreserved characters decoded (RFC 3986 section
/// 6.2.2.2): `%2D` and `-` are the same there. Other characters remain encoded,
/// since decoded they could mean something else.
pub(crate) fn normalized(text: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(b'%', text) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(decode_unreserved(text)),
    }
}

/// The same for text, which it remains.
pub(crate) fn normalized_text(text: &str) -> Cow<'_, str> {
    match normalized(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes).expect("ASCII was replaced by ASCII in a valid text"),
        ),
    }
}

#[cold]
fn decode_unreserved(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let byte = rest[at..].first_chunk().and_then(unreserved);
        decoded.push(byte.unwrap_or(b'%'));
        rest = &rest[at + if byte.is_some() { 3 } else { 1 }..];
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// The unreserved character (RFC 3986 section 2.3) that is encoded like this.
fn unreserved(encoded: &[u8; 3]) -> Option<u8> {
    let digit = |at: usize| char::from(encoded[at]).to_digit(16);
    let byte = u8::try_from(digit(1)? * 16 + digit(2)?).ok()?;
    (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)).then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_are_decoded() {
        for (text, expected) in [
            ("/orders/ord-1", "/orders/ord-1"),
            ("/orders/ord%2D1", "/orders/ord-1"),
            ("/orders/ord%2d1%5F%7e%2E", "/orders/ord-1_~."),
            ("/%73ubmit", "/submit"),
            ("/a%2Fb%20%3F%25%C3%A9", "/a%2Fb%20%3F%25%C3%A9"),
            ("/a%252D", "/a%252D"),
            ("/a%%41", "/a%A"),
            ("/a%zz%4", "/a%zz%4"),
            ("%", "%"),
            ("after=%31&%6Cimit=2%26", "after=1&limit=2%26"),
        ] {
            assert_eq!(normalized_text(text), expected);
        }
    }
}
