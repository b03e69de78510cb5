//! Reads a segment's frames one after the other through one buffer.

use std::io;

use crate::ledger::journal::format::{FRAME_HEAD, FrameHead, Position, Salt};
use crate::ledger::journal::record;
use crate::ledger::journal::record::{RECORD_MIN, RecordView};
use crate::ledger::journal::storage::{File, read_full};

/// Bytes read in one go.
const READ_BYTES: usize = 128 << 10;

/// A segment being read.
pub(super) struct Scan<'a> {
    file: &'a dyn File,
    segment: u32,
    /// Bytes in the segment: nothing is read past it.
    size: u64,
    salt: Salt,
    buffer: Vec<u8>,
    /// Where in the segment the buffer starts.
    start: u64,
}

/// What stands at an offset.
pub(super) enum Frame<'a> {
    /// A frame, its head verified.
    Here(FrameHead, Body<'a>),
    /// No head of a frame, or one that says what can't be.
    None,
}

/// The records of a frame, not verified yet.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    bytes: &'a [u8],
    head: FrameHead,
    salt: Salt,
}

impl<'a> Scan<'a> {
    pub(super) fn new(file: &'a dyn File, segment: u32, size: u64, salt: Salt) -> Self {
        Self {
            file,
            segment,
            size,
            salt,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The bytes from `offset`: `len` of them, or fewer at the end.
    pub(super) fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let have = self.start..self.start + self.buffer.len() as u64;
        let end = offset.saturating_add(len as u64).min(self.size);
        if offset < have.start || end > have.end {
            let want = (len.max(READ_BYTES) as u64).min(self.size.saturating_sub(offset));
            self.buffer.resize(want as usize, 0);
            self.start = offset;
            let read = read_full(self.file, &mut self.buffer, offset);
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let from = ((offset - self.start) as usize).min(self.buffer.len());
        let to = (from + len).min(self.buffer.len());
        Ok(&self.buffer[from..to])
    }

    /// The head of the frame at `offset`.
    pub(super) fn head(&mut self, offset: u64) -> io::Result<Option<FrameHead>> {
        let (salt, size) = (self.salt, self.size);
        let Ok(place) = u32::try_from(offset) else {
            return Ok(None);
        };
        let at = Position {
            segment: self.segment,
            offset: place,
        };
        let head = FrameHead::decode(self.bytes(offset, FRAME_HEAD)?, at, salt);
        Ok(head.filter(|head| {
            let least = u64::from(head.count) * RECORD_MIN as u64;
            head.end() <= size
                && u64::from(head.body) >= least
                && (head.count == 0) == (head.body == 0)
        }))
    }

    /// The frame at `offset`.
    pub(super) fn frame(&mut self, offset: u64) -> io::Result<Frame<'_>> {
        let Some(head) = self.head(offset)? else {
            return Ok(Frame::None);
        };
        let salt = self.salt;
        let whole = self.bytes(offset, FRAME_HEAD + head.body as usize)?;
        let bytes = whole.get(FRAME_HEAD..).unwrap_or(&[]);
        Ok(Frame::Here(head, Body { bytes, head, salt }))
    }
}

impl<'a> Body<'a> {
    /// The records from the one with sequence `from` on, each verified; the
    /// ones before are passed over by their lengths. Ends at the first that is
    /// damaged: with `Err`, the offset of it from the body's start.
    pub(super) fn records(self, from: u64) -> impl Iterator<Item = Result<RecordView<'a>, usize>> {
        let Self { bytes, head, salt } = self;
        let (mut at, mut seq, mut broken) = (0, head.first_seq, false);
        let end = head.first_seq + u64::from(head.count);
        std::iter::from_fn(move || {
            loop {
                if broken || seq >= end {
                    return None;
                }
                let rest = &bytes[at..];
                let here = if seq < from {
                    let passed = record::length(rest).filter(|_| record::sequence(rest) == seq);
                    passed.map(|len| (None, len))
                } else {
                    let decoded = record::decode(rest, head.committed_at, salt);
                    let decoded = decoded.filter(|(view, _)| view.seq == seq);
                    decoded.map(|(view, len)| (Some(view), len))
                };
                let Some((view, len)) = here else {
                    broken = true;
                    return Some(Err(at));
                };
                at += len;
                seq += 1;
                // The last record ends where the body does.
                if seq == end && at != head.body as usize {
                    broken = true;
                    return Some(Err(at - len));
                }
                if let Some(view) = view {
                    return Some(Ok(view));
                }
            }
        })
    }

    /// Whether all of it decodes; otherwise the offset of the first damage
    /// from the body's start.
    pub(super) fn verify(self) -> Result<(), usize> {
        self.records(0).try_for_each(|record| record.map(drop))
    }
}
