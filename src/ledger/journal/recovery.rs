//! What a start finds: the durable journal whole, or a refusal.
//!
//! The headers of all segments are read, and every byte of the last ones, back
//! to where the dedupe window begins. Reading stops at `D`, the first place
//! where no frame decodes. A crash explains that at one place only: where the
//! one frame that was in flight should be. So a start is refused if anything
//! says that `D` was durable once: a segment behind it with a header, a frame
//! behind it, or a frame anywhere that names a later place as durable. (The
//! first frame of a segment is written with the header, and may have survived
//! it; that one names nothing past `D`.) What a crash can't be told from is
//! damage to the very last frame, before anything else was written: a seal or
//! the next frame. The report says what was cut.
//!
//! Then, in this order, nothing having been changed before:
//!
//! 1. The last frame is written again, byte for byte, and synced. It may be in
//!    the page cache only, and an fdatasync alone wouldn't always do: after one
//!    that failed, the kernel takes the pages for clean.
//! 2. Segments without a header go, unless they are the next one, and zero.
//! 3. If anything stands behind `D` in its segment, the writer goes on in a new
//!    segment, whose header names `D` as the end of the one before. Nothing is
//!    overwritten or truncated for it, and what stands there stays void.

use std::io;
use std::time::Instant;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{Position, segment_name};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::record::RecordView;
use crate::ledger::journal::segment_index::Segment;
use crate::ledger::journal::segment_reader::{Listing, Tail, Visitor, Walk, io_error};
use crate::ledger::journal::storage::{File, Storage, read_full, write_full};
use crate::ledger::journal::writer::Current;
use crate::ledger::journal::{Progress, Recovered, preallocator};

/// The journal as a writer needs it.
pub(super) struct Found {
    pub(super) segments: Vec<Segment>,
    /// The segment to go on in; `None`: in a new one.
    pub(super) current: Option<Current>,
    pub(super) end: Position,
    pub(super) next_seq: u64,
    pub(super) sealed: bool,
    /// The number of the next segment, and its file, if it is prepared.
    pub(super) next_number: u32,
    pub(super) prepared: Option<Box<dyn File>>,
    pub(super) report: Recovered,
}

pub(super) struct Recovery<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) identity: Manifest,
    pub(super) window: u64,
    pub(super) progress: &'a mut dyn FnMut(Progress),
    pub(super) visit: &'a mut dyn FnMut(&RecordView<'_>),
}

/// Passes on what the walk finds.
struct Seen<'a> {
    so_far: Progress,
    /// Bytes of the segments before.
    before: u64,
    progress: &'a mut dyn FnMut(Progress),
    visit: &'a mut dyn FnMut(&RecordView<'_>),
}

impl Visitor for Seen<'_> {
    fn record(&mut self, record: &RecordView<'_>) {
        self.so_far.records += 1;
        (self.visit)(record);
    }

    fn read(&mut self, bytes: u64) {
        self.so_far.bytes = self.before + bytes;
        (self.progress)(self.so_far);
    }
}

impl Recovery<'_> {
    pub(super) fn run(self) -> Result<Found, OpenError> {
        let started = Instant::now();
        let segment_bytes = self.identity.segment_bytes;
        let walk = Walk {
            source: self.storage,
            identity: self.identity,
        };
        let listing = walk.listing()?;
        let heads = &listing.heads;
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
        let mut seen = Seen {
            so_far: Progress {
                bytes: 0,
                bytes_total: (heads.len() - from) as u64 * segment_bytes,
                records: 0,
            },
            before: 0,
            progress: self.progress,
            visit: self.visit,
        };
        let mut tail = None;
        for (at, head) in heads.iter().enumerate().skip(from) {
            let found = walk.segment(head, heads.get(at + 1), &mut seen)?;
            seen.before += segment_bytes;
            next_seq = found.next_seq;
            let index = Some(found.index.clone());
            segments.push(Segment::new(head.number, head.first_seq, index));
            tail = Some(found);
        }
        let records = seen.so_far.records;
        let end = tail.as_ref().map_or(Position::START, Tail::position);
        let voids = walk.voids(tail.as_ref(), &listing)?;

        // All is known; from here on, things are changed.
        let mut sealed = true;
        if let Some(tail) = &tail {
            sealed = tail.sealed;
            rewrite(tail)?;
        }
        let prepared = clear(self.storage, &walk, &listing, &voids.without)?;
        let report = Recovered {
            ledger: self.identity.ledger,
            records,
            last_seq: next_seq - 1,
            oldest_seq: heads.first().map_or(1, |head| head.first_seq),
            cut: voids.cut(end),
            took: started.elapsed(),
        };
        let current = tail.filter(|_| voids.tail == 0).map(|tail| Current {
            number: tail.number,
            first_seq: heads.last().map_or(1, |head| head.first_seq),
            file: tail.file,
            offset: end.offset,
            index: tail.index,
        });
        Ok(Found {
            segments,
            current,
            end,
            next_seq,
            sealed,
            next_number: end.segment + 1,
            prepared,
            report,
        })
    }
}

/// Makes sure that the last frame is on disk.
fn rewrite(tail: &Tail) -> Result<(), OpenError> {
    let mut bytes = vec![0; (tail.end - tail.last) as usize];
    let read =
        read_full(&*tail.file, &mut bytes, tail.last).map_err(io_error(tail.number, "read"))?;
    write_full(&*tail.file, &bytes[..read], tail.last)
        .map_err(io_error(tail.number, "write to"))?;
    tail.file.sync().map_err(io_error(tail.number, "sync"))
}

/// Removes segments that have no header, but for the next one if it is all
/// zero, which is returned; and what was being made. From the last on, each
/// durably before the one before it, so that a crash leaves no gap.
fn clear(
    storage: &dyn Storage,
    walk: &Walk<'_>,
    listing: &Listing,
    voids: &[u64],
) -> Result<Option<Box<dyn File>>, OpenError> {
    let mut prepared = None;
    for (at, &number) in listing.without.iter().enumerate().rev() {
        if at == 0 && voids[at] == 0 {
            prepared = Some(walk.open(number)?);
            break;
        }
        storage
            .remove(&segment_name(number))
            .and_then(|()| storage.sync_names())
            .map_err(io_error(number, "remove"))?;
    }
    match storage.remove(preallocator::NEW) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // Names that were found may not have been durable.
        _ => storage.sync_names(),
    }
    .map_err(|source| OpenError::Io {
        file: preallocator::NEW.into(),
        doing: "remove",
        source,
    })?;
    Ok(prepared)
}
