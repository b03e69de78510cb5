//! The ledger: where outcomes become final, and where they are read again.
//!
//! The *write side* ([`Ledger`]) is owned by one thread, the committer: batches
//! go in, completions come out, several batches may be in flight. A ledger that
//! writes synchronously (memory, the journal) has its completions ready when
//! [`Ledger::append`] returns; one that waits for a remote server calls the
//! [`Wake`] it was opened with when there are some. The *read side*
//! ([`Archive`]) answers through a callback, so that no reader blocks a
//! coroutine or slows the writer down.

mod archive;
mod commit;
mod id;
pub(crate) mod journal;
pub(crate) mod memory;
pub(crate) mod nats;
mod outcome;
mod time_search;

pub use self::archive::Archive;
pub(crate) use self::archive::{Find, Read, ReadError, ReadRange};
pub(crate) use self::commit::{CommitResult, Completion, Held, Unavailable, Wake};
pub use self::commit::{Item, Ledger, LedgerFailed};
pub(crate) use self::id::LedgerId;
pub use self::outcome::Status;
pub(crate) use self::outcome::{Outcome, Record, Submitter};
pub(crate) use self::time_search::TimeSearch;
