//! `journal backup` and `journal restore`: a journal copied as it is at one
//! moment, beside a service that may be writing to it.
//!
//! What is copied is what [`verify`](crate::ledger::journal::verify()) reads:
//! each segment up to the end of its last whole batch, verified and synced
//! before. Zeroes follow, so the copy looks like a journal whose process was
//! killed. Segments that the service removes meanwhile are left out. The
//! manifest comes last: without it a directory is no journal, so a copy that was
//! broken off is refused.
//!
//! A backup keeps the ledger's id and is marked: whoever starts a service on it,
//! or on a copy of it, gets a new id. A restored journal has one already.

use std::path::Path;
use std::sync::Arc;

use crate::ledger::LedgerId;
use crate::ledger::journal::directory::ReadOnlyDirectory;
use crate::ledger::journal::directory_tree::FileSystem;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::extent::{Extent, ExtentFile};
use crate::ledger::journal::file_names::{EXTENT, LOCK, LOST_AND_FOUND, PENDING, segment_name};
use crate::ledger::journal::format::{RecordView, SegmentHead};
use crate::ledger::journal::live_reader::{LiveReader, open_to_read};
use crate::ledger::journal::lock::DirectoryLock;
use crate::ledger::journal::pending_file;
use crate::ledger::journal::segment_reader::{SegmentEnd, Visitor};
use crate::ledger::journal::storage::{Source, Storage, read_full, write_full};

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The id of the copy: in a backup that of the original.
    pub ledger: LedgerId,
    /// Segments.
    pub segments: usize,
    /// Its first sequence; one more than the last if there is none.
    pub first_seq: u64,
    /// Its last sequence; 0: none.
    pub last_seq: u64,
    /// Orders in the pending file.
    pub pending_orders: usize,
}

/// Copies the journal in `dir`, where a service may run, into the directory
/// `to`, which is made and must be empty.
///
/// # Errors
/// [`OpenError`], of either directory. What was copied by then stays, and is no
/// journal.
pub fn backup(dir: &Path, to: &Path) -> Result<Copied, OpenError> {
    copy_into(dir, to, Kind::Backup)
}

/// Copies the backup in `from` into the data directory `dir`, which is made and
/// must be empty, and gives it a new ledger id.
///
/// # Errors
/// As [`backup`].
pub fn restore(from: &Path, dir: &Path) -> Result<Copied, OpenError> {
    copy_into(from, dir, Kind::Restored)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Backup,
    Restored,
}

fn copy_into(from: &Path, to: &Path, kind: Kind) -> Result<Copied, OpenError> {
    let source = open_to_read(from)?;
    // Nothing is made if there is nothing to copy.
    LiveReader::open(&source, from)?;
    let occupied = || OpenError::Occupied { dir: to.to_owned() };
    // Nor in a directory that is something else.
    let names = ReadOnlyDirectory::open(to).and_then(|dir| dir.names());
    if names.is_ok_and(|names| is_occupied(&names) && names.iter().all(|name| name != LOCK)) {
        return Err(occupied());
    }
    let lock = DirectoryLock::acquire(&FileSystem, to)?;
    let storage = lock.storage();
    let names = storage
        .names()
        .map_err(OpenError::io("the directory to copy to", "list"))?;
    if is_occupied(&names) {
        return Err(occupied());
    }
    copy(&source, from, &storage, kind)
}

/// Whether there is more than in a new file system or in an attempt that failed.
fn is_occupied(names: &[String]) -> bool {
    names
        .iter()
        .any(|name| name != LOCK && name != LOST_AND_FOUND)
}

pub(crate) fn copy(
    source: &dyn Source,
    dir: &Path,
    target: &Arc<dyn Storage>,
    kind: Kind,
) -> Result<Copied, OpenError> {
    let reader = LiveReader::open(source, dir)?;
    let from = reader.manifest();
    // Read before the journal, which then can't be older than the file.
    let pending = pending_file::load(source, from.ledger)?;
    let copied = Segments {
        reader: &reader,
        target: &**target,
    }
    .copy()?;
    let pending_orders = pending.as_ref().map_or(0, |pending| pending.orders.len());
    if let Some(pending) = pending {
        let write = || {
            let file = target.create(PENDING)?;
            pending_file::write_copy(&*file, from.ledger, &pending)?;
            file.sync()
        };
        write().map_err(OpenError::io(PENDING, "write"))?;
    }
    let extent_file = ExtentFile {
        storage: target.clone(),
        ledger: from.ledger,
    };
    let extent = Extent {
        last_seq: copied.last_seq,
        has_segments: copied.segments > 0,
    };
    let (manifest, written) = match kind {
        Kind::Backup => (from, extent_file.write_backup(extent)),
        Kind::Restored => (from.renamed(), extent_file.write(extent)),
    };
    written.map_err(OpenError::io(EXTENT, "write"))?;
    // All names before it are durable: the extent's sync was theirs.
    manifest.write(&**target)?;
    Ok(Copied {
        ledger: manifest.shown,
        pending_orders,
        ..copied
    })
}

struct Segments<'a> {
    reader: &'a LiveReader<'a>,
    target: &'a dyn Storage,
}

impl Segments<'_> {
    fn copy(&self) -> Result<Copied, OpenError> {
        let list = self.reader.list()?;
        let mut copied = Vec::new();
        let mut first_seq = None;
        let mut next_seq = list.heads.last().map_or(1, |head| head.first_seq);
        for (at, head) in list.heads.iter().enumerate() {
            let next = list.heads.get(at + 1);
            let Some(end) = self.reader.read_segment(head, next, &mut Unwatched)? else {
                // Removed by the service, and those before it were removed
                // first.
                for number in copied.drain(..) {
                    self.remove(number)?;
                }
                first_seq = None;
                continue;
            };
            if next.is_none() {
                // Refuses damage.
                self.reader.scan_tail(Some(&end), &list)?;
            }
            self.copy_segment(head, &end)?;
            copied.push(head.number);
            first_seq.get_or_insert(head.first_seq);
            next_seq = end.next_seq;
        }
        Ok(Copied {
            ledger: self.reader.manifest().shown,
            segments: copied.len(),
            first_seq: first_seq.unwrap_or(next_seq),
            last_seq: next_seq - 1,
            pending_orders: 0,
        })
    }

    /// Copies what `end` says has been read, with zeroes behind it.
    fn copy_segment(&self, head: &SegmentHead, end: &SegmentEnd) -> Result<(), OpenError> {
        let number = head.number;
        let size = self.reader.manifest().segment_bytes;
        // Its last batch may be in the page cache only.
        end.file
            .sync()
            .map_err(OpenError::segment_io(number, "sync"))?;
        let mut bytes = vec![0; COPY_BYTES.min(size as usize)];
        let copied = self.target.create(&segment_name(number));
        let copied = copied.map_err(OpenError::segment_io(number, "make a copy of"))?;
        let mut offset = 0;
        while offset < size {
            let len = (size - offset).min(bytes.len() as u64) as usize;
            let used = end.offset.saturating_sub(offset).min(len as u64) as usize;
            let read = read_full(&*end.file, &mut bytes[..used], offset)
                .map_err(OpenError::segment_io(number, "read"))?;
            if read < used {
                return Err(OpenError::damaged(number, offset, "it was cut"));
            }
            bytes[used..len].fill(0);
            write_full(&*copied, &bytes[..len], offset)
                .map_err(OpenError::segment_io(number, "write a copy of"))?;
            offset += len as u64;
        }
        copied
            .sync()
            .map_err(OpenError::segment_io(number, "sync a copy of"))
    }

    fn remove(&self, number: u32) -> Result<(), OpenError> {
        self.target
            .remove(&segment_name(number))
            .map_err(OpenError::segment_io(number, "remove the copy of"))
    }
}

/// What is read is looked at by its reader only.
struct Unwatched;

impl Visitor for Unwatched {
    fn record(&mut self, _record: &RecordView<'_>) {}
    fn progress(&mut self, _bytes: u64) {}
}
