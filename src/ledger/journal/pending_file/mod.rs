//! The file `pending`: orders whose submitters were told that they are queued,
//! and which a drain could not bring to an outcome in time.
//!
//! # Its life
//!
//! It is written as `pending.new`, synced, renamed, and the name synced: there
//! is the old file or the new one, each whole. It is removed when every order
//! in it has its outcome. In between, orders in it may have been committed, and
//! nothing in it says so: the journal does. A start looks for their ids behind
//! the sequence in the header, wherever the dedupe window begins, and hands out
//! those that are not there; until the file is removed, no such segment is. So
//! a kill at any moment neither loses one nor has one committed twice.

mod format;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use crate::ledger::LedgerId;
use crate::ledger::journal::archive::Reader;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::lock::Lock;
use crate::ledger::journal::pending_file::format::{ORDER_HEAD, refused};
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::{Source, Storage};
use crate::order::Order;

pub(super) use self::format::{Left, NAME, NEW, load};

/// What is read of the journal in one go.
const READ_RECORDS: usize = 4096;
const READ_BYTES: usize = 1 << 20;

/// An order that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOrder<'a> {
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    /// Its id.
    pub id: Cow<'a, str>,
    /// Its JSON.
    pub order: Cow<'a, str>,
}

impl<'a> PendingOrder<'a> {
    /// An order as it is kept.
    pub fn new(accepted_at: u64, order: &'a Order) -> Self {
        Self {
            accepted_at,
            id: order.id().as_str().into(),
            order: order.json().into(),
        }
    }

    /// Bytes that it takes in the file.
    fn len(&self) -> usize {
        ORDER_HEAD + self.id.len() + self.order.len()
    }
}

/// Why orders could not be kept, or a file not be removed.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {file}: {source}")]
pub struct PendingFileError {
    /// The file.
    file: &'static str,
    /// What was tried.
    doing: &'static str,
    /// What the system says.
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

/// Whether a journal with the outcomes `oldest` to `last` is the one beside
/// which orders were kept behind sequence `after_seq`.
fn fits(after_seq: u64, oldest: u64, last: u64) -> Result<(), OpenError> {
    if after_seq > last {
        let what = format!(
            "the journal ends at sequence {last}, though it reached {after_seq} when they were kept"
        );
        return Err(refused(what));
    }
    if oldest > after_seq + 1 {
        let what = format!(
            "the outcomes {} to {} are gone, among which theirs may have been",
            after_seq + 1,
            oldest - 1
        );
        return Err(refused(what));
    }
    Ok(())
}

/// Where each order stands, by its id.
fn by_id<'a>(orders: &'a [PendingOrder<'_>]) -> Result<HashMap<&'a str, usize>, OpenError> {
    let mut by_id = HashMap::new();
    for (at, kept) in orders.iter().enumerate() {
        if by_id.insert(&*kept.id, at).is_some() {
            return Err(refused(format!("the id {} is in it twice", kept.id)));
        }
    }
    Ok(by_id)
}

/// A file that is whole, as somebody finds it who looks at it from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    after_seq: u64,
    /// How many orders are in it.
    pub(super) orders: u64,
}

/// Reads the file and checks all that can be checked without the journal.
/// `None` if there is none.
pub(super) fn look(source: &dyn Source, ledger: LedgerId) -> Result<Option<Look>, OpenError> {
    let Some(Left { after_seq, orders }) = load(source, ledger)? else {
        return Ok(None);
    };
    by_id(&orders)?;
    let orders = orders.len() as u64;
    Ok(Some(Look { after_seq, orders }))
}

impl Look {
    /// Looks again, at a time when the outcomes `oldest` to `last` have been
    /// found in the journal: does it fit to them, if it is still there? The
    /// service may have removed it since, or put another one there.
    pub(super) fn again(
        self,
        source: &dyn Source,
        ledger: LedgerId,
        (oldest, last): (u64, u64),
    ) -> Result<Option<Self>, OpenError> {
        let now = look(source, ledger)?;
        if now == Some(self) {
            fits(self.after_seq, oldest, last)?;
        }
        Ok(now)
    }
}

/// Where orders are kept: the data directory, which stays locked as long as
/// this lives.
pub struct PendingFile {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) ledger: LedgerId,
    pub(super) catalogue: Arc<SegmentIndex>,
    pub(super) _lock: Option<Arc<Lock>>,
}

impl PendingFile {
    /// Of the orders that were left, those that have no outcome; the file goes
    /// if there are none. The journal must have been recovered.
    pub(super) fn sort_out(
        &self,
        left: Option<Left>,
        mut journal: Reader,
    ) -> Result<Vec<PendingOrder<'static>>, OpenError> {
        // One that was being written: nobody relies on it.
        match self.storage.remove(NEW) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Io {
                    file: NEW.to_owned(),
                    doing: "remove",
                    source: error,
                });
            }
            _ => {}
        }
        let Some(Left { after_seq, orders }) = left else {
            return Ok(Vec::new());
        };
        let (oldest, last) = (self.catalogue.oldest_seq(), self.catalogue.last_seq());
        fits(after_seq, oldest, last)?;
        self.catalogue.need_after(after_seq);
        let mut open = by_id(&orders)?;
        let mut seq = after_seq;
        while seq < last && !open.is_empty() {
            let records = journal
                .range(seq, READ_RECORDS, READ_BYTES)
                .map_err(|why| refused(format!("their outcomes can't be looked for: {why}")))?;
            let Some(newest) = records.last() else { break };
            seq = newest.outcome.seq;
            for record in &records {
                open.remove(&*record.id);
            }
        }
        let mut open: Vec<usize> = open.into_values().collect();
        open.sort_unstable();
        if open.is_empty() {
            self.clear().map_err(|error| OpenError::Io {
                file: NAME.to_owned(),
                doing: "remove",
                source: error.source,
            })?;
        }
        let mut orders: Vec<_> = orders.into_iter().map(Some).collect();
        Ok(open.iter().filter_map(|&at| orders[at].take()).collect())
    }

    /// Keeps these orders and no others: none has an outcome, or none up to
    /// sequence `after_seq`. They are on disk when this returns.
    ///
    /// # Errors
    /// When the file can't be written; what was kept before is kept still.
    pub fn keep<'a>(
        &self,
        after_seq: u64,
        orders: impl Iterator<Item = PendingOrder<'a>> + Clone,
    ) -> Result<(), PendingFileError> {
        let failed = |doing| PendingFileError::of(NEW, doing);
        let file = self.storage.create(NEW).map_err(failed("make"))?;
        let written = format::write(&*file, self.ledger, after_seq, orders)
            .map_err(failed("write"))
            .and_then(|()| file.sync().map_err(failed("sync")))
            .and_then(|()| self.storage.rename(NEW, NAME).map_err(failed("rename")));
        if let Err(error) = written {
            // Gives its space back. Should that fail, the next start does it.
            let _ = self.storage.remove(NEW);
            return Err(error);
        }
        self.storage
            .sync_names()
            .map_err(failed("sync the name of"))
    }

    /// Keeps these orders beside those that are kept already.
    ///
    /// # Errors
    /// As [`keep`](Self::keep), and when the file that is there can't be read.
    pub fn keep_too<'a>(
        &self,
        after_seq: u64,
        orders: impl Iterator<Item = PendingOrder<'a>> + Clone,
    ) -> Result<(), PendingFileError> {
        let old = load(&*self.storage, self.ledger).map_err(|error| {
            PendingFileError::of(NAME, "add to")(io::Error::other(error.to_string()))
        })?;
        let Some(Left {
            after_seq: old_after_seq,
            orders: mut old,
        }) = old
        else {
            return self.keep(after_seq, orders);
        };
        let ids: HashSet<String> = orders.clone().map(|kept| kept.id.into_owned()).collect();
        old.retain(|kept| !ids.contains(&*kept.id));
        // The older sequence: those of the old file may be committed behind it.
        self.keep(
            after_seq.min(old_after_seq),
            old.iter().cloned().chain(orders),
        )
    }

    /// Keeps nothing any more: all that were kept have their outcome.
    ///
    /// # Errors
    /// When the file can't be removed. The next start finds that all in it are
    /// committed, and removes it.
    pub fn clear(&self) -> Result<(), PendingFileError> {
        let failed = |doing| PendingFileError::of(NAME, doing);
        match self.storage.remove(NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove")(error));
            }
            _ => {}
        }
        self.storage
            .sync_names()
            .map_err(failed("sync the name of"))?;
        // Not before: until then the file may come back.
        self.catalogue.need_after(u64::MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
