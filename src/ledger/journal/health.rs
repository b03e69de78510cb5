//! How the journal is, for readiness, metrics and the log.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::JournalMetrics;

/// Whether the journal takes batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Ok,
    /// Not now: there is no space. It goes on by itself when there is.
    Full,
    /// Never again in this process: what it last wrote is in doubt.
    Failed,
}

/// The journal's condition. Set by the writer and its preparer, read by all.
pub struct Health {
    state: AtomicU8,
    reason: Mutex<String>,
    metrics: Arc<JournalMetrics>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            state: AtomicU8::new(State::Ok as u8),
            reason: Mutex::default(),
            metrics: Arc::default(),
        }
    }

    /// Whether it takes batches.
    pub fn state(&self) -> State {
        // Pairs with the Release store in `set`: the reason is there.
        match self.state.load(Ordering::Acquire) {
            0 => State::Ok,
            1 => State::Full,
            _ => State::Failed,
        }
    }

    /// Why it doesn't; empty while it does.
    pub fn reason(&self) -> String {
        // Replaced whole: never half done.
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Bytes that the segments take on disk, the prepared one included.
    pub fn disk_bytes(&self) -> u64 {
        self.metrics.bytes()
    }

    /// What it measures of itself.
    pub fn metrics(&self) -> &Arc<JournalMetrics> {
        &self.metrics
    }

    pub(super) fn set(&self, state: State, reason: &str) {
        reason.clone_into(&mut self.reason.lock().unwrap_or_else(PoisonError::into_inner));
        // Pairs with the Acquire load in `state`.
        self.state.store(state as u8, Ordering::Release);
    }

    pub(super) fn set_disk_bytes(&self, bytes: u64) {
        self.metrics.set_bytes(bytes);
    }
}
