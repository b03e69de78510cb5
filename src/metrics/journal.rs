//! The journal's figures, present only with a journal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::metrics::histogram::Histogram;

/// Least time between two log lines of readers' errors.
const LOG_EVERY_MS: u64 = 60_000;

/// What the journal measures: written by it, read by scrapes.
#[derive(Debug)]
pub struct JournalMetrics {
    /// Write and fdatasync of a batch, a batch each. Written by the ledger
    /// thread only.
    pub commit: Histogram,
    /// Orders in a batch, a batch each. Written by the ledger thread only.
    pub batch_orders: Histogram,
    /// Bytes that the segments take on disk.
    bytes: AtomicU64,
    /// Reads that were answered with an error: a damaged record, or the disk.
    read_errors: AtomicU64,
    /// When one was logged, in milliseconds on the coarse clock, from 1 on.
    read_error_logged: AtomicU64,
    /// Why the next segment can't be made, if it can't. Locked by the
    /// preallocator and by readiness checks.
    no_segment_ahead: Mutex<Option<String>>,
}

impl JournalMetrics {
    pub const fn new() -> Self {
        Self {
            commit: Histogram::of_durations(),
            batch_orders: Histogram::of_orders(),
            bytes: AtomicU64::new(0),
            read_errors: AtomicU64::new(0),
            read_error_logged: AtomicU64::new(0),
            no_segment_ahead: Mutex::new(None),
        }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Why there is no segment behind the one that is written to; `None` if
    /// there is one, or it is being made.
    pub fn no_segment_ahead(&self) -> Option<String> {
        self.segment_state().clone()
    }

    pub fn set_segment_ahead(&self, made: Result<(), String>) {
        *self.segment_state() = made.err();
    }

    fn segment_state(&self) -> MutexGuard<'_, Option<String>> {
        self.no_segment_ahead
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn read_errors(&self) -> u64 {
        self.read_errors.load(Ordering::Relaxed)
    }

    /// Counts a read that was answered with an error. Returns whether it should
    /// be logged: one a minute is.
    #[must_use = "it is logged now or never"]
    pub fn count_read_error(&self) -> bool {
        self.read_errors.fetch_add(1, Ordering::Relaxed);
        let now = clock::millis().max(1);
        let logged = self.read_error_logged.load(Ordering::Relaxed);
        let due = logged == 0 || now.saturating_sub(logged) >= LOG_EVERY_MS;
        due && self
            .read_error_logged
            .compare_exchange(logged, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    pub fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Default for JournalMetrics {
    fn default() -> Self {
        Self::new()
    }
}
