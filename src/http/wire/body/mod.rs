//! The body's decoder: known length, or chunked (RFC 9112 sections 6.2 and 7.1), byte by byte if
//! need be.
//!
//! Strict where chunked coding is known to be read differently by different servers: a size is 1 to
//! 16 hex digits and nothing else, every line ends in CRLF. Chunk extensions and trailers mean
//! nothing to this server; they are bounded, checked and dropped. The framing's own bytes are
//! bounded in proportion to the body's, so that no client can make the decoder work much for
//! little.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::http::wire::{BodyError, BodyFraming};

/// Bytes of one chunk's extensions, first `;` included.
const EXTENSION_BYTES_MAX: u32 = 256;
/// Hex digits of a chunk's size: what a `u64` holds.
const SIZE_DIGITS_MAX: u32 = 16;
/// Trailer lines, and their bytes without line ends.
const TRAILERS_MAX: u32 = 32;
const TRAILER_BYTES_MAX: u32 = 4096;
/// Bytes of chunk framing (sizes, extensions, line ends) that a body may have: a flat part, and so
/// many for each byte of content. Chunks of one byte without extensions have five.
const OVERHEAD_BYTES_FLAT: u64 = 16 << 10;
const OVERHEAD_PER_BYTE: u64 = 8;

/// What one call of [`BodyDecoder::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Bytes of the input that belong to the body and are dealt with: all of them unless `done`.
    pub consumed: usize,
    /// Whether the body is complete; the rest of the input is the next request.
    pub done: bool,
}

/// A run of content that [`BodyDecoder::run`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it lies in the input; what is before it and behind the last run is framing, and dealt
    /// with. Empty if there was none.
    pub content: Range<usize>,
    /// Whether the body is complete; what follows is the next request.
    pub done: bool,
}

/// Decodes one body. Create one for each request, feed it what arrives.
#[derive(Clone, Debug)]
pub(crate) struct BodyDecoder {
    state: State,
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
enum State {
    /// Content of a body of known length; so many bytes are left, never zero.
    Length(u64),
    Size {
        digits: u32,
        value: u64,
    },
    Extension {
        bytes: u32,
        value: u64,
    },
    SizeLf {
        value: u64,
    },
    /// Content of a chunk; so many bytes are left, never zero.
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    /// At the start of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
    Failed(BodyError),
}

impl BodyDecoder {
    /// A decoder for a body framed like this, of at most `body_bytes_max` content bytes (after
    /// chunked coding is taken off).
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] when the head already says so; no byte of the body need be read
    /// then.
    pub(crate) fn new(framing: BodyFraming, body_bytes_max: u64) -> Result<Self, BodyError> {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::Done,
            BodyFraming::Length(length) if length > body_bytes_max => {
                return Err(BodyError::TooLarge);
            }
            BodyFraming::Length(length) => State::Length(length),
            BodyFraming::Chunked => State::SIZE_START,
        };
        Ok(Self {
            state,
            allowed: body_bytes_max,
            content: 0,
            overhead: 0,
            trailers: 0,
            trailer_bytes: 0,
        })
    }

    /// Whether the body is complete; true from the start when there is none.
    #[cfg(test)]
    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Finds the next run of content in received bytes, where it lies: for bodies that are used
    /// as they arrive. Call it again with what follows the run, until that is empty or the body is
    /// done.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub(crate) fn run(&mut self, input: &[u8]) -> Result<Run, BodyError> {
        let mut at = 0;
        let mut start = input.len();
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::Done => {
                    let content = start.min(at)..at;
                    return Ok(Run {
                        content,
                        done: true,
                    });
                }
                State::Length(left) | State::Chunk(left) => {
                    let room = input.len() - at;
                    let bytes = usize::try_from(left).map_or(room, |left| left.min(room));
                    start = at;
                    at += bytes;
                    let left = left - bytes as u64;
                    self.state = match self.state {
                        State::Length(_) if left == 0 => State::Done,
                        State::Length(_) => State::Length(left),
                        _ if left == 0 => State::ChunkCr,
                        _ => State::Chunk(left),
                    };
                    if self.state != State::Done {
                        let content = start..at;
                        return Ok(Run {
                            content,
                            done: false,
                        });
                    }
                }
                _ => {
                    let Some(&byte) = input.get(at) else {
                        return Ok(Run {
                            content: at..at,
                            done: false,
                        });
                    };
                    at += 1;
                    self.state = self.step(byte).unwrap_or_else(State::Failed);
                }
            }
        }
    }

    /// Decodes the next received bytes and appends content to `out`, at most as many bytes as the
    /// input has. The caller may take content out of `out` between calls; the limit counts all of
    /// it.
    ///
    /// # Errors
    /// See [`BodyError`]; from then on every call returns the same one. `out` has the content
    /// before the fault.
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Decoded, BodyError> {
        let mut rest = input;
        loop {
            match self.state {
                State::Done => {
                    return Ok(Decoded {
                        consumed: input.len() - rest.len(),
                        done: true,
                    });
                }
                State::Failed(error) => return Err(error),
                State::Length(left) => {
                    let left = take_content(&mut rest, left, out);
                    self.state = if left == 0 {
                        State::Done
                    } else {
                        State::Length(left)
                    };
                }
                State::Chunk(left) => {
                    let left = take_content(&mut rest, left, out);
                    self.state = if left == 0 {
                        State::ChunkCr
                    } else {
                        State::Chunk(left)
                    };
                }
                _ => {
                    let Some((&byte, after)) = rest.split_first() else {
                        return Ok(Decoded {
                            consumed: input.len(),
                            done: false,
                        });
                    };
                    rest = after;
                    self.state = self.step(byte).unwrap_or_else(State::Failed);
                    continue;
                }
            }
            if rest.is_empty() && self.state != State::Done {
                return Ok(Decoded {
                    consumed: input.len(),
                    done: false,
                });
            }
        }
    }

    /// What follows a byte of chunk framing.
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        self.overhead += 1;
        match self.state {
            State::Size { digits, value } => match char::from(byte).to_digit(16) {
                Some(_) if digits == SIZE_DIGITS_MAX => Err(BodyError::ChunkSize),
                Some(digit) => Ok(State::Size {
                    digits: digits + 1,
                    value: value << 4 | u64::from(digit),
                }),
                None if digits == 0 => Err(BodyError::ChunkSize),
                None if byte == b'\r' => Ok(State::SizeLf { value }),
                None if byte == b';' => Ok(State::Extension { bytes: 1, value }),
                None => Err(BodyError::ChunkSize),
            },
            State::Extension { value, .. } if byte == b'\r' => Ok(State::SizeLf { value }),
            State::Extension { bytes, value } => {
                if bytes == EXTENSION_BYTES_MAX || !is_text(byte) {
                    return Err(BodyError::ChunkExtension);
                }
                Ok(State::Extension {
                    bytes: bytes + 1,
                    value,
                })
            }
            State::SizeLf { value } => {
                expect(byte, b'\n', State::Done)?;
                self.begin_chunk(value)
            }
            State::ChunkCr => expect(byte, b'\r', State::ChunkLf),
            State::ChunkLf => expect(byte, b'\n', State::SIZE_START),
            State::TrailerStart if byte == b'\r' => Ok(State::EndLf),
            State::TrailerStart => {
                self.trailers += 1;
                if self.trailers > TRAILERS_MAX {
                    return Err(BodyError::TrailersTooLarge);
                }
                // A line that starts with its colon has no name; one that starts with a space is
                // folded.
                if !is_token(byte) {
                    return Err(BodyError::Trailer);
                }
                self.trailer_byte(State::TrailerName)
            }
            State::TrailerName if byte == b':' => self.trailer_byte(State::TrailerValue),
            State::TrailerName if is_token(byte) => self.trailer_byte(State::TrailerName),
            State::TrailerName => Err(BodyError::Trailer),
            State::TrailerValue if byte == b'\r' => Ok(State::TrailerLf),
            State::TrailerValue if is_text(byte) || !byte.is_ascii() => {
                self.trailer_byte(State::TrailerValue)
            }
            State::TrailerValue => Err(BodyError::Trailer),
            State::TrailerLf => expect(byte, b'\n', State::TrailerStart),
            State::EndLf => expect(byte, b'\n', State::Done),
            State::Length(_) | State::Chunk(_) | State::Done | State::Failed(_) => {
                unreachable!("decode deals with content and the ends itself")
            }
        }
    }

    /// What follows the line with a chunk's size. The one place where the limits on content and
    /// overhead are looked at, so that they don't depend on how the bytes arrived.
    fn begin_chunk(&mut self, size: u64) -> Result<State, BodyError> {
        self.allowed = self.allowed.checked_sub(size).ok_or(BodyError::TooLarge)?;
        self.content += size;
        // What this chunk announced counts only once a later chunk follows it: it may never come.
        let arrived = self.content - size;
        if self.overhead
            > OVERHEAD_BYTES_FLAT.saturating_add(arrived.saturating_mul(OVERHEAD_PER_BYTE))
        {
            return Err(BodyError::ChunkOverhead);
        }
        Ok(if size == 0 {
            State::TrailerStart
        } else {
            State::Chunk(size)
        })
    }

    fn trailer_byte(&mut self, next: State) -> Result<State, BodyError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(BodyError::TrailersTooLarge);
        }
        Ok(next)
    }
}

impl State {
    const SIZE_START: Self = Self::Size {
        digits: 0,
        value: 0,
    };
}

/// Moves up to `left` bytes from `rest` to `out`; returns how many are still to come.
fn take_content(rest: &mut &[u8], left: u64, out: &mut Vec<u8>) -> u64 {
    let len = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
    let (content, after) = rest.split_at(len);
    out.extend_from_slice(content);
    *rest = after;
    left - len as u64
}

fn expect(byte: u8, expected: u8, next: State) -> Result<State, BodyError> {
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

/// A byte of a field's name (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
