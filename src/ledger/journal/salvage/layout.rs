//! Which segments there are, and where each one ends, as far as the heads tell.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, HeadError, Position, SEGMENT_HEAD, SegmentHead, VERSION,
};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::segment_files::SegmentFiles;
use crate::ledger::journal::storage::{Source, read_full};

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) head: Option<SegmentHead>,
    /// Of another ledger.
    pub(super) foreign: Option<LedgerId>,
    /// The frame behind the header: it has the same, should that be damaged.
    first_frame: Option<FrameHead>,
}

pub(super) struct Layout<'a> {
    pub(super) files: SegmentFiles<'a>,
    /// By their numbers.
    pub(super) segments: BTreeMap<u32, Start>,
}

impl<'a> Layout<'a> {
    pub(super) fn read(source: &'a dyn Source, manifest: Manifest) -> Result<Self, OpenError> {
        let files = SegmentFiles { source, manifest };
        let mut segments = BTreeMap::new();
        for number in files.numbers()? {
            segments.insert(number, Start::read(&files, number)?);
        }
        Ok(Self { files, segments })
    }

    /// Where segment `number` ends: what lies behind was discarded. `None` if
    /// nothing tells.
    pub(super) fn end_of(&self, number: u32) -> Option<u64> {
        let next = self.segments.get(&number.checked_add(1)?)?;
        let end = next.previous_end()?;
        let plausible = end.segment == number && end.offset as usize >= SEGMENT_HEAD;
        plausible.then_some(end.offset.into())
    }

    /// The first sequence behind segment `number`; `None` if nothing tells.
    pub(super) fn next_seq_of(&self, number: u32) -> Option<u64> {
        let behind = (Bound::Excluded(number), Bound::Unbounded);
        let mut segments = self.segments.range(behind);
        segments.find_map(|(_, start)| start.first_seq())
    }

    /// The first sequence that the journal is known to have had, leaving out
    /// what retention has removed.
    pub(super) fn first_seq(&self) -> Option<u64> {
        let (&number, start) = self.segments.first_key_value()?;
        start.first_seq().or((number == 1).then_some(1))
    }

    /// A sequence that was reached, going by the headers.
    pub(super) fn reached(&self) -> u64 {
        let starts = self.segments.values();
        let first = starts.filter_map(Start::first_seq).max();
        first.map_or(0, |first| first.saturating_sub(1))
    }
}

impl Start {
    fn read(files: &SegmentFiles<'_>, number: u32) -> Result<Self, OpenError> {
        const BYTES: usize = SEGMENT_HEAD + FRAME_HEAD;
        let file = files.open(number)?;
        let mut bytes = [0; BYTES];
        let mut start = Self {
            head: None,
            foreign: None,
            first_frame: None,
        };
        // What can't be read is damage, and found again with the rest.
        if read_full(&*file, &mut bytes, 0).is_err() {
            return Ok(start);
        }
        let at = Position {
            segment: number,
            offset: SEGMENT_HEAD as u32,
        };
        start.first_frame = FrameHead::decode(&bytes[SEGMENT_HEAD..], at, files.salt());
        match SegmentHead::decode(bytes.first_chunk().expect("it is longer")) {
            Ok(head) if head.ledger != files.manifest.ledger => {
                start.foreign = Some(head.ledger);
            }
            Ok(head) if head.number == number => start.head = Some(head),
            Ok(_) | Err(HeadError::Undecodable) => {}
            Err(HeadError::Version(version)) => {
                return Err(OpenError::Version {
                    file: segment_name(number),
                    version,
                    known: VERSION,
                });
            }
        }
        Ok(start)
    }

    fn previous_end(&self) -> Option<Position> {
        let head = self.head.map(|head| head.previous_end);
        head.or(self.first_frame.map(|frame| frame.durable))
    }

    fn first_seq(&self) -> Option<u64> {
        let head = self.head.map(|head| head.first_seq);
        head.or(self.first_frame.map(|frame| frame.first_seq))
    }
}
