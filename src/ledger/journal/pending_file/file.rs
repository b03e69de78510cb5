//! The file of an open journal: read at the start, written by a drain, removed
//! when its orders have their outcomes.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use crate::ledger::LedgerId;
use crate::ledger::journal::archive::RangeReader;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{PENDING, PENDING_NEW};
use crate::ledger::journal::lock::DirectoryLock;
use crate::ledger::journal::pending_file::check::{by_id, check_sequences};
use crate::ledger::journal::pending_file::format;
use crate::ledger::journal::pending_file::format::{load, refused};
use crate::ledger::journal::pending_file::order::{PendingOrder, PendingOrders};
use crate::ledger::journal::pending_file::reserve::PendingReserve;
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::{Storage, is_full};

/// Outcomes read at once when ids are searched for.
const READ_RECORDS: usize = 4096;
const READ_BYTES: usize = 1 << 20;

/// Why pending orders could not be written, or their file not be removed.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {file}: {source}")]
pub(crate) struct PendingFileError {
    file: &'static str,
    doing: &'static str,
    source: io::Error,
}

impl PendingFileError {
    fn of(file: &'static str, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            file,
            doing,
            source,
        }
    }
}

/// The directory stays locked as long as this lives.
pub struct PendingFile {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) ledger: LedgerId,
    pub(crate) index: Arc<SegmentIndex>,
    pub(crate) reserve: PendingReserve,
    pub(crate) _lock: Option<Arc<DirectoryLock>>,
}

impl PendingFile {
    /// Those of the `loaded` orders that have no outcome in the `journal`,
    /// which must have been recovered. The file is removed if there are none.
    pub(crate) fn unfinished(
        &self,
        loaded: Option<PendingOrders>,
        journal: &RangeReader,
    ) -> Result<Vec<PendingOrder<'static>>, OpenError> {
        // A file that was being written: no drain has relied on it.
        self.remove_if_exists(PENDING_NEW)
            .map_err(OpenError::io(PENDING_NEW, "remove"))?;
        let Some(PendingOrders { after_seq, orders }) = loaded else {
            return Ok(Vec::new());
        };
        let (oldest, last) = (self.index.oldest_seq(), self.index.last_seq());
        check_sequences(after_seq, oldest, last)?;
        self.index.pin_after(after_seq);
        let mut unfinished = by_id(&orders)?;
        let mut seq = after_seq;
        while seq < last && !unfinished.is_empty() {
            let records = journal
                .range(seq, READ_RECORDS, READ_BYTES)
                .map_err(|why| refused(format!("their outcomes can't be searched for: {why}")))?;
            let Some(newest) = records.last() else { break };
            seq = newest.outcome.seq;
            for record in &records {
                unfinished.remove(&*record.id);
            }
        }
        let mut unfinished: Vec<usize> = unfinished.into_values().collect();
        unfinished.sort_unstable();
        if unfinished.is_empty() {
            self.remove()
                .map_err(|error| OpenError::io(PENDING, "remove")(error.source))?;
        }
        let mut orders: Vec<_> = orders.into_iter().map(Some).collect();
        Ok(unfinished
            .iter()
            .filter_map(|&index| orders[index].take())
            .collect())
    }

    /// Keeps the outcomes after sequence `after_seq`, in which a start looks for
    /// those of the orders, from being removed. `false` if some are gone.
    pub(crate) fn pin(&self, after_seq: u64) -> bool {
        self.index.pin_after(after_seq)
    }

    /// Writes these orders and no others. None has an outcome up to sequence
    /// `after_seq`. They are durable when this returns. On a full disk they take
    /// the space that is reserved for them.
    ///
    /// # Errors
    /// When the file can't be written; an earlier file is still there then.
    pub(crate) fn write<'a>(
        &self,
        after_seq: u64,
        orders: impl Iterator<Item = PendingOrder<'a>> + Clone,
    ) -> Result<(), PendingFileError> {
        self.pin(after_seq);
        match self.replace(after_seq, orders.clone()) {
            Err(error) if is_full(&error.source) && self.reserve.release() => {
                tracing::warn!("{error}: the space reserved for it is used");
                self.replace(after_seq, orders)
            }
            result => result,
        }
    }

    fn replace<'a>(
        &self,
        after_seq: u64,
        orders: impl Iterator<Item = PendingOrder<'a>> + Clone,
    ) -> Result<(), PendingFileError> {
        let failed = |doing| PendingFileError::of(PENDING_NEW, doing);
        let file = self.storage.create(PENDING_NEW).map_err(failed("make"))?;
        let written = format::write(&*file, self.ledger, after_seq, orders)
            .map_err(failed("write"))
            .and_then(|()| file.sync().map_err(failed("sync")))
            .and_then(|()| {
                let renamed = self.storage.replace(PENDING_NEW, PENDING);
                renamed.map_err(failed("rename"))
            });
        if let Err(error) = written {
            // Frees its space. Should that fail, the next start does it.
            let _ = self.storage.remove(PENDING_NEW);
            return Err(error);
        }
        self.storage
            .sync_names()
            .map_err(failed("sync the name of"))
    }

    /// Writes these orders beside those that the file holds already.
    ///
    /// # Errors
    /// As [`write`](Self::write), and when the existing file can't be read.
    pub(crate) fn append<'a>(
        &self,
        after_seq: u64,
        orders: impl Iterator<Item = PendingOrder<'a>> + Clone,
    ) -> Result<(), PendingFileError> {
        let existing = load(&*self.storage, self.ledger).map_err(|error| {
            PendingFileError::of(PENDING, "add to")(io::Error::other(error.to_string()))
        })?;
        let Some(mut existing) = existing else {
            return self.write(after_seq, orders);
        };
        let ids: HashSet<String> = orders.clone().map(|order| order.id.into_owned()).collect();
        existing.orders.retain(|order| !ids.contains(&*order.id));
        // The older sequence: existing ones may have been committed behind it.
        self.write(
            after_seq.min(existing.after_seq),
            existing.orders.iter().cloned().chain(orders),
        )
    }

    /// Removes the file: all orders in it have their outcome.
    ///
    /// # Errors
    /// When the file can't be removed. The next start finds that all in it are
    /// committed, and removes it.
    pub(crate) fn remove(&self) -> Result<(), PendingFileError> {
        let failed = |doing| PendingFileError::of(PENDING, doing);
        self.remove_if_exists(PENDING).map_err(failed("remove"))?;
        self.storage
            .sync_names()
            .map_err(failed("sync the name of"))?;
        // Not before: until then the file may come back.
        self.index.unpin();
        Ok(())
    }

    fn remove_if_exists(&self, name: &str) -> io::Result<()> {
        match self.storage.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
