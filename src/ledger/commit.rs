//! The write side: items in, commit results out.

use std::sync::Arc;

use crate::ledger::outcome::{Outcome, Status};
use crate::order::Order;

/// What a ledger needs to know of an item that it commits. The rest of the item
/// travels through untouched and comes back in its completion.
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

/// An item that a ledger is done with, and how its commit went.
pub struct Completion<T> {
    pub item: T,
    pub result: CommitResult,
}

/// How the commit of an item went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// It is final.
    Committed {
        /// From 1, without gaps.
        seq: u64,
        /// When, in nanoseconds since the Unix epoch.
        at: u64,
    },
    /// Another process has committed this id with the same content; that
    /// outcome remains.
    AlreadyThere(Outcome),
    /// The id has an outcome of other content, which remains; `None` if it
    /// can't be read.
    OtherContent(Option<Held>),
    /// Unknown: it may be committed or not, and no outcome may be reported.
    InDoubt,
}

/// What a ledger holds under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub seq: u64,
    pub status: Status,
    /// The keyed hash of its content.
    pub content: u128,
}

/// Why a ledger takes no items for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// It has no space.
    Full,
    /// Its servers can't be reached, or can't commit.
    Away,
}

/// Why a ledger can't go on.
#[derive(Debug, thiserror::Error)]
#[error("the ledger failed: {0}")]
pub struct LedgerFailed(pub String);

/// The write side. One thread owns it.
pub trait Ledger<T: Item>: Send {
    /// How many items the next [`append`](Self::append) may bring. 0 means that
    /// the ledger is busy or full: wait for completions.
    fn capacity_left(&self) -> usize;

    /// Takes a batch of at most [`capacity_left`](Self::capacity_left) items
    /// and leaves the vector empty. May block for as long as a commit takes.
    fn append(&mut self, batch: &mut Vec<T>);

    /// Adds the completions that are ready to `done`; from a ledger with one
    /// writer, in the order of their sequences.
    ///
    /// # Errors
    /// When the ledger has failed for good. All items that it still had are
    /// then among `done` as [`CommitResult::InDoubt`], and nothing may be
    /// committed any more.
    fn completions(&mut self, done: &mut Vec<Completion<T>>) -> Result<(), LedgerFailed>;

    /// Returns items that could not be written because the ledger is full, and
    /// that must not be written any more: the process is about to end. They get
    /// no completion.
    fn reclaim(&mut self, _items: &mut Vec<T>) {}

    /// Why it can't take items now, if it can't; it resumes by itself. What it
    /// has gets its completions all the same.
    fn unavailable(&self) -> Option<Unavailable> {
        None
    }
}

/// Tells the committer that completions are ready.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;
