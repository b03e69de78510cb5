//! A host with an optional port: the value of `Host`, and the authority of an
//! absolute-form target (RFC 9110 section 7.2, RFC 3986 section 3.2).

use std::net::Ipv6Addr;

/// A host, and the port where one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets; never empty.
    pub host: &'a [u8],
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads one; `None` for any other text. An empty port is none.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let host_len = if text.first() == Some(&b'[') {
            address_len(text)?
        } else {
            name_len(text)?
        };
        let (host, rest) = text.split_at(host_len);
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(port(digits)?),
            _ => return None,
        };
        Some(Self { host, port })
    }
}

/// How long the name at the start is.
fn name_len(text: &[u8]) -> Option<usize> {
    let mut len = 0;
    loop {
        let plain = text[len..]
            .iter()
            .take_while(|&&byte| NAME_BYTES[usize::from(byte)]);
        len += plain.count();
        match &text[len..] {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => len += 3,
            _ => return (len > 0).then_some(len),
        }
    }
}

/// How long the IPv6 address in brackets at the start is. It may name a zone,
/// as a URI does (`%25eth0`, RFC 6874) and as some clients do (`%eth0`).
fn address_len(text: &[u8]) -> Option<usize> {
    let end = memchr::memchr(b']', text)?;
    let within = std::str::from_utf8(&text[1..end]).ok()?;
    let (address, zone) = within.split_once('%').unwrap_or((within, "0"));
    let is_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    let valid = address.parse::<Ipv6Addr>().is_ok() && zone.bytes().all(is_zone);
    (valid && !zone.is_empty()).then_some(end + 1)
}

/// A port: digits, below 65536.
fn port(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The bytes of a name that stand for themselves: unreserved ones and
/// sub-delimiters.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b".-_~!$&'()*+,;=";
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
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("a", "a", None),
            ("localhost:8080", "localhost", Some(8080)),
            ("a.b-c_d~:", "a.b-c_d~", None),
            ("127.0.0.1:0", "127.0.0.1", Some(0)),
            ("a:00080", "a", Some(80)),
            ("a:65535", "a", Some(65535)),
            ("caf%C3%a9:1", "caf%C3%a9", Some(1)),
            ("[::1]", "[::1]", None),
            ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]", Some(80)),
            ("[fe80::1%25eth0]:80", "[fe80::1%25eth0]", Some(80)),
            ("[fe80::1%eth0]", "[fe80::1%eth0]", None),
        ] {
            let want = Authority {
                host: host.as_bytes(),
                port,
            };
            assert_eq!(Authority::parse(text.as_bytes()), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            ":",
            ":80",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:99999",
            "a:1:2",
            "a b",
            " a",
            "a/",
            "u@a",
            "a?",
            "a#",
            "%",
            "%zz",
            "%4",
            "a%4z",
            "caf\u{e9}",
            "[",
            "[]",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:x",
            "[a]",
            "[127.0.0.1]",
            "[::1%]",
            "[::1%a/b]",
            "a[::1]",
            "\"a\"",
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), None, "{text}");
        }
    }
}
