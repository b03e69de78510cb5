//! Reasons in a header: percent-encoded (RFC 3986 section 2.1), but for
//! printable ASCII.

use std::fmt::Write;
use std::sync::Arc;

pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let outermost = at == 0 || at + 1 == text.len();
        match byte {
            b'!'..=b'~' if byte != b'%' => out.push(char::from(byte)),
            b' ' if !outermost => out.push(' '), // others are trimmed by readers
            _ => write!(out, "%{byte:02X}").expect("a String takes all that is written"),
        }
    }
    out
}

/// What can't be decoded stays as it is.
pub(super) fn decoded(text: &str) -> Arc<str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_survive_whatever_they_hold() {
        for reason in [
            "",
            "plain",
            "%",
            "%2",
            "%zz",
            "a%41",
            "\0\r\n\t",
            "größer ✓",
            "100% %25",
            " a  b ",
            " ",
        ] {
            let encoded = encoded(reason);
            assert_eq!(encoded.trim(), encoded);
            assert!(
                encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{encoded}"
            );
            assert_eq!(&*decoded(&encoded), reason);
        }
    }
}
