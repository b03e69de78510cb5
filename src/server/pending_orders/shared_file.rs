//! The pending file, shared by the feeder and the drain.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::ledger::journal::{PendingFile, PendingFileError, PendingOrder};

/// The feeder removes the file when all its orders have their outcome, unless
/// the drain has added others.
pub(super) struct SharedFile {
    file: PendingFile,
    content: Mutex<Content>,
    /// That it can't be written has been logged.
    failing: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// There is no file.
    Nothing,
    /// Orders of the last process.
    Loaded,
    /// The drain has added some.
    Added,
}

impl SharedFile {
    pub(super) fn new(file: PendingFile, loaded: bool) -> Self {
        let content = if loaded {
            Content::Loaded
        } else {
            Content::Nothing
        };
        Self {
            file,
            content: Mutex::new(content),
            failing: AtomicBool::new(false),
        }
    }

    /// All orders of the last process have their outcome.
    pub(super) fn remove_finished(&self) {
        let mut content = self.content();
        if *content == Content::Loaded {
            *content = Content::Nothing;
            self.remove();
        }
    }

    /// See [`PendingFile::pin`].
    pub(super) fn pin(&self, after_seq: u64) -> bool {
        self.file.pin(after_seq)
    }

    /// Adds orders. None has an outcome up to sequence `after_seq`.
    pub(super) fn add<'a>(
        &self,
        after_seq: u64,
        orders: impl ExactSizeIterator<Item = PendingOrder<'a>> + Clone,
    ) -> Result<(), PendingFileError> {
        if orders.len() == 0 {
            return Ok(());
        }
        let mut content = self.content();
        if *content == Content::Nothing {
            self.file.write(after_seq, orders)?;
        } else {
            self.file.append(after_seq, orders)?;
        }
        *content = Content::Added;
        Ok(())
    }

    /// Leaves these orders in the file and no others.
    pub(super) fn replace<'a>(
        &self,
        after_seq: u64,
        orders: impl ExactSizeIterator<Item = PendingOrder<'a>> + Clone,
    ) -> Result<(), PendingFileError> {
        let mut content = self.content();
        if orders.len() > 0 {
            self.file.write(after_seq, orders)?;
        } else if *content != Content::Nothing {
            *content = Content::Nothing;
            self.remove();
        }
        Ok(())
    }

    /// Logs the first failure of a drain that goes on.
    pub(super) fn failing(&self, error: &PendingFileError) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "{error}: orders acknowledged as queued would be lost if the process were killed now; free disk space and make the data directory writable"
            );
        }
    }

    fn remove(&self) {
        if let Err(error) = self.file.remove() {
            tracing::warn!("{error}; the next start finds that all in it are committed");
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("a panic ends the process")
    }
}
