//! Who asks, as proxies say it: `Forwarded` (RFC 7239 section 4) and
//! `X-Forwarded-For`.
//!
//! Each proxy appends who has asked *it*. What stands to the left was there
//! before, and may be anyone's; so lines are read from the right, and no
//! further than an address that isn't trusted. What is on the left can't change
//! how the right is read: an open quote there reaches no further than the last
//! quote of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Proxies behind each other at most. Past them the field says nothing: a client
/// may have written as many addresses of proxies as a head holds.
const ELEMENTS_MAX: usize = 32;

/// A field that a proxy appends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Forwarded,
    ForwardedFor,
}

impl Kind {
    /// Who has asked the proxy that wrote this element; `None` if that isn't
    /// said, or not as an address.
    fn address(self, element: &[u8]) -> Option<IpAddr> {
        match self {
            Self::Forwarded => node(for_parameter(element)?),
            Self::ForwardedFor => node(element),
        }
    }
}

/// Who asks, by the lines of a field, the last one first. Addresses that
/// `is_trusted` holds for are proxies, which say who has asked them. `None` if
/// there is no element; `Some(None)` if the first one from the right says
/// nothing, or there are too many.
pub(super) fn client<'a>(
    kind: Kind,
    lines: impl Iterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<Option<IpAddr>> {
    let mut found = None;
    for (number, element) in lines.flat_map(elements).enumerate() {
        if number == ELEMENTS_MAX {
            return Some(None);
        }
        match kind.address(element) {
            Some(address) => {
                let address = address.to_canonical();
                found = Some(Some(address));
                if !is_trusted(address) {
                    break;
                }
            }
            None => return found.or(Some(None)),
        }
    }
    found
}

/// The elements of a line, from the right, without empty ones. A comma between
/// quotes separates none.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        loop {
            let text = rest?;
            let start = last_separator(text, b',').map_or(0, |at| at + 1);
            rest = start.checked_sub(1).map(|end| &text[..end]);
            let element = text[start..].trim_ascii();
            if !element.is_empty() {
                return Some(element);
            }
        }
    })
}

/// Where the last separator outside of quotes is.
fn last_separator(text: &[u8], separator: u8) -> Option<usize> {
    let mut quoted = false;
    let mut end = text.len();
    while let Some(at) = memchr::memrchr2(separator, b'"', &text[..end]) {
        if text[at] == b'"' {
            // From the right the quote that closes comes first, then any that
            // are escaped, then the one that opens.
            quoted = !quoted || is_escaped(text, at);
        } else if !quoted {
            return Some(at);
        }
        end = at;
    }
    None
}

fn is_escaped(text: &[u8], at: usize) -> bool {
    let backslashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

/// The value of `for` in an element of `Forwarded`, without its quotes; `None`
/// if there isn't just one, or the element is not well-formed.
fn for_parameter(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = Some(element);
    while let Some(text) = rest {
        let start = last_separator(text, b';').map_or(0, |at| at + 1);
        rest = start.checked_sub(1).map(|end| &text[..end]);
        let pair = text[start..].trim_ascii();
        if pair.is_empty() {
            continue; // as in `for=a;`
        }
        let equals = memchr::memchr(b'=', pair)?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        let value = unquoted(value)?;
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    found
}

/// A token as it is, and a quoted string without its quotes. No address needs
/// what a backslash escapes.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        _ if value.contains(&b'"') => None,
        _ => Some(value),
    }
}

/// The address of a node (RFC 7239 section 6), with or without a port, and with
/// brackets or, as proxies write it in `X-Forwarded-For`, without.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
            return None;
        }
        return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    match text.split_once(':') {
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some((address, port)) if is_port(port) && address.contains('.') => {
            address.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
        }
        Some(_) => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    }
}

/// A number, or a name that the proxy has made up (section 6.3).
fn is_port(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    number || text.starts_with('_') && text.len() > 1 && text.bytes().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In tests, 10.0.0.0/8 and fd00::/8 are proxies.
    fn is_trusted(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        }
    }

    /// `lines` as they came.
    fn found(kind: Kind, lines: &[&str]) -> Option<Option<IpAddr>> {
        let lines = lines.iter().rev().map(|line| line.as_bytes());
        client(kind, lines, is_trusted)
    }

    fn is(text: &str) -> Option<Option<IpAddr>> {
        Some(Some(text.parse().unwrap()))
    }

    const UNSAID: Option<Option<IpAddr>> = Some(None);

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        for (lines, want) in [
            (&["192.0.2.1"][..], is("192.0.2.1")),
            (&["6.6.6.6, 192.0.2.1"], is("192.0.2.1")),
            (&["6.6.6.6,192.0.2.1,\t10.0.0.2, fd00::1"], is("192.0.2.1")),
            (&["6.6.6.6", "192.0.2.1", "10.0.0.2"], is("192.0.2.1")),
            (&["192.0.2.1, , 10.0.0.2,"], is("192.0.2.1")),
            // All of them are proxies: the first one asks.
            (&["10.0.0.3, 10.0.0.2"], is("10.0.0.3")),
            // What is behind something unknown is not read.
            (&["6.6.6.6, unknown, 10.0.0.2"], is("10.0.0.2")),
            (&["6.6.6.6, 192.0.2.1.1"], UNSAID),
            (&["unknown"], UNSAID),
            (&["192.0.2.1:4711"], is("192.0.2.1")),
            (&["2001:db8::1"], is("2001:db8::1")),
            (&["[2001:db8::1]"], is("2001:db8::1")),
            (&["[2001:db8::1]:4711"], is("2001:db8::1")),
            (&["::ffff:192.0.2.1"], is("192.0.2.1")),
            (&["6.6.6.6, ::ffff:10.0.0.2"], is("6.6.6.6")),
            (&["\"6.6.6.6, 192.0.2.1"], is("192.0.2.1")),
            (&["[2001:db8::1"], UNSAID),
            (&["[2001:db8::1]4711"], UNSAID),
            (&["192.0.2.1:"], UNSAID),
            (&["192.0.2.1:123456"], UNSAID),
            (&[], None),
            (&[" , "], None),
        ] {
            assert_eq!(found(Kind::ForwardedFor, lines), want, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        for (lines, want) in [
            (&["for=192.0.2.1"][..], is("192.0.2.1")),
            (&["For=\"192.0.2.1:4711\""], is("192.0.2.1")),
            (&["FOR=\"[2001:db8::1]:_x\""], is("2001:db8::1")),
            (
                &["proto=https;for=192.0.2.1;by=10.0.0.1;host=\"a, b;c\""],
                is("192.0.2.1"),
            ),
            (
                &["for=6.6.6.6, for=192.0.2.1; proto=http;"],
                is("192.0.2.1"),
            ),
            (&["for=192.0.2.1, for=10.0.0.2"], is("192.0.2.1")),
            (&["for=192.0.2.1", "for=\"[fd00::2]\""], is("192.0.2.1")),
            (&["for=6.6.6.6, for=unknown, for=10.0.0.2"], is("10.0.0.2")),
            (&["for=_hidden"], UNSAID),
            (&["by=10.0.0.1"], UNSAID),
            (&["for=192.0.2.1;for=6.6.6.6"], UNSAID),
            (&["192.0.2.1"], UNSAID),
            (&["for=\"192.0.2.1"], UNSAID),
            (&["for=\"192.0.2.1\"x"], UNSAID),
            (&["for =192.0.2.1"], UNSAID),
            // What a client leaves open doesn't reach what the proxy appends.
            (&["for=6.6.6.6;x=\", for=192.0.2.1"], is("192.0.2.1")),
            (
                &["for=6.6.6.6;x=\", for=\"[2001:db8::1]\""],
                is("2001:db8::1"),
            ),
            (
                &["x=\"\\\", for=\"[2001:db8::1]\";host=\"a\\\"b,for=6.6.6.6\""],
                is("2001:db8::1"),
            ),
            (&[], None),
            (&[""], None),
        ] {
            assert_eq!(found(Kind::Forwarded, lines), want, "{lines:?}");
        }
    }

    /// Whatever a client writes, what the proxy appends is what counts.
    #[test]
    fn what_a_client_writes_changes_nothing() {
        const ALPHABET: &[u8] = b"\",;=\\ for192.[]:_\tx-";
        let mut state = 11u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..100_000 {
            let length = next() % 24;
            let prefix: Vec<u8> = (0..length)
                .map(|_| ALPHABET[(next() % ALPHABET.len() as u64) as usize])
                .collect();
            for (kind, appended) in [
                (Kind::ForwardedFor, "2001:db8::9"),
                (Kind::Forwarded, "for=\"[2001:db8::9]:80\";proto=https"),
                (
                    Kind::Forwarded,
                    "by=10.0.0.1;for=\"[2001:db8::9]\";host=\"a,b\"",
                ),
            ] {
                let line = [&prefix[..], b", ", appended.as_bytes()].concat();
                let found = client(kind, [&line[..]].into_iter(), is_trusted);
                let shown = String::from_utf8_lossy(&line);
                assert_eq!(found, is("2001:db8::9"), "{shown}");
            }
        }
    }
}
