//! What is written: a journal of one run, and a file of all other outcomes.

use std::sync::Arc;

use crate::ledger::Record;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, Position, SEGMENT_HEAD, Salt, SegmentHead, VERSION, resalt_record,
};
use crate::ledger::journal::limits::{BATCH_BYTES_MAX, BATCH_ORDERS_MAX};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::salvage::report::Salvaged;
use crate::ledger::journal::storage::{File, Storage, write_full};

/// Bytes written at once.
const WRITE_BYTES: usize = 1 << 20;

/// How outcomes and the report look in the files for people and programs.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    /// A line of the feed, without its end.
    pub line: &'a dyn Fn(&Record) -> Vec<u8>,
    /// The report's file.
    pub report: &'a dyn Fn(&Salvaged) -> Vec<u8>,
}

/// Writes segments.
pub(super) struct JournalCopy {
    target: Arc<dyn Storage>,
    manifest: Manifest,
    salt: Salt,
    active: Option<Active>,
    /// Where the journal ends.
    end: Position,
    pub(super) segments: usize,
    /// The records of the next frame.
    body: Vec<u8>,
    count: u32,
    next_seq: u64,
    committed_at: u64,
}

struct Active {
    number: u32,
    file: Box<dyn File>,
    /// Of the next frame.
    offset: u64,
}

impl JournalCopy {
    pub(super) fn new(target: &Arc<dyn Storage>, manifest: Manifest) -> Self {
        Self {
            target: target.clone(),
            manifest,
            salt: Salt::of(manifest.ledger),
            active: None,
            end: Position::START,
            segments: 0,
            body: Vec::new(),
            count: 0,
            next_seq: 0,
            committed_at: 0,
        }
    }

    /// Adds the next record. Batches stay together, as far as they fit.
    pub(super) fn push(
        &mut self,
        record: &[u8],
        seq: u64,
        committed_at: u64,
    ) -> Result<(), OpenError> {
        let heads = (SEGMENT_HEAD + 2 * FRAME_HEAD) as u64;
        let body_max = BATCH_BYTES_MAX.min((self.manifest.segment_bytes - heads) as usize);
        let is_full = self.count as usize == BATCH_ORDERS_MAX
            || self.body.len() + record.len() > body_max
            || committed_at != self.committed_at;
        if self.count > 0 && is_full {
            self.write_frame()?;
        }
        if self.count == 0 {
            self.next_seq = seq;
            self.committed_at = committed_at;
        }
        let start = self.body.len();
        self.body.extend_from_slice(record);
        resalt_record(&mut self.body[start..], self.salt);
        self.count += 1;
        Ok(())
    }

    /// Writes the last frame and a seal.
    pub(super) fn finish(&mut self) -> Result<(), OpenError> {
        if self.count > 0 {
            self.write_frame()?;
        }
        if self.active.is_some() {
            self.write_frame()?;
        }
        self.close_segment()
    }

    /// Writes the frame with the records collected; a seal if there are none.
    fn write_frame(&mut self) -> Result<(), OpenError> {
        let frame_len = (FRAME_HEAD + self.body.len()) as u64;
        let is_seal = self.count == 0;
        let behind = if is_seal { 0 } else { FRAME_HEAD as u64 };
        let size = self.manifest.segment_bytes;
        if let Some(active) = &self.active
            && active.offset + frame_len + behind > size
        {
            self.close_segment()?;
        }
        let mut bytes = Vec::with_capacity(SEGMENT_HEAD + frame_len as usize);
        let active = match &mut self.active {
            Some(active) => active,
            none => {
                let number = self.end.segment + 1;
                let head = SegmentHead {
                    version: VERSION,
                    ledger: self.manifest.ledger,
                    number,
                    first_seq: self.next_seq,
                    previous_end: self.end,
                };
                bytes.extend_from_slice(&head.encode());
                let made = self.target.create(&segment_name(number));
                self.segments += 1;
                none.insert(Active {
                    number,
                    file: made.map_err(OpenError::segment_io(number, "make"))?,
                    offset: SEGMENT_HEAD as u64,
                })
            }
        };
        let head = FrameHead {
            at: Position {
                segment: active.number,
                offset: active.offset as u32, // within the segment
            },
            body_len: self.body.len() as u32,
            count: self.count,
            first_seq: self.next_seq,
            committed_at: self.committed_at,
            durable: self.end,
        };
        let start = active.offset - bytes.len() as u64;
        bytes.extend_from_slice(&head.encode(self.salt));
        bytes.extend_from_slice(&self.body);
        write_full(&*active.file, &bytes, start)
            .map_err(OpenError::segment_io(active.number, "write to"))?;
        active.offset = head.end();
        self.end = Position {
            segment: active.number,
            offset: active.offset as u32,
        };
        self.next_seq += u64::from(self.count);
        self.body.clear();
        self.count = 0;
        Ok(())
    }

    /// Fills the segment with zeroes, and makes it durable.
    fn close_segment(&mut self) -> Result<(), OpenError> {
        let Some(active) = self.active.take() else {
            return Ok(());
        };
        let fill = || {
            let zeroes = vec![0; WRITE_BYTES];
            let mut offset = active.offset;
            while offset < self.manifest.segment_bytes {
                let len = (self.manifest.segment_bytes - offset).min(WRITE_BYTES as u64);
                write_full(&*active.file, &zeroes[..len as usize], offset)?;
                offset += len;
            }
            active.file.sync()
        };
        fill().map_err(OpenError::segment_io(active.number, "write to"))
    }
}

/// Writes a file of lines; there is none without a line.
pub(super) struct LineFile {
    target: Arc<dyn Storage>,
    name: &'static str,
    file: Option<Box<dyn File>>,
    offset: u64,
    buffer: Vec<u8>,
}

impl LineFile {
    pub(super) fn new(target: &Arc<dyn Storage>, name: &'static str) -> Self {
        Self {
            target: target.clone(),
            name,
            file: None,
            offset: 0,
            buffer: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, line: &[u8]) -> Result<(), OpenError> {
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes it durable.
    pub(super) fn finish(mut self) -> Result<(), OpenError> {
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        let synced = self.file.map_or(Ok(()), |file| file.sync());
        synced.map_err(OpenError::io(self.name, "sync"))
    }

    fn flush(&mut self) -> Result<(), OpenError> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let made = self.target.create(self.name);
                self.file
                    .insert(made.map_err(OpenError::io(self.name, "make"))?)
            }
        };
        write_full(&**file, &self.buffer, self.offset)
            .map_err(OpenError::io(self.name, "write to"))?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
