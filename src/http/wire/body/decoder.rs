//! Bytes of a body as they arrive, to its content: a known length, or chunked.

use std::ops::Range;

use crate::http::wire::body::chunked::{AfterByte, ChunkFraming};
use crate::http::wire::body::framing::BodyFraming;
use crate::http::wire::error::BodyError;

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
    /// Where it lies in the input. What is before it is framing, and dealt with. Empty if there was
    /// none; its end is where the body goes on.
    pub content: Range<usize>,
    /// Whether the body is complete; what follows is the next request.
    pub done: bool,
}

/// Decodes one body. Create one for each request, feed it what arrives.
#[derive(Clone, Debug)]
pub(crate) struct BodyDecoder {
    state: DecoderState,
    chunks: ChunkFraming,
}

/// What the next byte is part of. Counts of bytes are never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderState {
    /// Content of a body of known length: so many bytes are left.
    Length(u64),
    /// Content of a chunk: so many bytes are left.
    Chunk(u64),
    Framing,
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
            BodyFraming::None | BodyFraming::Length(0) => DecoderState::Done,
            BodyFraming::Length(length) if length > body_bytes_max => {
                return Err(BodyError::TooLarge);
            }
            BodyFraming::Length(length) => DecoderState::Length(length),
            BodyFraming::Chunked => DecoderState::Framing,
        };
        Ok(Self {
            state,
            chunks: ChunkFraming::new(body_bytes_max),
        })
    }

    /// Whether the body is complete; true from the start when there is none.
    #[cfg(test)]
    pub(super) fn is_done(&self) -> bool {
        self.state == DecoderState::Done
    }

    /// Finds the next run of content in received bytes, where it lies: for bodies that are used
    /// as they arrive. Call it again with what follows the run, until that is empty or the body is
    /// done.
    ///
    /// # Errors
    /// See [`BodyError`]; from then on every call returns the same one. Runs before the fault have
    /// been returned.
    pub(crate) fn run(&mut self, input: &[u8]) -> Result<Run, BodyError> {
        let mut at = 0;
        loop {
            match self.state {
                DecoderState::Failed(error) => return Err(error),
                DecoderState::Done => return Ok(Run::new(at..at, true)),
                DecoderState::Length(left) => {
                    let (content, left) = content(input, at, left);
                    self.state = left.map_or(DecoderState::Done, DecoderState::Length);
                    return Ok(Run::new(content, left.is_none()));
                }
                DecoderState::Chunk(left) => {
                    let (content, left) = content(input, at, left);
                    self.state = left.map_or(DecoderState::Framing, DecoderState::Chunk);
                    return Ok(Run::new(content, false));
                }
                DecoderState::Framing => {
                    let Some(&byte) = input.get(at) else {
                        return Ok(Run::new(at..at, false));
                    };
                    at += 1;
                    self.state = match self.chunks.take(byte) {
                        Ok(AfterByte::Framing) => DecoderState::Framing,
                        Ok(AfterByte::Content(bytes)) => DecoderState::Chunk(bytes),
                        Ok(AfterByte::End) => DecoderState::Done,
                        Err(error) => DecoderState::Failed(error),
                    };
                }
            }
        }
    }

    /// Decodes the next received bytes and appends content to `out`, at most as many bytes as the
    /// input has. The caller may take content out of `out` between calls; the limit counts all of
    /// it.
    ///
    /// # Errors
    /// As [`run`](Self::run); `out` has the content before the fault.
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Decoded, BodyError> {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            let Run { content, done } = self.run(rest)?;
            consumed += content.end;
            out.extend_from_slice(&rest[content]);
            if done || consumed == input.len() {
                return Ok(Decoded { consumed, done });
            }
        }
    }
}

impl Run {
    fn new(content: Range<usize>, done: bool) -> Self {
        Self { content, done }
    }
}

/// Content from `at` on, up to `left` bytes of it, and how many are still to come.
fn content(input: &[u8], at: usize, left: u64) -> (Range<usize>, Option<u64>) {
    let here = input.len() - at;
    let bytes = usize::try_from(left).map_or(here, |left| left.min(here));
    let left = left - bytes as u64;
    (at..at + bytes, (left > 0).then_some(left))
}
