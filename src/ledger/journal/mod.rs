//! The journal: the embedded, durable ledger.
//!
//! ```text
//! data directory
//!   lock                    held for life by one process
//!   ledger                  which ledger this is
//!   pending                 orders that the last drain kept; mostly not there
//!   journal-0000000001.seg  segments of a fixed size, the oldest first;
//!   journal-0000000002.seg  the last one is prepared ahead of use
//! ```
//!
//! | file | what it is for |
//! |---|---|
//! | `format`, `record` | every byte of a segment |
//! | `storage`, `lock` | what is asked of the file system, and no more |
//! | `identity` | the file `ledger` |
//! | `pending` | the file `pending`: [`PendingFile`] |
//! | `writer` | [`JournalLedger`]: one write and one fdatasync a batch |
//! | `preparer` | the thread that makes segments and removes old ones |
//! | `recovery` | what a start finds, and when it refuses |
//! | `walk`, `void` | the segments one after the other, and what stands behind the end |
//! | `catalogue`, `scan` | where a sequence stands, and reading it |
//! | `archive` | [`JournalArchive`]: the read side |
//! | `inspect`, `verify`, `replay` | a journal looked at from outside, beside a running service |
//!
//! # What holds
//!
//! - An order with a receipt is found again by every later start: after a
//!   kill, a power failure, a full disk, and each of these during recovery.
//! - Sequences run from 1 without a gap, in the files and in what is read.
//! - Damage to what was durable refuses the start, and says where it is. One
//!   case can't be told from a crash: damage to the last batch before the
//!   process ended without a seal. The report of the start says what was cut.
//! - A failed fdatasync ends the ledger. A full disk doesn't.
//!
//! It takes for granted that a sector of 512 bytes is written whole or not at
//! all, and that `storage`'s promises are kept by file system and disk.
//!
//! # Why zeroes are written ahead
//!
//! An fdatasync of a file that grows must commit the file system's metadata,
//! too; so must one that fills blocks that were only allocated (`fallocate`),
//! as these change from unwritten to written. With zeroes in place, a commit
//! changes bytes, and nothing else.

mod archive;
mod error;
mod format;
mod frame_reader;
mod health;
mod live_reader;
mod lock;
mod manifest;
mod pending_file;
mod preallocator;
mod record;
mod recovery;
mod replay;
mod segment_index;
mod segment_reader;
mod storage;
mod tail_scan;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::ledger::journal::archive::{Files, Reader};
use crate::ledger::journal::format::Salt;
use crate::ledger::journal::lock::Lock;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::preallocator::{Handover, Preallocator};
use crate::ledger::journal::recovery::Recovery;
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::{Directory, Storage};
use crate::ledger::{Item, LedgerId, Wake};

pub(crate) use self::archive::JournalArchive;
pub(crate) use self::error::OpenError;
pub(crate) use self::health::Health;
pub(crate) use self::pending_file::{PendingFile, PendingOrder};
pub(crate) use self::record::RecordView;
pub use self::replay::{ReplayError, replay};
pub use self::verify::{Verified, verify};
pub(crate) use self::writer::JournalLedger;

/// Bytes in a segment of a new directory, unless the options say otherwise.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// What a segment may measure.
pub(crate) const SEGMENT_BYTES_ALLOWED: RangeInclusive<u64> = 1 << 10..=1 << 30;
/// Most orders in a batch.
pub(crate) const BATCH_ORDERS_MAX: usize = 4096;
/// Most bytes of records in a batch of more than one order.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 20;
/// Most bytes that one order may take with its reason, in segments of
/// [`SEGMENT_BYTES`]. What admission lets in must be shorter than this by
/// [`RECORD_OVERHEAD_MAX`].
pub(crate) const RECORD_BYTES_MAX: usize = (16 << 20) + 512;
/// Most bytes that a record takes beside the order's JSON and its reason.
pub(crate) const RECORD_OVERHEAD_MAX: usize = 128;

const _: () = {
    let heads = format::SEGMENT_HEAD + 2 * format::FRAME_HEAD;
    assert!(BATCH_BYTES_MAX <= RECORD_BYTES_MAX);
    assert!((heads + RECORD_BYTES_MAX) as u64 <= SEGMENT_BYTES);
    assert!(BATCH_ORDERS_MAX * record::RECORD_MIN <= BATCH_BYTES_MAX);
    assert!(record::RECORD_MIN + crate::order::ID_LEN_MAX + 8 <= RECORD_OVERHEAD_MAX);
    assert!(heads as u64 <= *SEGMENT_BYTES_ALLOWED.start() / 2);
    assert!(
        *SEGMENT_BYTES_ALLOWED.end() < u32::MAX as u64,
        "offsets are 32 bits"
    );
};

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Outcomes in the dedupe window: so many are visited at the start, and
    /// never removed.
    pub window: u64,
    /// Bytes of segments to keep; the oldest go first. `None`: all.
    pub retain_bytes: Option<u64>,
    /// Bytes in a segment, if the directory is new: a multiple of 512 within
    /// [`SEGMENT_BYTES_ALLOWED`].
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 4_000_000,
            retain_bytes: None,
            segment_bytes: SEGMENT_BYTES,
        }
    }
}

/// How far a start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes: u64,
    /// Bytes to be read.
    pub bytes_total: u64,
    /// Outcomes visited.
    pub records: u64,
}

/// What a start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The ledger: the feed's `Orders-Ledger-Id`.
    pub ledger: LedgerId,
    /// Outcomes visited.
    pub records: u64,
    /// The last sequence, 0: none.
    pub last_seq: u64,
    /// The first sequence that is kept.
    pub oldest_seq: u64,
    /// What was given up at the end: a batch that was being written.
    pub cut: Option<Cut>,
    /// How long it took.
    pub took: Duration,
}

/// Something at the end of the journal that is no batch: nobody was told of
/// it. It stays where it is, void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment's file.
    pub file: String,
    /// Where it starts.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// An open journal.
pub struct Journal<T> {
    /// The write side, for one thread.
    pub ledger: JournalLedger<T>,
    /// The read side, for all.
    pub archive: JournalArchive,
    /// Its condition.
    pub health: Arc<Health>,
    /// What was found.
    pub recovered: Recovered,
    /// The orders that the last drain kept and that have no outcome, in the
    /// order of their admission. They stay on disk until [`PendingFile::clear`].
    pub kept: Vec<PendingOrder<'static>>,
    /// Where orders are kept.
    pub pending: PendingFile,
}

/// Opens the journal in `dir`, which is made if it is missing. `wake` is called
/// when a batch that found no space may be tried again: the writer's thread
/// should ask for [`completions`](crate::ledger::Ledger::completions) then. `progress` hears
/// how it goes; `visit` gets the newest outcomes in order: the last
/// [`Options::window`], and some more before them.
///
/// # Errors
/// [`OpenError`]; nothing that was in the directory has been changed then,
/// unless the system failed in the midst of it.
///
/// # Panics
/// If [`Options::segment_bytes`] is not what it may be.
pub fn open<T: Item>(
    dir: &Path,
    options: &Options,
    wake: Wake,
    progress: &mut dyn FnMut(Progress),
    visit: &mut dyn FnMut(&RecordView<'_>),
) -> Result<Journal<T>, OpenError> {
    let lock = Arc::new(lock::lock(dir)?);
    let new = Manifest::random(options.segment_bytes);
    let open = Open {
        storage: Arc::new(Directory::new(dir)),
        lock: Some(lock),
        new,
        options,
        wake,
    };
    open.run(progress, visit, |preparer, handover| {
        preparer
            .start(handover)
            .map_err(|source| OpenError::Directory {
                dir: dir.to_owned(),
                doing: "start a thread for it",
                source,
            })
    })
}

/// What opening takes.
struct Open<'a> {
    storage: Arc<dyn Storage>,
    lock: Option<Arc<Lock>>,
    new: Manifest,
    options: &'a Options,
    wake: Wake,
}

impl Open<'_> {
    fn run<T: Item>(
        self,
        progress: &mut dyn FnMut(Progress),
        visit: &mut dyn FnMut(&RecordView<'_>),
        background: impl FnOnce(
            Preallocator,
            &Arc<Handover>,
        ) -> Result<preallocator::Background, OpenError>,
    ) -> Result<Journal<T>, OpenError> {
        let Self {
            storage,
            lock,
            new,
            options,
            wake,
        } = self;
        assert!(
            SEGMENT_BYTES_ALLOWED.contains(&new.segment_bytes)
                && new.segment_bytes.is_multiple_of(512),
            "segments of {} bytes",
            new.segment_bytes
        );
        let identity = Manifest::load_or_make(&*storage, new)?;
        let segment_bytes = identity.segment_bytes;
        let left = pending_file::load(&*storage, identity.ledger)?;
        let recovery = Recovery {
            storage: &*storage,
            identity,
            window: options.window,
            progress,
            visit,
        };
        let found = recovery.run()?;
        let salt = Salt::of(identity.ledger);
        let last_seq = found.next_seq - 1;
        let catalogue = Arc::new(SegmentIndex::new(segment_bytes, found.segments, last_seq));
        let health = Arc::new(Health::new());
        health.set_disk_bytes(catalogue.bytes());
        let handover = Handover::new(found.next_number, found.prepared);
        let files = Files {
            storage: storage.clone(),
            catalogue: catalogue.clone(),
            ledger: identity.ledger,
            salt,
            segment_bytes,
        };
        let pending = PendingFile {
            storage: storage.clone(),
            ledger: identity.ledger,
            catalogue: catalogue.clone(),
            _lock: lock.clone(),
        };
        // Before anything is removed.
        let kept = pending.sort_out(left, Reader::new(files.clone()))?;
        let archive = JournalArchive::start(files).map_err(|source| OpenError::Io {
            file: "the journal".into(),
            doing: "start threads to read",
            source,
        })?;
        let preparer = Preallocator {
            storage,
            catalogue: catalogue.clone(),
            health: health.clone(),
            segment_bytes,
            window: options.window,
            retain_bytes: options.retain_bytes,
            wake,
        };
        let background = Some(background(preparer, &handover)?);
        if found.current.is_none() {
            // Better now than while somebody waits for the first commit.
            handover.wait_until_made();
        }
        let ledger = JournalLedger {
            ledger: identity.ledger,
            salt,
            segment_bytes,
            current: found.current,
            end: found.end,
            next_seq: found.next_seq,
            sealed: found.sealed,
            pending: VecDeque::new(),
            done: Vec::new(),
            buffer: Vec::new(),
            failed: None,
            catalogue,
            health: health.clone(),
            handover,
            background,
            _lock: lock,
        };
        Ok(Journal {
            ledger,
            archive,
            health,
            recovered: found.report,
            kept,
            pending,
        })
    }
}
