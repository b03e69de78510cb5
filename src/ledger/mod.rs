//! The ledger: where outcomes become final, and where they are read again.
//!
//! The *write side* ([`Ledger`]) is owned by one thread, the committer:
//! batches go in, receipts come out later, several batches may be in flight.
//! A ledger that writes synchronously (memory, a local journal) has its
//! receipts ready when [`Ledger::append`] returns; one that waits for somebody
//! else (a stream server) calls the [`Wake`] it was opened with when there are
//! some. The *read side* ([`Archive`]) answers through a callback, so that no
//! reader blocks a coroutine and none slows the writer.

mod id;
pub(crate) mod journal;
pub(crate) mod memory;

use std::sync::Arc;

use crate::order::Order;

pub(crate) use self::id::LedgerId;

/// How a committed order came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The processor accepted it.
    Processed,
    /// The processor refused it; that is an outcome, too.
    Failed,
}

impl Status {
    /// The word that replies, the feed and the metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Failed => "failed",
        }
    }
}

/// A committed outcome, as its submitter hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its place in the ledger, from 1.
    pub seq: u64,
    /// How it came out.
    pub status: Status,
    /// Why, for a failed one.
    pub reason: Option<Arc<str>>,
}

/// A committed outcome with all that the ledger keeps of it: a line of the
/// feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Place, status and reason.
    pub outcome: Outcome,
    /// When the order was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    /// When its outcome was committed, likewise.
    pub committed_at: u64,
    /// The order's id.
    pub id: Box<str>,
    /// The order as it came, white space outside strings stripped.
    pub order: Box<str>,
}

impl Record {
    /// Bytes of its texts: what a reader's limit counts.
    pub fn text_bytes(&self) -> usize {
        let reason = self.outcome.reason.as_ref();
        self.id.len() + self.order.len() + reason.map_or(0, |reason| reason.len())
    }
}

/// What a ledger needs to know of an item that it commits; the rest of the
/// item travels through untouched and comes back with its receipt.
pub trait Item: Send {
    /// The order.
    fn order(&self) -> &Order;
    /// When it was admitted, in nanoseconds since the Unix epoch.
    fn accepted_at(&self) -> u64;
    /// The verdict on it.
    fn status(&self) -> Status;
    /// The reason, for a failed one.
    fn reason(&self) -> Option<&Arc<str>>;
}

/// What became of one item.
pub struct Receipt<T> {
    /// The item, back.
    pub item: T,
    /// Its result.
    pub result: CommitResult,
}

/// What became of an item that a ledger was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// It is final, under this sequence.
    Committed {
        /// Its place in the ledger, from 1.
        seq: u64,
        /// When, in nanoseconds since the Unix epoch.
        at: u64,
    },
    /// Somebody else had committed this id; that outcome stands.
    ///
    /// For a ledger that other processes write to. No ledger here is one, so
    /// what follows is not settled, and must be with the first that is:
    ///
    /// - *Content.* The order that was there may be another one under the same
    ///   id, and the ledger alone has both. It should say whether they are the
    ///   same; if not, the submitter must hear of a conflict, not of an outcome.
    /// - *The reply* should say that it is a duplicate, which the ticket of an
    ///   order of one's own doesn't.
    /// - *Counting.* The order was counted as accepted when it came, so it
    ///   should leave by a count of its own beside those of the withdrawn:
    ///   accepted = processed + failed + withdrawn + inside. Counted as a
    ///   duplicate, as it is now, it is counted twice.
    AlreadyThere(Outcome),
    /// Not known: it may be there or not. Nobody may be told an outcome.
    InDoubt,
}

/// Why a ledger can't go on.
#[derive(Debug, thiserror::Error)]
#[error("the ledger failed: {0}")]
pub struct LedgerFailed(pub String);

/// The write side. One thread owns it.
pub trait Ledger<T: Item>: Send {
    /// How many items it takes now; 0 means: wait for receipts.
    fn room(&self) -> usize;

    /// Takes a batch of at most [`room`](Self::room) items, leaving the vector
    /// empty. May block for as long as a commit takes.
    fn append(&mut self, batch: &mut Vec<T>);

    /// Adds the receipts that are ready to `done`, in the order of their
    /// sequence. Never blocks.
    ///
    /// # Errors
    /// When the ledger has failed for good. All items it still had are among
    /// `done` then, [`CommitResult::InDoubt`], and nothing may be committed any more.
    fn receipts(&mut self, done: &mut Vec<Receipt<T>>) -> Result<(), LedgerFailed>;

    /// Gives items back that it has and could not write, and won't write from
    /// now on: there was no space, and the process is about to end. They get
    /// no receipt.
    fn take_back(&mut self, _items: &mut Vec<T>) {}

    /// Whether it can't take anything now for want of space, and will go on by
    /// itself when there is some.
    fn is_full(&self) -> bool {
        false
    }
}

/// Tells the committer that receipts are ready.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// Why an outcome can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It has been dropped to make room.
    #[error("sequence {seq} is no longer kept: the oldest is {oldest}")]
    Gone {
        /// What was asked for.
        seq: u64,
        /// The oldest sequence there is.
        oldest: u64,
    },
    /// Too many reads are waiting.
    #[error("too many reads are waiting")]
    Busy,
    /// The storage failed.
    #[error("the ledger can't be read: {0}")]
    Failed(String),
}

/// What a reader is answered with.
pub(crate) type Read = Result<Arc<Record>, ReadError>;

/// What a reader of a range is answered with.
pub(crate) type ReadRange = Result<Vec<Arc<Record>>, ReadError>;

/// The read side, shared by all. Readers see what is committed and nothing
/// else.
pub trait Archive: Send + Sync {
    /// Reads the outcome with this sequence and hands it to `reply`, now or
    /// later, on whatever thread. `reply` must not block.
    fn read(&self, seq: u64, reply: Box<dyn FnOnce(Read) + Send>);

    /// Reads the outcomes after sequence `after`, in order: at most `limit`,
    /// and once there is one, no more than fit into `bytes_max` bytes of text.
    /// None if there is none yet. The answer goes to `reply`, as with
    /// [`read`](Self::read).
    fn read_range(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: Box<dyn FnOnce(ReadRange) + Send>,
    );

    /// The last sequence that can be read; 0: none.
    fn last_seq(&self) -> u64;

    /// The first sequence that is kept; one more than the last if none is.
    fn oldest_seq(&self) -> u64;

    /// Which ledger the sequences belong to.
    fn ledger_id(&self) -> LedgerId;

    /// The kind, for logs and the status page: `memory`, `journal`, `nats`.
    fn kind(&self) -> &'static str;
}
