//! Reads a segment from its header to its end and changes nothing. Recovery and
//! the tools both read segments this way, so they refuse the same damage.

use std::sync::Arc;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{FRAME_HEAD, Position, RecordView, SEGMENT_HEAD, SegmentHead};
use crate::ledger::journal::frame_index::FrameIndex;
use crate::ledger::journal::frame_reader::FrameReader;
use crate::ledger::journal::segment_files::SegmentFiles;
use crate::ledger::journal::storage::File;

/// Bytes read between two calls of [`Visitor::progress`].
const PROGRESS_BYTES: u64 = 4 << 20;

/// Receives what a segment holds.
pub(crate) trait Visitor {
    /// An outcome, verified, in the order of sequences.
    fn record(&mut self, record: &RecordView<'_>);
    /// So many bytes of this segment have been read.
    fn progress(&mut self, bytes: u64);
}

/// How far a segment decodes.
pub(crate) struct SegmentEnd {
    pub(crate) number: u32,
    pub(crate) file: Box<dyn File>,
    pub(crate) index: Arc<FrameIndex>,
    /// Offset of the last frame, or 0 to include the header if it is the first.
    pub(crate) last_frame: u64,
    pub(crate) offset: u64,
    /// The last frame is a seal.
    pub(crate) sealed: bool,
    /// Sequence of the next record.
    pub(crate) next_seq: u64,
}

impl SegmentEnd {
    pub(crate) fn position(&self) -> Position {
        Position {
            segment: self.number,
            offset: self.offset as u32, // within the segment
        }
    }
}

/// Reads a segment's frames: up to the end that the `next` header gives, or as
/// far as they decode.
pub(crate) fn read_segment(
    files: &SegmentFiles<'_>,
    head: &SegmentHead,
    next: Option<&SegmentHead>,
    visitor: &mut dyn Visitor,
) -> Result<SegmentEnd, OpenError> {
    let size = files.manifest.segment_bytes;
    let file = files.open(head.number)?;
    let index = FrameIndex::new(size);
    let cursor = {
        let mut frames = FrameReader::new(&*file, head.number, size, files.salt());
        let mut cursor = Cursor::new(head, next, size);
        let mut reported = 0;
        while cursor.read_frame(&mut frames, &index, visitor)? {
            if cursor.offset - reported >= PROGRESS_BYTES {
                reported = cursor.offset;
                visitor.progress(reported);
            }
        }
        cursor
    };
    cursor.check_end()?;
    visitor.progress(size);
    Ok(SegmentEnd {
        number: head.number,
        file,
        index,
        last_frame: cursor.last_frame,
        offset: cursor.offset,
        sealed: cursor.sealed,
        next_seq: cursor.next_seq,
    })
}

/// How far the reading of a segment has come.
struct Cursor<'a> {
    head: &'a SegmentHead,
    next: Option<&'a SegmentHead>,
    /// Where the frames must end at the latest.
    limit: u64,
    last_frame: u64,
    offset: u64,
    sealed: bool,
    next_seq: u64,
}

impl<'a> Cursor<'a> {
    fn new(head: &'a SegmentHead, next: Option<&'a SegmentHead>, size: u64) -> Self {
        Self {
            head,
            next,
            limit: next.map_or(size, |next| next.previous_end.offset.into()),
            last_frame: 0,
            offset: SEGMENT_HEAD as u64,
            sealed: false,
            next_seq: head.first_seq,
        }
    }

    /// Reads the next frame; `false` if there is none.
    fn read_frame(
        &mut self,
        frames: &mut FrameReader<'_>,
        index: &FrameIndex,
        visitor: &mut dyn Visitor,
    ) -> Result<bool, OpenError> {
        let (number, offset) = (self.head.number, self.offset);
        if offset >= self.limit {
            return Ok(false);
        }
        let frame = frames
            .frame(offset)
            .map_err(OpenError::segment_io(number, "read"))?;
        let Some(frame) = frame else {
            return Ok(false);
        };
        if frame.head.end() > self.limit {
            let what = "a batch goes on past the segment's end";
            return Err(OpenError::damaged(number, offset, what));
        }
        if frame.head.first_seq != self.next_seq {
            let (found, expected) = (frame.head.first_seq, self.next_seq);
            let what = format!("sequence {found} where {expected} should be");
            return Err(OpenError::damaged(number, offset, what));
        }
        if let Err(at) = frame.verify() {
            if self.next.is_none() {
                return Ok(false);
            }
            let at = offset + FRAME_HEAD as u64 + at as u64;
            return Err(OpenError::damaged(number, at, "no order decodes"));
        }
        index.add(self.next_seq - self.head.first_seq, offset as u32);
        for record in frame.records(0).flatten() {
            visitor.record(&record);
        }
        self.next_seq += u64::from(frame.head.count);
        self.sealed = frame.head.count == 0;
        self.last_frame = if offset == SEGMENT_HEAD as u64 {
            0
        } else {
            offset
        };
        self.offset = frame.head.end();
        Ok(true)
    }

    /// Checks that the frames end where the next segment says.
    fn check_end(&self) -> Result<(), OpenError> {
        let Some(next) = self.next else {
            return Ok(());
        };
        if self.offset != self.limit {
            let what = "no batch decodes";
            return Err(OpenError::damaged(self.head.number, self.offset, what));
        }
        if next.first_seq != self.next_seq {
            let (found, expected) = (next.first_seq, self.next_seq);
            let what = format!("it starts with sequence {found} where {expected} should be");
            return Err(OpenError::damaged(next.number, 0, what));
        }
        Ok(())
    }
}
