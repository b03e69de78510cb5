//! Recovery: the durable journal whole, or a refusal.
//!
//! The headers of all segments are read, and every byte of the last ones, back
//! to where the dedupe window begins. Reading stops at `D`, the first position
//! where no frame decodes. A crash explains that at one position only: that of
//! the frame that was in flight. So a start is refused if anything proves that
//! `D` was durable once: a segment behind it with a header, a frame behind it,
//! or a frame anywhere that names a later position as durable. (The first frame
//! of a segment is written together with the header and may survive it; that
//! one names nothing past `D`.) One kind of damage can't be told from a crash:
//! damage to the very last frame before anything else, a seal or the next
//! frame, was written. The report names the bytes that were discarded.
//!
//! Then, in this order, nothing having been changed before:
//!
//! 1. The last frame is written again, byte for byte, and synced. It may be in
//!    the page cache only, and an fdatasync alone may not write it: after one
//!    that failed, the kernel takes the pages for clean.
//! 2. Segments without a header are removed, unless it is the next one and all
//!    zero.
//! 3. If anything follows `D` in its segment, the writer moves on to a new
//!    segment, whose header names `D` as the end of the one before; so it does
//!    if that segment is of an earlier version of the format. Nothing is
//!    overwritten or truncated for it; the bytes behind `D` stay, discarded.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{SEGMENT_NEW, segment_name};
use crate::ledger::journal::format::{Position, RecordView, SegmentHead, VERSION};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::report::{Recovered, RecoveryProgress};
use crate::ledger::journal::segment_files::{SegmentFiles, SegmentList};
use crate::ledger::journal::segment_index::Segment;
use crate::ledger::journal::segment_reader::{SegmentEnd, Visitor, read_segment};
use crate::ledger::journal::storage::{File, Storage, read_full, write_full};
use crate::ledger::journal::tail_scan::TailScan;
use crate::ledger::journal::writer::{ActiveSegment, JournalEnd};

/// How often a start that finds no space tries again.
const SPACE_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// What a writer continues from.
pub(crate) struct RecoveredJournal {
    pub(crate) segments: Vec<Segment>,
    pub(crate) end: JournalEnd,
    /// The number of the next segment, and its file, if it is prepared.
    pub(crate) next_number: u32,
    pub(crate) prepared: Option<Box<dyn File>>,
    /// There was a segment, with outcomes or without.
    pub(crate) has_segments: bool,
    pub(crate) report: Recovered,
}

pub(crate) struct Recovery<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) manifest: Manifest,
    pub(crate) window: u64,
    pub(crate) progress: &'a mut dyn FnMut(RecoveryProgress),
    pub(crate) visit: &'a mut dyn FnMut(&RecordView<'_>),
    pub(crate) no_space: NoSpace,
}

/// What a start does when it finds no space. On a file system that writes
/// nothing in place, it needs some for bytes that are there already.
#[derive(Clone, Copy)]
pub(crate) enum NoSpace {
    /// Waits until there is some: orders are refused meanwhile, as later on.
    Wait,
    #[cfg(test)]
    Fail,
}

impl NoSpace {
    fn retry(self, mut change: impl FnMut() -> Result<(), OpenError>) -> Result<(), OpenError> {
        let mut logged = false;
        loop {
            let error = match change() {
                Err(error) if error.is_full() => error,
                other => return other,
            };
            match self {
                Self::Wait => {
                    if !logged {
                        tracing::warn!("{error}; the start waits until there is space");
                        logged = true;
                    }
                    thread::sleep(SPACE_CHECK_INTERVAL);
                }
                #[cfg(test)]
                Self::Fail => return Err(error),
            }
        }
    }
}

impl Recovery<'_> {
    pub(crate) fn run(self) -> Result<RecoveredJournal, OpenError> {
        let started = Instant::now();
        let (storage, manifest) = (self.storage, self.manifest);
        let no_space = self.no_space;
        let files = SegmentFiles {
            source: storage,
            manifest,
        };
        let list = files.list()?;
        let read = self.read_window(&files, &list.heads)?;
        let scan = TailScan::run(&files, read.end.as_ref(), &list)?;

        // All is known; from here on, files are changed.
        if let Some(end) = &read.end {
            no_space.retry(|| rewrite_last_frame(end))?;
        }
        let mut prepared = None;
        no_space.retry(|| {
            prepared = remove_headless(storage, &files, &list, &scan)?;
            Ok(())
        })?;

        let position = read
            .end
            .as_ref()
            .map_or(Position::START, SegmentEnd::position);
        let last_head = list.heads.last();
        let report = Recovered {
            ledger: manifest.shown,
            created: false,
            rewound: None,
            records: read.records,
            last_seq: read.next_seq - 1,
            oldest_seq: list.heads.first().map_or(1, |head| head.first_seq),
            torn_tail: scan.torn_tail(position),
            took: started.elapsed(),
        };
        let sealed = read.end.as_ref().is_none_or(|end| end.sealed);
        // An earlier version's segment is not appended to: its readers would
        // take what they don't know for damage.
        let is_current = last_head.is_some_and(|head| head.version == VERSION);
        let active = read.end.filter(|_| scan.in_last == 0 && is_current);
        let active = active.map(|end| ActiveSegment {
            number: end.number,
            first_seq: last_head.map_or(1, |head| head.first_seq),
            file: end.file,
            offset: position.offset,
            index: end.index,
        });
        Ok(RecoveredJournal {
            segments: read.segments,
            end: JournalEnd {
                active,
                position,
                next_seq: read.next_seq,
                sealed,
            },
            next_number: position.segment + 1,
            prepared,
            has_segments: !list.heads.is_empty() || !list.headless.is_empty(),
            report,
        })
    }

    /// Reads the segments of the dedupe window, at least the last one.
    fn read_window(
        self,
        files: &SegmentFiles<'_>,
        heads: &[SegmentHead],
    ) -> Result<ReadWindow, OpenError> {
        let segment_bytes = self.manifest.segment_bytes;
        let mut next_seq = heads.last().map_or(1, |head| head.first_seq);
        // The last segment that starts no later than the window does.
        let window_from = next_seq.saturating_sub(self.window);
        let from = heads
            .partition_point(|head| head.first_seq <= window_from)
            .saturating_sub(1);
        let mut segments: Vec<Segment> = heads[..from]
            .iter()
            .map(|head| Segment::new(head.number, head.first_seq, None))
            .collect();
        let mut visitor = ReportingVisitor {
            so_far: RecoveryProgress {
                bytes: 0,
                bytes_total: (heads.len() - from) as u64 * segment_bytes,
                records: 0,
            },
            bytes_before: 0,
            progress: self.progress,
            visit: self.visit,
        };
        let mut end = None;
        for (at, head) in heads.iter().enumerate().skip(from) {
            let read = read_segment(files, head, heads.get(at + 1), &mut visitor)?;
            visitor.bytes_before += segment_bytes;
            next_seq = read.next_seq;
            let index = Some(read.index.clone());
            segments.push(Segment::new(head.number, head.first_seq, index));
            end = Some(read);
        }
        Ok(ReadWindow {
            segments,
            end,
            next_seq,
            records: visitor.so_far.records,
        })
    }
}

struct ReadWindow {
    segments: Vec<Segment>,
    end: Option<SegmentEnd>,
    next_seq: u64,
    records: u64,
}

/// Passes on what is read.
struct ReportingVisitor<'a> {
    so_far: RecoveryProgress,
    /// Of the segments before.
    bytes_before: u64,
    progress: &'a mut dyn FnMut(RecoveryProgress),
    visit: &'a mut dyn FnMut(&RecordView<'_>),
}

impl Visitor for ReportingVisitor<'_> {
    fn record(&mut self, record: &RecordView<'_>) {
        self.so_far.records += 1;
        (self.visit)(record);
    }

    fn progress(&mut self, bytes: u64) {
        self.so_far.bytes = self.bytes_before + bytes;
        (self.progress)(self.so_far);
    }
}

/// Makes sure that the last frame is durable.
fn rewrite_last_frame(end: &SegmentEnd) -> Result<(), OpenError> {
    let io = |doing| OpenError::segment_io(end.number, doing);
    let mut bytes = vec![0; (end.offset - end.last_frame) as usize];
    let read = read_full(&*end.file, &mut bytes, end.last_frame).map_err(io("read"))?;
    write_full(&*end.file, &bytes[..read], end.last_frame).map_err(io("write to"))?;
    end.file.sync().map_err(io("sync"))
}

/// Removes segments without a header, except for the next one if it is all
/// zero, which is returned; and an unfinished one. From the last on, each
/// durably before the one before it, so that a crash leaves no gap.
fn remove_headless(
    storage: &dyn Storage,
    files: &SegmentFiles<'_>,
    list: &SegmentList,
    scan: &TailScan,
) -> Result<Option<Box<dyn File>>, OpenError> {
    let mut prepared = None;
    for (at, &number) in list.headless.iter().enumerate().rev() {
        if at == 0 && scan.in_headless[at] == 0 {
            prepared = Some(files.open(number)?);
            break;
        }
        remove_if_exists(storage, &segment_name(number))
            .and_then(|()| storage.sync_names())
            .map_err(OpenError::segment_io(number, "remove"))?;
    }
    remove_if_exists(storage, SEGMENT_NEW)
        // Names that were found may not have been durable.
        .and_then(|()| storage.sync_names())
        .map_err(OpenError::io(SEGMENT_NEW, "remove"))?;
    Ok(prepared)
}

fn remove_if_exists(storage: &dyn Storage, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
