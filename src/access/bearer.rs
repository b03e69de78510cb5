//! `Authorization: Bearer TOKEN` (RFC 6750 section 2.1).

use crate::access::token::is_b64token;

/// What an `Authorization` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bearer<'a> {
    Token(&'a [u8]),
    /// Another scheme.
    Other,
    /// This scheme, and no token that could be one.
    Malformed,
}

impl<'a> Bearer<'a> {
    pub(super) fn of(authorization: &'a [u8]) -> Self {
        let scheme_len = authorization.iter().position(|byte| *byte == b' ');
        let (scheme, rest) = authorization.split_at(scheme_len.unwrap_or(authorization.len()));
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Self::Other;
        }
        let token = rest.trim_ascii();
        if is_b64token(token) {
            Self::Token(token)
        } else {
            Self::Malformed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_case_insensitive_and_tokens_are_not_parsed_further() {
        for (text, want) in [
            ("Bearer abc", Bearer::Token(b"abc")),
            ("bearer abc", Bearer::Token(b"abc")),
            ("BEARER   a-._~+/b==  ", Bearer::Token(b"a-._~+/b==")),
            ("Bearer", Bearer::Malformed),
            ("Bearer ", Bearer::Malformed),
            ("Bearer ==", Bearer::Malformed),
            ("Bearer a b", Bearer::Malformed),
            ("Bearer a,b", Bearer::Malformed),
            ("Bearer a=b", Bearer::Malformed),
            ("Bearer \"abc\"", Bearer::Malformed),
            ("Basic abc", Bearer::Other),
            ("Bearerabc", Bearer::Other),
            ("Bearer\tabc", Bearer::Other),
            ("", Bearer::Other),
        ] {
            assert_eq!(Bearer::of(text.as_bytes()), want, "{text}");
        }
    }
}
