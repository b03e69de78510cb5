//! The journal's figures, present only with a journal.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::histogram::Histogram;

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
}

impl JournalMetrics {
    pub const fn new() -> Self {
        Self {
            commit: Histogram::of_durations(),
            batch_orders: Histogram::of_orders(),
            bytes: AtomicU64::new(0),
        }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
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
