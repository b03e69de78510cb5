//! The preallocator itself.

use std::io;
use std::sync::Arc;

use crate::ledger::Wake;
use crate::ledger::journal::file_names::{SEGMENT_NEW, segment_name};
use crate::ledger::journal::preallocator::retention::Retention;
use crate::ledger::journal::preallocator::slot::SegmentSlot;
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::{File, Storage, write_full};
use crate::ledger::journal::write_error::WriteError;
use crate::metrics::JournalMetrics;

/// Zeroes written at once.
const ZEROES: usize = 1 << 20;
/// Zeroes synced at once: a whole segment would hold up the commits that wait
/// for the same disk.
const SYNC_BYTES: u64 = 4 << 20;

pub(crate) struct Preallocator {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) index: Arc<SegmentIndex>,
    pub(crate) metrics: Arc<JournalMetrics>,
    pub(crate) segment_bytes: u64,
    pub(crate) retention: Retention,
    pub(crate) wake: Wake,
}

impl Preallocator {
    /// Runs until the slot is closed.
    pub(super) fn run(&mut self, slot: &SegmentSlot) {
        loop {
            self.step(slot);
            if slot.signal_retry() {
                (self.wake)();
            }
            if !slot.wait_for_work() {
                return;
            }
        }
    }

    /// Removes old segments, and makes the next one if it is wanted.
    pub(super) fn step(&mut self, slot: &SegmentSlot) {
        self.retention.run();
        let Some(request) = slot.request() else {
            return;
        };
        let made = match self.make(request.number, slot) {
            Ok(Some(file)) => Ok(file),
            Ok(None) => return, // closed
            Err(error) => {
                if !request.was_full {
                    tracing::warn!("the journal's next segment: {error}; make space on the disk");
                }
                let what = format!("can't make {}", segment_name(request.number));
                Err(WriteError::of(&what, &error))
            }
        };
        let ahead = if made.is_ok() { self.segment_bytes } else { 0 };
        self.metrics.set_bytes(self.index.bytes() + ahead);
        slot.fill(made);
    }

    /// Makes a segment; `None` if the slot is closed meanwhile.
    fn make(&self, number: u32, slot: &SegmentSlot) -> io::Result<Option<Box<dyn File>>> {
        let file = self.write_zeroes(slot);
        if !matches!(file, Ok(Some(_))) {
            // Frees its space. Should that fail, the next one replaces it.
            let _ = self.storage.remove(SEGMENT_NEW);
            return file;
        }
        self.storage.rename(SEGMENT_NEW, &segment_name(number))?;
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
