//! The read side: outcomes by sequence.

use std::sync::Arc;

use crate::ledger::id::LedgerId;
use crate::ledger::outcome::Record;
use crate::metrics::{DiskGauges, NatsGauges};
use crate::order::OrderId;

/// Why an outcome can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It has been removed to free space.
    #[error("sequence {seq} is no longer kept: the oldest is {oldest}")]
    Gone {
        /// The sequence asked for.
        seq: u64,
        /// The oldest sequence there is.
        oldest: u64,
    },
    /// The position is past the end: of a [shared](Archive::is_shared) ledger,
    /// whose end only a read finds out.
    #[error("the last sequence is {last_seq}")]
    Ahead {
        /// The last sequence there is.
        last_seq: u64,
    },
    /// Too many reads are waiting.
    #[error("too many reads are waiting")]
    Busy,
    /// It was durable, and its bytes have changed since.
    #[error(
        "sequence {seq} can't be read: {file} is damaged at offset {offset}; copy the directory, run journal verify, and restore a backup or salvage what is whole; reading may go on after the damage"
    )]
    Damaged {
        /// The first sequence that can't be read.
        seq: u64,
        /// The file that is damaged.
        file: String,
        /// Where.
        offset: u64,
    },
    /// The storage failed.
    #[error("the ledger can't be read: {0}")]
    Failed(String),
}

pub(crate) type Read = Result<Arc<Record>, ReadError>;

pub(crate) type ReadRange = Result<Vec<Arc<Record>>, ReadError>;

/// The outcome of an id, if there is one.
pub(crate) type Find = Result<Option<Arc<Record>>, ReadError>;

/// The read side, shared by all. Readers see what is committed and nothing
/// else.
pub trait Archive: Send + Sync {
    /// Reads the outcome with this sequence and hands it to `reply`, now or
    /// later, on any thread. `reply` must not block.
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

    /// Looks up the outcome of an id that the dedupe window doesn't know, in a
    /// [shared](Self::is_shared) ledger; others have nothing more to say. The
    /// answer goes to `reply`, as with [`read`](Self::read).
    fn find(&self, _id: &OrderId, reply: Box<dyn FnOnce(Find) + Send>) {
        reply(Ok(None));
    }

    /// Whether other processes commit to it, too. Then it may have outcomes
    /// that the window doesn't know, it may reach further than
    /// [`last_seq`](Self::last_seq) until it is read, and nothing is kept for
    /// the next start: an order is not acknowledged as queued.
    fn is_shared(&self) -> bool {
        false
    }

    /// Somebody begins to wait for what comes after the last sequence.
    fn watched(&self) {}

    /// The last sequence that can be read; 0: none.
    fn last_seq(&self) -> u64;

    /// The first sequence that can be read; one more than the last if none can.
    fn oldest_seq(&self) -> u64;

    /// Which ledger the sequences belong to.
    fn ledger_id(&self) -> LedgerId;

    /// What it has on disk, if it is there. Costs no more than a system call.
    fn disk(&self) -> Option<DiskGauges> {
        None
    }

    /// The servers and the stream, if it is there. Asks none of them.
    fn nats(&self) -> Option<NatsGauges> {
        None
    }

    /// The kind, for logs and the status page: `memory`, `journal`,
    /// `nats`.
    fn kind(&self) -> &'static str;
}
