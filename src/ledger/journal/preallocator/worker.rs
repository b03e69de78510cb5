//! The preallocator itself.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use crate::ledger::Wake;
use crate::ledger::journal::extent::{Extent, ExtentFile};
use crate::ledger::journal::file_names::{EXTENT, SEGMENT_NEW, segment_name};
use crate::ledger::journal::pending_file::PendingReserve;
use crate::ledger::journal::preallocator::retention::Retention;
use crate::ledger::journal::preallocator::slot::{RETRY_INTERVAL, SegmentSlot};
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::{File, Storage, write_full};
use crate::ledger::journal::write_error::WriteError;
use crate::metrics::JournalMetrics;

/// Zeroes written at once.
const ZEROES: usize = 1 << 20;
/// Zeroes synced at once: a whole segment would hold up the commits that wait
/// for the same disk.
const SYNC_BYTES: u64 = 4 << 20;
/// How often an idle journal looks whether its directory is still there. One
/// that is written to looks at every commit, or nearly.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Each failed attempt doubles the pause before the next one, so many times at
/// most.
const DOUBLINGS_MAX: u32 = 4;

pub(crate) struct Preallocator {
    pub(crate) storage: Arc<dyn Storage>,
    /// The directory, to see whether it is still there.
    pub(crate) directory: Box<dyn File>,
    pub(crate) extent: ExtentFile,
    /// A segment was made since it was written.
    pub(crate) extent_is_due: bool,
    pub(crate) index: Arc<SegmentIndex>,
    pub(crate) metrics: Arc<JournalMetrics>,
    pub(crate) segment_bytes: u64,
    pub(crate) retention: Retention,
    pub(crate) attempts: Attempts,
    pub(crate) reserve: PendingReserve,
    /// The last attempt to reserve the space, and what it logged if it failed.
    pub(crate) reserve_attempt: Option<Result<(), String>>,
    pub(crate) wake: Wake,
}

/// The attempts at the next segment so far.
#[derive(Default)]
pub(crate) struct Attempts {
    failed: u32,
    /// The last error that was logged.
    logged: Option<String>,
    /// A segment has got its name, but the name could not be synced.
    named: Option<u32>,
}

impl Preallocator {
    /// Runs until the slot is closed.
    pub(super) fn run(&mut self, slot: &SegmentSlot) {
        loop {
            let pause = self.step(slot);
            self.record_extent();
            if slot.signal_retry() {
                (self.wake)();
            }
            if !slot.wait_for_work(pause) {
                return;
            }
        }
    }

    /// Removes old segments, and makes the next one if it is wanted. Returns
    /// after which pause to do so again, if nothing else happens.
    pub(super) fn step(&mut self, slot: &SegmentSlot) -> Duration {
        if let Err(why) = self.check_directory(slot) {
            slot.fail(&why);
            return CHECK_INTERVAL;
        }
        let retained = self.retention.run(slot.next_number());
        let Some(number) = slot.request() else {
            self.make_reserve();
            return if retained {
                CHECK_INTERVAL
            } else {
                RETRY_INTERVAL
            };
        };
        let made = match self.make(number, slot) {
            Ok(Some(file)) => Ok(file),
            Ok(None) => return CHECK_INTERVAL, // closed
            Err(error) => Err(error),
        };
        let ahead = if made.is_ok() { self.segment_bytes } else { 0 };
        let handed_out = self.index.bytes_handed_out(number);
        self.metrics
            .set_bytes(self.index.bytes() + handed_out + ahead);
        match made {
            Ok(file) => {
                self.succeeded(number);
                slot.fill(Ok(file));
                self.extent_is_due = true;
                CHECK_INTERVAL
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let name = segment_name(number);
                slot.fail(&format!(
                    "{name} exists already: another process writes into the data directory"
                ));
                CHECK_INTERVAL
            }
            Err(error) => {
                let what = format!("can't make {}", segment_name(number));
                slot.fill(Err(self.failed(&what, &error)));
                RETRY_INTERVAL * (1 << (self.attempts.failed - 1).min(DOUBLINGS_MAX))
            }
        }
    }

    /// Less urgent than a segment. An attempt that fails is repeated.
    fn make_reserve(&mut self) {
        if matches!(self.reserve_attempt, Some(Ok(()))) {
            return;
        }
        let attempt = self.reserve.make_if_missing();
        let attempt = attempt.map_err(|error| error.to_string());
        if let Err(why) = &attempt
            && self.reserve_attempt.as_ref() != Some(&attempt)
        {
            tracing::warn!(
                "no space can be reserved for orders that a drain saves: {why}; tried again until it works"
            );
        }
        self.reserve_attempt = Some(attempt);
    }

    /// Behind a segment that was made, so that the next start notices when what
    /// is there now is gone. The writer doesn't wait for it.
    pub(super) fn record_extent(&mut self) {
        if !mem::take(&mut self.extent_is_due) {
            return;
        }
        let extent = Extent {
            last_seq: self.index.last_seq(),
            has_segments: true,
        };
        if let Err(error) = self.extent.write(extent) {
            tracing::warn!("{EXTENT}: {error}; it is written again with the next segment");
        }
    }

    fn succeeded(&mut self, number: u32) {
        if self.attempts.failed > 0 {
            let name = segment_name(number);
            tracing::info!(failed = self.attempts.failed, "{name} could be made");
        }
        self.attempts = Attempts::default();
        self.metrics.set_segment_ahead(Ok(()));
    }

    /// A failed attempt ends nothing: orders are taken as long as they fit the
    /// segment that is written to, and then refused until one succeeds.
    fn failed(&mut self, what: &str, error: &io::Error) -> WriteError {
        let error = WriteError::later(what, error);
        let why = error.to_string();
        self.attempts.failed += 1;
        if self.attempts.logged.as_ref() != Some(&why) {
            tracing::warn!("the journal's next segment: {why}; tried again until it works");
            self.attempts.logged = Some(why.clone());
        }
        self.metrics.set_segment_ahead(Err(why));
        error
    }

    /// Whether the directory, and the segment ahead in it, are still there:
    /// what is written into a file without a name is lost.
    fn check_directory(&self, slot: &SegmentSlot) -> Result<(), String> {
        // What can't be looked at isn't known to be gone.
        if !self.directory.is_linked().unwrap_or(true) {
            return Err("the data directory was removed".into());
        }
        slot.check_linked()
    }

    /// Makes a segment; `None` if the slot is closed meanwhile.
    fn make(&mut self, number: u32, slot: &SegmentSlot) -> io::Result<Option<Box<dyn File>>> {
        let name = segment_name(number);
        if self.reserve.is_released() {
            // A drain found the disk full, and needs the space more.
            return Err(Errno::NOSPC.into());
        }
        if self.attempts.named == Some(number) {
            // After a failed sync of names another one proves nothing: from
            // the beginning.
            match self.storage.remove(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.attempts.named = None,
            }
        }
        let file = self.write_zeroes(slot);
        if !matches!(file, Ok(Some(_))) {
            // Frees its space. Should that fail, the next one replaces it.
            let _ = self.storage.remove(SEGMENT_NEW);
            return file;
        }
        self.storage.rename(SEGMENT_NEW, &name)?;
        self.attempts.named = Some(number);
        self.storage.sync_names()?;
        file
    }

    fn write_zeroes(&self, slot: &SegmentSlot) -> io::Result<Option<Box<dyn File>>> {
        let file = self.storage.create(SEGMENT_NEW)?;
        let zeroes = vec![0; ZEROES.min(self.segment_bytes as usize)];
        let mut offset = 0;
        while offset < self.segment_bytes {
            if slot.is_closed() {
                return Ok(None);
            }
            let len = (self.segment_bytes - offset).min(zeroes.len() as u64);
            write_full(&*file, &zeroes[..len as usize], offset)?;
            offset += len;
            if offset == self.segment_bytes || offset.is_multiple_of(SYNC_BYTES) {
                file.sync()?;
            }
        }
        Ok(Some(file))
    }
}
