//! Scans what lies behind the end of the journal, where no frame decodes: zeroes,
//! a torn write, or proof that durable bytes were damaged.
//!
//! Every frame names a position before which everything was durable when it was
//! written. So a frame behind the end, other than the one that was in flight, or
//! one that names a later position as durable, proves damage.

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::{FRAME_HEAD, FrameHead, Position, SEGMENT_HEAD};
use crate::ledger::journal::report::TornTail;
use crate::ledger::journal::segment_files::{SegmentFiles, SegmentList};
use crate::ledger::journal::segment_reader::SegmentEnd;
use crate::ledger::journal::storage::{File, read_full};

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

static ZEROES: [u8; READ_BYTES] = [0; READ_BYTES];

/// The bytes behind the end of the journal: no frame that counts.
pub(crate) struct TailScan {
    /// Bytes up to the last that isn't zero, in the last segment with a header.
    pub(crate) in_last: u64,
    /// The same of each segment without a header, in order.
    pub(crate) in_headless: Vec<u64>,
}

impl TailScan {
    /// Scans everything behind `end`, up to which the last segment with a header
    /// decodes.
    pub(crate) fn run(
        files: &SegmentFiles<'_>,
        end: Option<&SegmentEnd>,
        list: &SegmentList,
    ) -> Result<Self, OpenError> {
        let journal_end = end.map_or(Position::START, SegmentEnd::position);
        let scanner = Scanner { files, journal_end };
        let in_last = match end {
            Some(end) => scanner.scan(&*end.file, journal_end)?,
            None => 0,
        };
        let in_headless = list.headless.iter().map(|&segment| {
            let start = Position { segment, offset: 0 };
            scanner.scan(&*files.open(segment)?, start)
        });
        Ok(Self {
            in_last,
            in_headless: in_headless.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.torn_bytes() == 0
    }

    /// What to report, with the journal ending at `end`.
    pub(crate) fn torn_tail(&self, end: Position) -> Option<TornTail> {
        let (file, offset) = if self.in_last > 0 {
            (segment_name(end.segment), end.offset.into())
        } else {
            (segment_name(end.segment + 1), 0)
        };
        (!self.is_empty()).then(|| TornTail {
            file,
            offset,
            bytes: self.torn_bytes(),
        })
    }

    fn torn_bytes(&self) -> u64 {
        self.in_last + self.in_headless.iter().sum::<u64>()
    }
}

/// Bytes from `from` up to the last that isn't zero, in a segment that ends there
/// because the next one says so: discarded, whatever they are.
pub(crate) fn discarded_bytes(file: &dyn File, from: Position) -> Result<u64, OpenError> {
    let mut bytes = vec![0; READ_BYTES];
    let (start, mut used) = (u64::from(from.offset), 0);
    let mut offset = start;
    loop {
        let read = read_full(file, &mut bytes, offset)
            .map_err(OpenError::segment_io(from.segment, "read"))?;
        if read == 0 {
            return Ok(used);
        }
        if let Some(last) = last_nonzero(&bytes[..read]) {
            used = offset + last as u64 + 1 - start;
        }
        offset += read as u64;
    }
}

fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    // Nearly all is zero, and comparing is quicker than searching.
    if *bytes == ZEROES[..bytes.len()] {
        return None;
    }
    bytes.iter().rposition(|&byte| byte != 0)
}

struct Scanner<'a> {
    files: &'a SegmentFiles<'a>,
    journal_end: Position,
}

impl Scanner<'_> {
    /// Scans from `from` to the end of its segment. Returns how far it isn't
    /// zero, or an error if that was durable.
    fn scan(&self, file: &dyn File, from: Position) -> Result<u64, OpenError> {
        let segment = from.segment;
        let start = u64::from(from.offset);
        let mut bytes = vec![0; READ_BYTES];
        let (mut offset, mut used) = (start, 0);
        while offset < self.files.manifest.segment_bytes {
            let read = read_full(file, &mut bytes, offset)
                .map_err(OpenError::segment_io(segment, "read"))?;
            if read == 0 {
                break;
            }
            let chunk = &bytes[..read];
            if let Some(last) = last_nonzero(chunk) {
                used = offset + last as u64 + 1 - start;
                // Frames start at multiples of 8, and so did `from`.
                for at in (0..=last).step_by(8).filter(|&at| chunk[at] == 0xFF) {
                    let offset = (offset + at as u64) as u32;
                    self.check(file, Position { segment, offset })?;
                }
            }
            offset += read as u64;
        }
        Ok(used)
    }

    /// Fails if a frame at `at` proves that something before it was durable and
    /// is damaged.
    fn check(&self, file: &dyn File, at: Position) -> Result<(), OpenError> {
        let mut head = [0; FRAME_HEAD];
        read_full(file, &mut head, at.offset.into())
            .map_err(OpenError::segment_io(at.segment, "read"))?;
        let Some(head) = FrameHead::decode(&head, at, self.files.salt()) else {
            return Ok(());
        };
        let end = self.journal_end;
        let in_flight =
            at == end || (at.segment == end.segment + 1 && at.offset as usize == SEGMENT_HEAD);
        if in_flight && head.durable <= end {
            return Ok(());
        }
        let what = format!(
            "nothing decodes; the batch at offset {} of {} was written later",
            at.offset,
            segment_name(at.segment)
        );
        // It was not the first frame of its segment, so the segment's header is
        // damaged, unless something before it is.
        let (damaged, offset) = if head.durable.segment > end.segment {
            (at.segment, 0)
        } else {
            (end.segment, end.offset.into())
        };
        Err(OpenError::damaged(damaged, offset, what))
    }
}
