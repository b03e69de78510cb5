//! Reads ranges of outcomes from the segments, on the caller's thread.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{FRAME_HEAD, RecordView, SEGMENT_HEAD, Salt};
use crate::ledger::journal::frame_index::FrameIndex;
use crate::ledger::journal::frame_reader::FrameReader;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::segment_index::{Segment, SegmentIndex};
use crate::ledger::journal::storage::{File, Storage};
use crate::ledger::{Read, ReadError, ReadRange, Record};
use crate::metrics::JournalMetrics;

/// What a reader needs of an open journal.
#[derive(Clone)]
pub(crate) struct JournalFiles {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) index: Arc<SegmentIndex>,
    pub(crate) manifest: Manifest,
    pub(crate) metrics: Arc<JournalMetrics>,
}

/// Reads on the caller's thread. Files stay open in the index, as long as their
/// segments are retained.
pub(crate) struct RangeReader {
    files: JournalFiles,
}

impl RangeReader {
    pub(crate) fn new(files: JournalFiles) -> Self {
        Self { files }
    }

    pub(super) fn get(&self, seq: u64) -> Read {
        let mut records = match seq.checked_sub(1) {
            Some(after) => self.range(after, 1, 0)?,
            None => return Err(self.gone(0)),
        };
        records
            .pop()
            .ok_or_else(|| ReadError::Failed(format!("sequence {seq} is not committed yet")))
    }

    /// The outcomes after sequence `after`, limited as in
    /// [`Archive::read_range`](crate::ledger::Archive::read_range). Where one
    /// can't be read, those before it are returned, and the error to whoever
    /// asks for that one.
    pub(crate) fn range(&self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        let last_seq = self.files.index.last_seq();
        let mut page = Page {
            records: Vec::new(),
            records_left: limit,
            bytes_left: bytes_max,
        };
        let mut seq = after.saturating_add(1);
        while seq <= last_seq && page.records_left > 0 {
            let Some(location) = self.files.index.find(seq) else {
                return Err(self.gone(seq));
            };
            let end = location.end_seq.min(last_seq + 1);
            let before = seq;
            match self.read_segment(&location.segment, seq..end, &mut page) {
                Ok(next) => seq = next,
                // Removed since it was found.
                Err(_) if self.files.index.oldest_seq() > seq => return Err(self.gone(seq)),
                Err(_) if !page.records.is_empty() => break,
                Err(error) => {
                    self.report(&error);
                    return Err(error);
                }
            }
            if seq == before {
                break;
            }
        }
        Ok(page.records)
    }

    /// Reads these sequences, which the segment holds, until the page is full.
    /// Returns the next sequence.
    fn read_segment(
        &self,
        segment: &Arc<Segment>,
        seqs: Range<u64>,
        page: &mut Page,
    ) -> Result<u64, ReadError> {
        let files = &self.files;
        let number = segment.number;
        let file = match files.index.open_file(number) {
            Some(file) => file,
            None => {
                let opened = files.storage.open(&segment_name(number));
                let file = Arc::from(opened.map_err(failed(number))?);
                files.index.keep_open(number, &file);
                file
            }
        };
        let reader = SegmentRange {
            files,
            segment,
            file: &*file,
        };
        reader.read(seqs, page)
    }

    /// Counts an error that a reader is answered with, and logs one a minute.
    fn report(&self, error: &ReadError) {
        if self.files.metrics.count_read_error() {
            tracing::error!("the journal can't be read: {error}");
        }
    }

    fn gone(&self, seq: u64) -> ReadError {
        ReadError::Gone {
            seq,
            oldest: self.files.index.oldest_seq(),
        }
    }
}

fn failed(number: u32) -> impl FnOnce(io::Error) -> ReadError {
    move |error| ReadError::Failed(format!("{}: {error}", segment_name(number)))
}

fn damaged(seq: u64, number: u32, offset: u64) -> ReadError {
    ReadError::Damaged {
        seq,
        file: segment_name(number),
        offset,
    }
}

/// One segment of a range.
struct SegmentRange<'a> {
    files: &'a JournalFiles,
    segment: &'a Arc<Segment>,
    file: &'a dyn File,
}

impl SegmentRange<'_> {
    fn read(&self, seqs: Range<u64>, page: &mut Page) -> Result<u64, ReadError> {
        let number = self.segment.number;
        let index = match self.segment.index() {
            Some(index) => index,
            None => self.make_index(seqs.end)?,
        };
        let start = index.floor(seqs.start - self.segment.first_seq);
        let mut offset = start.map_or(SEGMENT_HEAD as u64, u64::from);
        let mut frames = self.frames();
        let mut next = seqs.start;
        while next < seqs.end {
            let frame = frames.frame(offset).map_err(failed(number))?;
            let frame = frame.ok_or_else(|| damaged(next, number, offset))?;
            let head = frame.head;
            if head.first_seq > next {
                return Err(damaged(next, number, offset));
            }
            if head.end_seq() > next {
                for record in frame.records(next) {
                    let record = record
                        .map_err(|at| damaged(next, number, offset + (FRAME_HEAD + at) as u64))?;
                    if record.seq >= seqs.end || !page.push(&record) {
                        return Ok(next);
                    }
                    next += 1;
                }
            }
            offset = head.end();
        }
        Ok(next)
    }

    /// Indexes a segment that the last start did not read: from head to head,
    /// up to the frame that holds the sequence before `end_seq`. One that is
    /// damaged is indexed up to there, anew each time.
    fn make_index(&self, end_seq: u64) -> Result<Arc<FrameIndex>, ReadError> {
        let number = self.segment.number;
        let index = FrameIndex::new(self.files.manifest.segment_bytes);
        let mut frames = self.frames();
        let (mut offset, mut seq) = (SEGMENT_HEAD as u64, self.segment.first_seq);
        while seq < end_seq {
            let head = frames.head(offset).map_err(failed(number))?;
            let Some(head) = head.filter(|head| head.first_seq == seq) else {
                return Ok(index);
            };
            index.add(seq - self.segment.first_seq, offset as u32);
            seq += u64::from(head.count);
            offset = head.end();
        }
        self.files.index.set_index(self.segment, index.clone());
        Ok(index)
    }

    fn frames(&self) -> FrameReader<'_> {
        let Manifest {
            ledger,
            segment_bytes,
            ..
        } = self.files.manifest;
        let salt = Salt::of(ledger);
        FrameReader::new(self.file, self.segment.number, segment_bytes, salt)
    }
}

/// The records read so far, and how many more may follow.
struct Page {
    records: Vec<Arc<Record>>,
    records_left: usize,
    bytes_left: usize,
}

impl Page {
    /// Adds a record, unless the page is full. The first one fits whatever its
    /// size.
    fn push(&mut self, record: &RecordView<'_>) -> bool {
        let bytes = record.text_bytes();
        let fits = self.records_left > 0 && (self.records.is_empty() || bytes <= self.bytes_left);
        if fits {
            self.records_left -= 1;
            self.bytes_left = self.bytes_left.saturating_sub(bytes);
            self.records.push(Arc::new(record.to_record()));
        } else {
            self.records_left = 0;
        }
        fits
    }
}
