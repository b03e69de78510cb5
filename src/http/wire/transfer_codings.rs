//! The list of transfer codings: `Transfer-Encoding` (RFC 9112 section 6.1).
//!
//! A body ends where `chunked` says, so it must be the last coding and there
//! once (RFC 9112 section 6.3). Else nobody knows where the request ends: 400.
//! A coding before it that the server doesn't know is another matter: 501.

use crate::http::wire::error::FramingError;
use crate::http::wire::list;

/// The codings of all lines so far: a list over several lines is one list.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TransferCodings {
    any: bool,
    /// How often `chunked` is there, up to 2.
    chunked: u8,
    last_is_chunked: bool,
    others: bool,
    malformed: bool,
}

impl TransferCodings {
    /// Takes in the value of one line. An empty member is not left out, as in
    /// other lists: whether `chunked` is last must not depend on the reader.
    pub(crate) fn take(&mut self, line: &[u8]) {
        self.any = true;
        let line = line.trim_ascii();
        self.malformed |= line.is_empty() || line.starts_with(b",") || line.ends_with(b",");
        for member in list::members(line) {
            self.take_member(member);
        }
    }

    fn take_member(&mut self, member: &[u8]) {
        let parameters = memchr::memchr(b';', member);
        let name = member[..parameters.unwrap_or(member.len())].trim_ascii_end();
        self.malformed |= name.is_empty() || !name.iter().copied().all(is_token);
        self.last_is_chunked = name.eq_ignore_ascii_case(b"chunked");
        if self.last_is_chunked {
            self.chunked = 2.min(self.chunked + 1);
            self.malformed |= parameters.is_some(); // it has none
        } else {
            self.others = true;
        }
    }

    /// Whether there was a line.
    pub(crate) fn any(&self) -> bool {
        self.any
    }

    /// Checks that they are `chunked` alone, once all lines have been taken.
    pub(crate) fn check(&self) -> Result<(), FramingError> {
        if self.malformed || !self.last_is_chunked || self.chunked != 1 {
            Err(FramingError::CodingsInvalid)
        } else if self.others {
            Err(FramingError::CodingUnknown)
        } else {
            Ok(())
        }
    }
}

/// A byte of a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_is_last_and_once() {
        use FramingError::{CodingUnknown, CodingsInvalid};
        for (lines, expected) in [
            (&["chunked"][..], Ok(())),
            (&["Chunked\t"], Ok(())),
            (&["gzip, chunked"], Err(CodingUnknown)),
            (&["gzip;q=\"a,b\\\",\" , chunked"], Err(CodingUnknown)),
            (&["gzip", "chunked"], Err(CodingUnknown)),
            (&["gzip"], Err(CodingsInvalid)),
            (&["identity"], Err(CodingsInvalid)),
            (&["xchunked"], Err(CodingsInvalid)),
            (&["chunked, gzip"], Err(CodingsInvalid)),
            (&["chunked", "gzip"], Err(CodingsInvalid)),
            (&["chunked, chunked"], Err(CodingsInvalid)),
            (&["chunked", "chunked"], Err(CodingsInvalid)),
            (&["chunked, gzip, chunked"], Err(CodingsInvalid)),
            (&["chunked;a=1"], Err(CodingsInvalid)),
            (&["\"chunked\""], Err(CodingsInvalid)),
            (&["gzip;q=\"a, chunked"], Err(CodingsInvalid)),
            (&["gzip x, chunked"], Err(CodingsInvalid)),
            (&["chunked,"], Err(CodingsInvalid)),
            (&[", chunked"], Err(CodingsInvalid)),
            (&[""], Err(CodingsInvalid)),
        ] {
            let mut codings = TransferCodings::default();
            for line in lines {
                codings.take(line.as_bytes());
            }
            assert_eq!(codings.check(), expected, "{lines:?}");
        }
    }
}
