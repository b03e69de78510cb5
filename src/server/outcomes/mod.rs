//! What the ledger holds, read by the program itself once it is recovered and
//! before orders are taken: for a processor whose state comes from outcomes.
//!
//! A page is in memory at a time. The end is fixed at the beginning: other
//! instances may commit to a shared ledger faster than it is read.

mod committed_order;
#[cfg(test)]
mod tests;

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use std::vec;

use crate::ledger::{Archive, ReadError, ReadRange, Record};
use crate::order::HashKey;
use crate::server::recovery::Recovered;

pub use self::committed_order::CommittedOrder;

/// Most outcomes in a page, and bytes of their text: one is read whatever its
/// size.
const PAGE_OUTCOMES_MAX: usize = 1024;
const PAGE_BYTES_MAX: usize = 256 << 10;
/// How often a page is requested while the ledger's readers are busy, and the
/// pause after the first attempt. It doubles each time: a second in all.
const READ_ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(8);

/// Outcomes in the order of their sequences; see
/// [`Recovered::outcomes_after`].
pub struct Outcomes<'a> {
    archive: &'a dyn Archive,
    key: &'a HashKey,
    /// The last sequence handed out.
    after: u64,
    /// The last sequence there is.
    end: u64,
    page: vec::IntoIter<Arc<Record>>,
}

/// Why an outcome can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomesError {
    /// It has been removed, by `--retain-bytes`, `--retain-age` or the stream's
    /// `max_age`, or was lost before a salvage. The next outcome read is the
    /// oldest one.
    #[error("sequence {seq} is no longer in the ledger: the oldest is {oldest}")]
    Gone {
        /// The sequence that is gone.
        seq: u64,
        /// The oldest sequence there is.
        oldest: u64,
    },
    /// The sequence to read after is past the end: it is another ledger's, or
    /// an older copy of this one was restored. Nothing is read.
    #[error("sequence {after} is not in the ledger: the last is {last_seq}")]
    Ahead {
        /// The sequence that was to be read after.
        after: u64,
        /// The last sequence there is.
        last_seq: u64,
    },
    /// Another version has committed it, and to this one it is no order. The
    /// next outcome read is the one after it.
    #[error("sequence {seq} is no order to this version: {why}")]
    NoOrder {
        /// Its sequence.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The storage or the NATS server failed, or the file is damaged: this is
    /// the last item.
    #[error("{0}")]
    Unreadable(String),
}

impl Recovered {
    /// Which ledger the sequences belong to, as 32 hexadecimal digits: the
    /// feed's `Orders-Ledger-Id`. A snapshot has to name it beside its
    /// sequence, since those of two ledgers can't be compared.
    pub fn ledger_id(&self) -> String {
        self.ledger.archive.ledger_id().to_string()
    }

    /// The outcomes with a sequence above `seq` (0: all), in order, up to the
    /// last one that is committed when this is called. Nothing is committed by
    /// this process until [`Server::open_recovered`], so an iterator that has
    /// ended has handed out all; the pending orders of the last drain are not
    /// among them and get their outcomes after that.
    ///
    /// A NATS ledger is shared: what other instances commit meanwhile and later
    /// is not among them. State that has to include it must follow the feed from
    /// the last sequence read.
    ///
    /// The iterator reads 1,024 outcomes or 256 KiB at a time, and blocks its
    /// thread meanwhile; [`Recovery::spawn`] has a thread where that holds up
    /// nobody.
    ///
    /// # Errors
    /// The first item is one where what follows `seq` is
    /// [gone](OutcomesError::Gone); a later one may be where a stream's
    /// `max_age` removes outcomes meanwhile. Reading can go on after it, and after an
    /// outcome that is [no order](OutcomesError::NoOrder); any other error is
    /// the last item.
    ///
    /// ```
    /// use order_processor::{OutcomesError, Recovered};
    ///
    /// /// How many orders were processed, of those that are still there.
    /// fn processed(recovered: &Recovered) -> Result<u64, OutcomesError> {
    ///     let mut processed = 0;
    ///     for outcome in recovered.outcomes_after(0) {
    ///         match outcome {
    ///             Ok(outcome) => processed += u64::from(outcome.is_processed()),
    ///             Err(OutcomesError::Gone { .. }) => {} // goes on with the oldest
    ///             Err(error) => return Err(error),
    ///         }
    ///     }
    ///     Ok(processed)
    /// }
    /// ```
    ///
    /// [`Server::open_recovered`]: crate::Server::open_recovered
    /// [`Recovery::spawn`]: crate::Recovery::spawn
    pub fn outcomes_after(&self, seq: u64) -> Outcomes<'_> {
        Outcomes::new(&*self.ledger.archive, &self.opening.key, seq)
    }
}

impl<'a> Outcomes<'a> {
    fn new(archive: &'a dyn Archive, key: &'a HashKey, after: u64) -> Self {
        Self {
            archive,
            key,
            after,
            end: archive.last_seq(),
            page: Vec::new().into_iter(),
        }
    }

    fn committed(&mut self, record: Arc<Record>) -> Result<CommittedOrder, OutcomesError> {
        let seq = record.outcome.seq;
        self.after = seq;
        CommittedOrder::new(record, self.key).map_err(|invalid| OutcomesError::NoOrder {
            seq,
            why: invalid.to_string(),
        })
    }

    /// The item for an error, and where reading goes on.
    fn failed(&mut self, error: ReadError) -> OutcomesError {
        let after = self.after;
        // Unless it goes on below, the error is the last item.
        self.after = self.end;
        match error {
            ReadError::Gone { seq, oldest } => {
                // It asked, so `after` is not the end.
                self.after = oldest.saturating_sub(1).clamp(after + 1, self.end);
                OutcomesError::Gone { seq, oldest }
            }
            ReadError::Ahead { last_seq } => OutcomesError::Ahead { after, last_seq },
            error => OutcomesError::Unreadable(error.to_string()),
        }
    }

    /// The next page; tries again while the ledger's readers are busy.
    fn read_page(&self) -> ReadRange {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let (reply, page) = mpsc::sync_channel(1);
            let reply = move |page| drop(reply.send(page));
            self.archive.read_range(
                self.after,
                PAGE_OUTCOMES_MAX,
                PAGE_BYTES_MAX,
                Box::new(reply),
            );
            match page.recv() {
                Ok(Err(ReadError::Busy)) if attempt < READ_ATTEMPTS => {}
                Ok(page) => return page,
                Err(_) => return Err(ReadError::Failed("its readers have ended".into())),
            }
            thread::sleep(pause);
            pause *= 2;
        }
        unreachable!("it returns after the last attempt")
    }
}

impl Iterator for Outcomes<'_> {
    type Item = Result<CommittedOrder, OutcomesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.page.next() {
            return Some(self.committed(record));
        }
        if self.after > self.end {
            let last_seq = self.end;
            return Some(Err(self.failed(ReadError::Ahead { last_seq })));
        }
        if self.after == self.end {
            return None;
        }
        match self.read_page() {
            Ok(mut page) => {
                // A shared ledger may have more by now.
                page.truncate(page.partition_point(|it| it.outcome.seq <= self.end));
                self.page = page.into_iter();
            }
            Err(error) => return Some(Err(self.failed(error))),
        }
        match self.page.next() {
            Some(record) => Some(self.committed(record)),
            // The last sequences of a shared ledger are no outcomes.
            None => {
                self.after = self.end;
                None
            }
        }
    }
}
