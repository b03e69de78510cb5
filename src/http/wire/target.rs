//! The request target: which part of it is the path, which the query.

use std::borrow::Cow;
use std::ops::Range;

use crate::http::wire::error::FramingError;
use crate::http::wire::request_line::Method;

/// Finds path and query in a request target, as ranges of it (RFC 9112 section
/// 3.2).
///
/// Origin form (`/orders?after=0`), absolute form
/// (`http://host/orders?after=0`, which a server must take though clients send
/// it to proxies only) and, for `OPTIONS`, `*`. The authority of an absolute
/// form is checked for a host and otherwise not used: this server has one site.
/// The query is `None` without a `?`.
pub(super) fn split(
    target: &[u8],
    method: Method,
) -> Result<(Range<usize>, Option<Range<usize>>), FramingError> {
    let is_allowed = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b'#';
    // All of them, without a way out, so that it is vectorized.
    let allowed = |all, &byte: &u8| all & is_allowed(byte);
    if !target.iter().fold(true, allowed) {
        return Err(FramingError::Target);
    }
    let question = memchr::memchr(b'?', target);
    let path_end = question.unwrap_or(target.len());
    let query = question.map(|at| at + 1..target.len());
    match target.first() {
        Some(b'/') => Ok((0..path_end, query)),
        Some(b'*') if target.len() == 1 && method == Method::Options => Ok((0..1, None)),
        _ => Ok((absolute_path(&target[..path_end])?, query)),
    }
}

/// The path of an absolute-form target without its query.
#[cold]
fn absolute_path(target: &[u8]) -> Result<Range<usize>, FramingError> {
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
    let authority = &target[authority_start..authority_end];
    // No user information either (RFC 9110 section 4.2.4), which `is_host`
    // refuses with its `@`.
    if authority.is_empty() || authority[0] == b':' || !is_host(authority) {
        return Err(FramingError::Target);
    }
    if authority_end == target.len() {
        // An empty path means `/`; the scheme's last slash lends its byte.
        return Ok(authority_start - 1..authority_start);
    }
    Ok(authority_end..target.len())
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

/// Whether these are bytes that a host with an optional port is made of (RFC
/// 3986 section 3.2.2). Empty is right for `Host`: it is what a client sends
/// for a target without an authority.
pub(super) fn is_host(value: &[u8]) -> bool {
    value.iter().all(|&byte| HOST_BYTES[usize::from(byte)])
}

/// Which bytes a host and a port are made of.
const HOST_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b".-:[]_~%!$&'()*+,;=";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

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
