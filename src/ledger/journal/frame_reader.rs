//! Reads a segment's frames one after the other through one buffer.

use std::io;

use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, Position, RecordView, Salt, decode_record, record_len, record_seq,
};
use crate::ledger::journal::storage::{File, read_full};

/// Bytes read at once.
const READ_BYTES: usize = 128 << 10;

pub(crate) struct FrameReader<'a> {
    file: &'a dyn File,
    segment: u32,
    /// Bytes in the segment: nothing is read past it.
    size: u64,
    salt: Salt,
    buffer: Vec<u8>,
    /// The buffer's offset in the segment.
    start: u64,
}

/// A frame whose head is verified. Its records are not, yet.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) head: FrameHead,
    body: &'a [u8],
    salt: Salt,
}

impl<'a> FrameReader<'a> {
    pub(crate) fn new(file: &'a dyn File, segment: u32, size: u64, salt: Salt) -> Self {
        Self {
            file,
            segment,
            size,
            salt,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The frame at `offset`; `None` if there is no head of a frame, or one
    /// with impossible lengths.
    pub(crate) fn frame(&mut self, offset: u64) -> io::Result<Option<Frame<'_>>> {
        let Some(head) = self.head(offset)? else {
            return Ok(None);
        };
        let salt = self.salt;
        let bytes = self.bytes(offset, FRAME_HEAD + head.body_len as usize)?;
        let body = bytes.get(FRAME_HEAD..).unwrap_or(&[]);
        Ok(Some(Frame { head, body, salt }))
    }

    /// The head of the frame at `offset`, as in [`frame`](Self::frame).
    pub(crate) fn head(&mut self, offset: u64) -> io::Result<Option<FrameHead>> {
        let (salt, size) = (self.salt, self.size);
        let Ok(offset_32) = u32::try_from(offset) else {
            return Ok(None);
        };
        let at = Position {
            segment: self.segment,
            offset: offset_32,
        };
        let head = FrameHead::decode(self.bytes(offset, FRAME_HEAD)?, at, salt);
        Ok(head.filter(|head| head.is_possible(size)))
    }

    /// The bytes from `offset`: `len` of them, or fewer at the segment's end.
    fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let buffered = self.start..self.start + self.buffer.len() as u64;
        let end = offset.saturating_add(len as u64).min(self.size);
        if offset < buffered.start || end > buffered.end {
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
}

impl<'a> Frame<'a> {
    /// The records from sequence `from` on, each verified; those before are
    /// skipped by their lengths. Ends at the first that is damaged: with `Err`,
    /// its offset in the body.
    pub(crate) fn records(self, from: u64) -> impl Iterator<Item = Result<RecordView<'a>, usize>> {
        let Self { head, body, salt } = self;
        let (mut at, mut seq, mut damaged) = (0, head.first_seq, false);
        let end = head.end_seq();
        std::iter::from_fn(move || {
            loop {
                if damaged || seq >= end {
                    return None;
                }
                let rest = &body[at..];
                let decoded = if seq < from {
                    let skipped = record_len(rest).filter(|_| record_seq(rest) == seq);
                    skipped.map(|len| (None, len))
                } else {
                    let decoded = decode_record(rest, head.committed_at, salt);
                    let decoded = decoded.filter(|(view, _)| view.seq == seq);
                    decoded.map(|(view, len)| (Some(view), len))
                };
                let Some((view, len)) = decoded else {
                    damaged = true;
                    return Some(Err(at));
                };
                at += len;
                seq += 1;
                // The last record ends where the body does.
                if seq == end && at != head.body_len as usize {
                    damaged = true;
                    return Some(Err(at - len));
                }
                if let Some(view) = view {
                    return Some(Ok(view));
                }
            }
        })
    }

    /// Whether all records decode; otherwise the offset of the first damage in
    /// the body.
    pub(crate) fn verify(self) -> Result<(), usize> {
        self.records(0).try_for_each(|record| record.map(drop))
    }
}
