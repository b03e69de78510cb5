//! Content codings: `Content-Encoding` of a request (RFC 9110 section 8.4),
//! decoded as the bytes arrive.
//!
//! A decoder makes at most [`OUTPUT_BYTES`] of content a step, so whoever counts
//! content, as all limits do, is never a thousandfold behind what a few encoded
//! bytes become. Its state is on the heap and bounded: see
//! [`ContentCoding::memory_bytes`].

mod gzip;
mod step;
#[cfg(test)]
mod tests;
mod zstandard;

use crate::http::wire::content::gzip::Gzip;
use crate::http::wire::content::step::Step;
use crate::http::wire::content::zstandard::Zstandard;
use crate::http::wire::list;

pub(crate) use self::step::Undecodable;

/// Content that a step makes at most.
pub(super) const OUTPUT_BYTES: usize = 16 << 10;

/// How a body's content is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ContentCoding {
    /// Not at all.
    #[default]
    Identity,
    Gzip,
    Zstd,
    /// In a way that the server doesn't know, or twice.
    Unknown,
}

impl ContentCoding {
    /// The coding with that of one more line applied.
    #[must_use]
    pub(crate) fn with_line(self, line: &[u8]) -> Self {
        list::members(line).fold(self, Self::and)
    }

    fn and(self, member: &[u8]) -> Self {
        let is = |name: &[u8]| member.eq_ignore_ascii_case(name);
        let next = match () {
            () if is(b"identity") => return self,
            () if is(b"gzip") || is(b"x-gzip") => Self::Gzip,
            () if is(b"zstd") => Self::Zstd,
            () => Self::Unknown,
        };
        if self == Self::Identity {
            next
        } else {
            Self::Unknown
        }
    }

    /// What decoding it takes at most, output included.
    pub(crate) fn memory_bytes(self) -> usize {
        match self {
            Self::Identity | Self::Unknown => 0,
            Self::Gzip => gzip::STATE_BYTES + OUTPUT_BYTES,
            Self::Zstd => zstandard::STATE_BYTES_MAX + OUTPUT_BYTES,
        }
    }

    /// A decoder; `None` if the content needs none, or there is none.
    pub(crate) fn decoder(self) -> Option<ContentDecoder> {
        let stream = match self {
            Self::Identity | Self::Unknown => return None,
            Self::Gzip => Stream::Gzip(Gzip::new()),
            Self::Zstd => Stream::Zstd(Zstandard::new()),
        };
        Some(ContentDecoder {
            stream,
            output: vec![0; OUTPUT_BYTES],
            has_more: false,
        })
    }
}

/// Decodes one body.
pub(crate) struct ContentDecoder {
    stream: Stream,
    output: Vec<u8>,
    /// The last step filled the output: there may be more of it.
    has_more: bool,
}

enum Stream {
    Gzip(Gzip),
    Zstd(Zstandard),
}

impl ContentDecoder {
    /// The next content out of the front of `input`, which is moved on; `None`
    /// once all of it is dealt with. The content may be empty.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Option<Result<&[u8], Undecodable>> {
        if input.is_empty() && !self.has_more {
            return None;
        }
        let step = match &mut self.stream {
            Stream::Gzip(gzip) => gzip.step(input, &mut self.output),
            Stream::Zstd(zstd) => zstd.step(input, &mut self.output),
        };
        Some(step.map(|Step { consumed, produced }| {
            *input = &input[consumed..];
            self.has_more = produced == self.output.len();
            &self.output[..produced]
        }))
    }

    /// Whether the content may end here.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.stream {
            Stream::Gzip(gzip) => gzip.is_complete(),
            Stream::Zstd(zstd) => zstd.is_complete(),
        }
    }
}
