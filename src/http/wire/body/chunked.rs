//! The framing of a chunked body (RFC 9112 section 7.1), byte by byte: sizes,
//! extensions, line ends and trailers. Content is not seen here.
//!
//! Strict where chunked coding is known to be read differently by different
//! servers: a size is 1 to 16 hex digits and nothing else, every line ends in
//! CRLF. Chunk extensions and trailers mean nothing to this server; they are
//! bounded, checked and dropped. The framing's own bytes are bounded in
//! proportion to the body's, so that no client can make the decoder work much
//! for little.

use crate::http::wire::body::extension::Extension;
use crate::http::wire::error::BodyError;
use crate::http::wire::transfer_codings::is_token;

/// Bytes of one chunk's extensions, first `;` included.
const EXTENSION_BYTES_MAX: u32 = 256;
/// Hex digits of a chunk's size: what a `u64` holds.
const SIZE_DIGITS_MAX: u32 = 16;
/// Trailer lines, and their bytes without line ends.
const TRAILERS_MAX: u32 = 32;
const TRAILER_BYTES_MAX: u32 = 4096;
/// Bytes of chunk framing (sizes, extensions, line ends) that a body may have:
/// a flat part, and so many for each byte of content. Chunks of one byte
/// without extensions have five.
const OVERHEAD_BYTES_FLAT: u64 = 16 << 10;
const OVERHEAD_PER_BYTE: u64 = 8;

/// What follows a byte of framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterByte {
    Framing,
    /// Content of a chunk: so many bytes, never zero; then framing again.
    Content(u64),
    End,
}

/// Decodes the framing of one chunked body.
#[derive(Clone, Debug)]
pub(super) struct ChunkFraming {
    part: ChunkPart,
    /// Content bytes that the limit still allows.
    allowed: u64,
    /// Content bytes announced by chunk sizes so far.
    content: u64,
    /// Bytes of chunk framing so far.
    overhead: u64,
    trailers: u32,
    trailer_bytes: u32,
}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkPart {
    Size {
        digits: u32,
        value: u64,
    },
    Extension {
        part: Extension,
        bytes: u32,
        value: u64,
    },
    SizeLf {
        value: u64,
    },
    ContentCr,
    ContentLf,
    /// At the start of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

impl ChunkFraming {
    /// Of a body of at most `body_bytes_max` content bytes.
    pub(super) fn new(body_bytes_max: u64) -> Self {
        Self {
            part: ChunkPart::SIZE_START,
            allowed: body_bytes_max,
            content: 0,
            overhead: 0,
            trailers: 0,
            trailer_bytes: 0,
        }
    }

    /// Takes the next byte of framing. Not to be called again after an error or
    /// the end.
    pub(super) fn take(&mut self, byte: u8) -> Result<AfterByte, BodyError> {
        self.overhead += 1;
        self.part = match self.part {
            ChunkPart::Size { digits, value } => size(byte, digits, value)?,
            ChunkPart::Extension { part, bytes, value } => extension(byte, part, bytes, value)?,
            ChunkPart::SizeLf { value } => {
                expect(byte, b'\n', ())?;
                return self.begin_chunk(value);
            }
            ChunkPart::ContentCr => expect(byte, b'\r', ChunkPart::ContentLf)?,
            ChunkPart::ContentLf => expect(byte, b'\n', ChunkPart::SIZE_START)?,
            ChunkPart::EndLf => return expect(byte, b'\n', AfterByte::End),
            ChunkPart::TrailerStart
            | ChunkPart::TrailerName
            | ChunkPart::TrailerValue
            | ChunkPart::TrailerLf => self.trailer(byte)?,
        };
        Ok(AfterByte::Framing)
    }

    /// What follows the line with a chunk's size. The one place where the
    /// limits on content and overhead are checked, so that they don't depend on
    /// how the bytes arrived.
    fn begin_chunk(&mut self, size: u64) -> Result<AfterByte, BodyError> {
        self.allowed = self.allowed.checked_sub(size).ok_or(BodyError::TooLarge)?;
        self.content += size;
        // What this chunk announced counts only once a later chunk follows it:
        // it may never come.
        let arrived = self.content - size;
        if self.overhead
            > OVERHEAD_BYTES_FLAT.saturating_add(arrived.saturating_mul(OVERHEAD_PER_BYTE))
        {
            return Err(BodyError::ChunkOverhead);
        }
        if size == 0 {
            self.part = ChunkPart::TrailerStart;
            return Ok(AfterByte::Framing);
        }
        self.part = ChunkPart::ContentCr;
        Ok(AfterByte::Content(size))
    }

    fn trailer(&mut self, byte: u8) -> Result<ChunkPart, BodyError> {
        match self.part {
            ChunkPart::TrailerLf => return expect(byte, b'\n', ChunkPart::TrailerStart),
            ChunkPart::TrailerStart if byte == b'\r' => return Ok(ChunkPart::EndLf),
            ChunkPart::TrailerValue if byte == b'\r' => return Ok(ChunkPart::TrailerLf),
            _ => {}
        }
        let next = match self.part {
            ChunkPart::TrailerStart => {
                self.trailers += 1;
                if self.trailers > TRAILERS_MAX {
                    return Err(BodyError::TrailersTooLarge);
                }
                // A line that starts with its colon has no name; one that
                // starts with a space is folded.
                is_token(byte).then_some(ChunkPart::TrailerName)
            }
            ChunkPart::TrailerName if byte == b':' => Some(ChunkPart::TrailerValue),
            ChunkPart::TrailerName => is_token(byte).then_some(ChunkPart::TrailerName),
            _ => (is_text(byte) || !byte.is_ascii()).then_some(ChunkPart::TrailerValue),
        };
        let next = next.ok_or(BodyError::Trailer)?;
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(BodyError::TrailersTooLarge);
        }
        Ok(next)
    }
}

impl ChunkPart {
    const SIZE_START: Self = Self::Size {
        digits: 0,
        value: 0,
    };
}

fn size(byte: u8, digits: u32, value: u64) -> Result<ChunkPart, BodyError> {
    match char::from(byte).to_digit(16) {
        Some(digit) if digits < SIZE_DIGITS_MAX => Ok(ChunkPart::Size {
            digits: digits + 1,
            value: value << 4 | u64::from(digit),
        }),
        None if digits > 0 && byte == b'\r' => Ok(ChunkPart::SizeLf { value }),
        None if digits > 0 && byte == b';' => Ok(ChunkPart::Extension {
            part: Extension::NameStart,
            bytes: 1,
            value,
        }),
        _ => Err(BodyError::ChunkSize),
    }
}

fn extension(byte: u8, part: Extension, bytes: u32, value: u64) -> Result<ChunkPart, BodyError> {
    if byte == b'\r' && part.is_complete() {
        return Ok(ChunkPart::SizeLf { value });
    }
    let next = part
        .next(byte)
        .filter(|_| bytes < EXTENSION_BYTES_MAX)
        .ok_or(BodyError::ChunkExtension)?;
    Ok(ChunkPart::Extension {
        part: next,
        bytes: bytes + 1,
        value,
    })
}

fn expect<T>(byte: u8, expected: u8, next: T) -> Result<T, BodyError> {
    if byte == expected {
        Ok(next)
    } else {
        Err(BodyError::ChunkLineEnd)
    }
}

/// Visible ASCII, space or tab.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}
