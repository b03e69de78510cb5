//! Opening a journal: lock, manifest, pending orders, recovery, threads.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::ledger::journal::archive::{JournalArchive, JournalFiles, RangeReader};
use crate::ledger::journal::directory_tree::FileSystem;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::extent::{Extent, ExtentFile, FoundExtent};
use crate::ledger::journal::file_names::{EXTENT, MANIFEST};
use crate::ledger::journal::format::{RecordView, Salt};
use crate::ledger::journal::limits::SEGMENT_BYTES_ALLOWED;
use crate::ledger::journal::lock::DirectoryLock;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::pending_file;
use crate::ledger::journal::pending_file::{PendingFile, PendingOrder, PendingReserve};
use crate::ledger::journal::preallocator::{
    Attempts, Preallocator, Retention, RetentionLimits, SegmentSlot, SegmentSupply,
};
use crate::ledger::journal::recovery::{NoSpace, RecoveredJournal, Recovery};
use crate::ledger::journal::report::{Recovered, RecoveryProgress};
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::segment_size::suitable;
use crate::ledger::journal::storage::Storage;
use crate::ledger::journal::writer::{Appender, JournalLedger};
use crate::ledger::{Item, LedgerId, Wake};
use crate::metrics::JournalMetrics;

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Outcomes in the dedupe window: so many are visited at the start, and
    /// never removed.
    pub window: u64,
    /// Bytes of segments to retain; the oldest are removed first. `None`: all.
    pub retain_bytes: Option<u64>,
    /// How long outcomes are retained; a segment is removed when all in it are
    /// older. `None`: for ever.
    pub retain_age: Option<Duration>,
    /// The ledger that the directory must hold.
    pub expected: Option<LedgerId>,
    /// Bytes in a segment, if the directory is new: a multiple of 512 between
    /// 1 KiB and 1 GiB. `None`: what suits the volume.
    pub segment_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 4_000_000,
            retain_bytes: None,
            retain_age: None,
            expected: None,
            segment_bytes: None,
        }
    }
}

/// An open journal.
pub struct Journal<T> {
    /// The write side, for one thread.
    pub ledger: JournalLedger<T>,
    /// The read side, for all.
    pub archive: JournalArchive,
    pub metrics: Arc<JournalMetrics>,
    pub recovered: Recovered,
    /// The orders in the pending file that have no outcome, in the order of
    /// their admission. They stay on disk until [`PendingFile::remove`].
    pub pending_orders: Vec<PendingOrder<'static>>,
    pub pending_file: PendingFile,
}

/// Opens the journal in `dir`, which is created if it is missing. `wake` is
/// called when a batch that found no space may be tried again: the writer's
/// thread should ask for [`completions`](crate::ledger::Ledger::completions)
/// then. `progress` is called every few megabytes; `visit` gets the newest
/// outcomes in order: the last [`Options::window`], and some more before them.
///
/// # Errors
/// [`OpenError`]. Nothing in the directory has been changed then, unless an
/// operation failed while files were being changed.
///
/// # Panics
/// If [`Options::segment_bytes`] is not allowed.
pub fn open<T: Item>(
    dir: &Path,
    options: &Options,
    wake: Wake,
    progress: &mut dyn FnMut(RecoveryProgress),
    visit: &mut dyn FnMut(&RecordView<'_>),
) -> Result<Journal<T>, OpenError> {
    let lock = Arc::new(DirectoryLock::acquire(&FileSystem, dir)?);
    let opening = Opening {
        storage: lock.storage(),
        lock: Some(lock),
        new: Manifest::random(options.segment_bytes.unwrap_or_else(|| suitable(dir))),
        options,
        wake,
        no_space: NoSpace::Wait,
        now: clock::unix_nanos,
    };
    opening.run(progress, visit, |preallocator, slot| {
        SegmentSupply::start(preallocator, slot).map_err(|source| OpenError::Directory {
            dir: dir.to_owned(),
            doing: "start a thread for it",
            source,
        })
    })
}

pub(crate) struct Opening<'a> {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) lock: Option<Arc<DirectoryLock>>,
    /// For a new directory.
    pub(crate) new: Manifest,
    pub(crate) options: &'a Options,
    pub(crate) wake: Wake,
    pub(crate) no_space: NoSpace,
    /// Wall time, in nanoseconds since the Unix epoch, for retention.
    pub(crate) now: fn() -> u64,
}

impl Opening<'_> {
    pub(crate) fn run<T: Item>(
        self,
        progress: &mut dyn FnMut(RecoveryProgress),
        visit: &mut dyn FnMut(&RecordView<'_>),
        supply: impl FnOnce(Preallocator, Arc<SegmentSlot>) -> Result<SegmentSupply, OpenError>,
    ) -> Result<Journal<T>, OpenError> {
        assert!(
            SEGMENT_BYTES_ALLOWED.contains(&self.new.segment_bytes)
                && self.new.segment_bytes.is_multiple_of(512),
            "segments of {} bytes",
            self.new.segment_bytes
        );
        let expected = self.options.expected;
        let (mut manifest, created) = Manifest::load_or_create(&*self.storage, self.new, expected)?;
        if !self.lock_manifest()? {
            return Err(OpenError::SharedFiles { file: MANIFEST });
        }
        let extent = FoundExtent::read(&*self.storage, manifest.ledger)
            .map_err(OpenError::io(EXTENT, "read"))?;
        let loaded = pending_file::load(&*self.storage, manifest.ledger)?;
        let recovery = Recovery {
            storage: &*self.storage,
            manifest,
            window: self.options.window,
            progress,
            visit,
            no_space: self.no_space,
        };
        let mut found = recovery.run()?;
        let extent_file = ExtentFile {
            storage: self.storage.clone(),
            ledger: manifest.ledger,
        };
        found.report.rewound = extent.rewound(found.report.last_seq, found.has_segments);
        found.report.created = created;
        if let (Some(rewound), Some(expected)) = (&found.report.rewound, expected) {
            let why = rewound.to_string();
            return Err(OpenError::Rewound { expected, why });
        }
        if found.report.rewound.is_some() {
            manifest = self.rename(manifest, &extent_file, &found)?;
            found.report.ledger = manifest.shown;
        }
        let index = Arc::new(SegmentIndex::new(
            manifest.segment_bytes,
            found.segments,
            found.report.last_seq,
        ));
        let metrics = Arc::new(JournalMetrics::new());
        metrics.set_bytes(index.bytes());
        let files = JournalFiles {
            storage: self.storage.clone(),
            index: index.clone(),
            manifest,
            metrics: metrics.clone(),
        };
        let reserve = PendingReserve::new(self.storage.clone(), manifest.segment_bytes);
        let pending_file = PendingFile {
            storage: self.storage.clone(),
            ledger: manifest.ledger,
            index: index.clone(),
            reserve: reserve.clone(),
            _lock: self.lock.clone(),
        };
        // Before the preallocator removes any segment.
        let reader = RangeReader::new(files.clone());
        let pending_orders = pending_file.unfinished(loaded, &reader)?;
        let archive = JournalArchive::start(files)
            .map_err(OpenError::io("the journal", "start threads to read"))?;
        let preallocator = self.preallocator(&extent_file, manifest, &index, &metrics, reserve)?;
        let slot = SegmentSlot::new(found.next_number, found.prepared);
        let supply = supply(preallocator, slot)?;
        if found.end.active.is_none() {
            // Better now than while a client waits for the first commit.
            supply.wait_until_filled();
        }
        let no_segment = match &found.end.active {
            None => supply.unavailable(),
            Some(_) => None,
        };
        let appender = Appender::new(
            manifest,
            found.end,
            index,
            metrics.clone(),
            supply,
            extent_file,
        );
        Ok(Journal {
            ledger: JournalLedger::new(appender, no_segment, self.lock),
            archive,
            metrics,
            recovered: found.report,
            pending_orders,
            pending_file,
        })
    }

    /// Gives the ledger a new id, durably, before anybody sees it.
    fn rename(
        &self,
        manifest: Manifest,
        extent: &ExtentFile,
        found: &RecoveredJournal,
    ) -> Result<Manifest, OpenError> {
        let renamed = manifest.renamed();
        renamed.write(&*self.storage)?;
        if !self.lock_manifest()? {
            return Err(OpenError::SharedFiles { file: MANIFEST });
        }
        // Last: until then, the next start finds the same and does it again.
        let now = Extent {
            last_seq: found.report.last_seq,
            has_segments: found.has_segments,
        };
        extent.write(now).map_err(OpenError::io(EXTENT, "write"))?;
        Ok(renamed)
    }

    fn lock_manifest(&self) -> Result<bool, OpenError> {
        let locked = self.lock.as_ref().map(|lock| lock.lock_manifest());
        let locked = locked.transpose();
        Ok(locked
            .map_err(OpenError::io(MANIFEST, "lock"))?
            .unwrap_or(true))
    }

    fn preallocator(
        &self,
        extent: &ExtentFile,
        manifest: Manifest,
        index: &Arc<SegmentIndex>,
        metrics: &Arc<JournalMetrics>,
        reserve: PendingReserve,
    ) -> Result<Preallocator, OpenError> {
        let directory = self.storage.itself();
        let directory = directory.map_err(OpenError::io("the data directory", "open"))?;
        Ok(Preallocator {
            storage: self.storage.clone(),
            directory,
            extent: extent.clone(),
            extent_is_due: false,
            index: index.clone(),
            metrics: metrics.clone(),
            segment_bytes: manifest.segment_bytes,
            retention: Retention {
                storage: self.storage.clone(),
                index: index.clone(),
                metrics: metrics.clone(),
                segment_bytes: manifest.segment_bytes,
                salt: Salt::of(manifest.ledger),
                window: self.options.window,
                limits: RetentionLimits {
                    bytes: self.options.retain_bytes,
                    age: self.options.retain_age,
                },
                now: self.now,
                newest: None,
                failed: None,
                has_warned: false,
            },
            attempts: Attempts::default(),
            reserve,
            reserve_attempt: None,
            wake: self.wake.clone(),
        })
    }
}
