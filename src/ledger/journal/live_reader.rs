//! Reads a journal from outside: without the lock, without changing anything,
//! and beside a service that may be writing to it.
//!
//! # Why a running service is not mistaken for damage
//!
//! - *It appends.* One frame is in flight at a time, and is whole before the
//!   next one is begun. So a reader that finds no frame at a position, but
//!   frames behind it, reads that position again: if the frame is there now, it
//!   was being written; if not, it is damaged.
//! - *It moves on to the next segment*: the same, with that segment's header.
//! - *It removes the oldest segments.* One that can't be opened and comes
//!   before all others has been removed and is not missing.
//! - *It creates segments, and starts or ends.* A directory listing taken
//!   meanwhile may have a gap. So an inconsistent list is read again, and the
//!   error counts if it comes again.
//!
//! Bytes are read from the page cache if they are there: all frames but the
//! last are known to have been through an fdatasync.

use std::path::Path;

use crate::ledger::journal::directory::ReadOnlyDirectory;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{MANIFEST, segment_name};
use crate::ledger::journal::format::{Position, SEGMENT_HEAD, SegmentHead};
use crate::ledger::journal::frame_reader::FrameReader;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::segment_files::{SegmentFiles, SegmentList};
use crate::ledger::journal::segment_reader::{SegmentEnd, Visitor, read_segment};
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tail_scan::TailScan;

/// How often an inconsistent list of segments is read before its error counts,
/// should each attempt fail in another way.
const LIST_ATTEMPTS: u32 = 5;

pub(crate) struct LiveReader<'a> {
    files: SegmentFiles<'a>,
}

/// Opens a directory for reading, and holds it.
pub(crate) fn open_to_read(dir: &Path) -> Result<ReadOnlyDirectory, OpenError> {
    ReadOnlyDirectory::open(dir).map_err(|error| OpenError::NoJournal {
        dir: dir.to_owned(),
        why: error.to_string(),
    })
}

impl<'a> LiveReader<'a> {
    /// Reads the manifest of the journal in `dir`, which `source` reads.
    pub(crate) fn open(source: &'a dyn Source, dir: &Path) -> Result<Self, OpenError> {
        let no_journal = |why: String| OpenError::NoJournal {
            dir: dir.to_owned(),
            why,
        };
        source
            .names()
            .map_err(|error| no_journal(error.to_string()))?;
        let manifest = Manifest::load(source)?
            .ok_or_else(|| no_journal(format!("there is no file {MANIFEST}")))?;
        Ok(Self {
            files: SegmentFiles { source, manifest },
        })
    }

    pub(crate) fn manifest(&self) -> Manifest {
        self.files.manifest
    }

    /// The segments, once they are consistent; an error once it comes again.
    pub(crate) fn list(&self) -> Result<SegmentList, OpenError> {
        let mut before = None;
        for _ in 1..LIST_ATTEMPTS {
            match self.files.list() {
                Ok(list) => return Ok(list),
                Err(error) => {
                    let what = Some(error.to_string());
                    if what == before {
                        return Err(error);
                    }
                    before = what;
                }
            }
        }
        self.files.list()
    }

    /// As [`SegmentFiles::list_before_damage`].
    pub(crate) fn list_before_damage(&self) -> Result<SegmentList, OpenError> {
        self.files.list_before_damage()
    }

    /// When the first batch in a segment was committed; `None` if it isn't
    /// whole, which whoever reads it will see.
    pub(crate) fn first_commit(&self, head: &SegmentHead) -> Option<u64> {
        let file = self.files.open(head.number).ok()?;
        let size = self.files.manifest.segment_bytes;
        let mut frames = FrameReader::new(&*file, head.number, size, self.files.salt());
        let first = frames.head(SEGMENT_HEAD as u64).ok()??;
        Some(first.committed_at)
    }

    /// As [`read_segment`]; `None` if the segment has been removed since it was
    /// listed.
    pub(crate) fn read_segment(
        &self,
        head: &SegmentHead,
        next: Option<&SegmentHead>,
        visitor: &mut dyn Visitor,
    ) -> Result<Option<SegmentEnd>, OpenError> {
        match read_segment(&self.files, head, next, visitor) {
            Ok(end) => Ok(Some(end)),
            Err(error) if error.is_not_found() => match self.files.numbers()?.first() {
                Some(&first) if first > head.number => Ok(None),
                _ => Err(OpenError::Missing {
                    file: segment_name(head.number),
                }),
            },
            Err(error) => Err(error),
        }
    }

    /// As [`TailScan::run`]; `None` if the journal has grown since `end` was
    /// read.
    pub(crate) fn scan_tail(
        &self,
        end: Option<&SegmentEnd>,
        list: &SegmentList,
    ) -> Result<Option<TailScan>, OpenError> {
        match TailScan::run(&self.files, end, list) {
            Ok(scan) if scan.is_empty() || !self.has_grown(end)? => Ok(Some(scan)),
            Ok(_) => Ok(None),
            // A service that started has removed segments that it had no use
            // for.
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => match self.has_grown(end)? {
                true => Ok(None),
                false => Err(error),
            },
        }
    }

    /// Whether there is a frame or a next segment now where the journal ended
    /// when it was read.
    fn has_grown(&self, end: Option<&SegmentEnd>) -> Result<bool, OpenError> {
        let position = end.map_or(Position::START, SegmentEnd::position);
        let next_seq = end.map_or(1, |end| end.next_seq);
        if let Some(end) = end {
            let size = self.files.manifest.segment_bytes;
            let mut frames = FrameReader::new(&*end.file, end.number, size, self.files.salt());
            let frame = frames
                .frame(end.offset)
                .map_err(OpenError::segment_io(end.number, "read"))?;
            if let Some(frame) = frame
                && frame.head.first_seq == next_seq
                && frame.verify().is_ok()
            {
                return Ok(true);
            }
        }
        match self.files.head(position.segment + 1) {
            Ok(head) => Ok(head
                .is_some_and(|head| head.previous_end == position && head.first_seq == next_seq)),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
