//! How an order's way through the pipeline ends, and the oneshot its submitter
//! waits on.

use std::sync::Arc;

use crate::ledger::Outcome;
use crate::sync::oneshot::Oneshot;

/// Why an admitted order got no outcome. Its id is free again, and sending it
/// again is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// The processor met a passing trouble, named here.
    Retry(Arc<str>),
    /// The drain deadline passed first.
    Drain,
    /// The ledger failed; whether the order is in it is not known.
    Ledger,
    /// The ledger did not confirm the order in time; whether it is in it is not
    /// known, and sending it again is safe all the same.
    Unconfirmed,
}

/// What an order's way through the pipeline came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Committed.
    Committed(Outcome),
    /// Another process has committed this id with the same content: its
    /// outcome.
    AlreadyThere(Outcome),
    /// Another process has committed this id with other content.
    OtherContent,
    /// Withdrawn: no outcome.
    Withdrawn(Withdrawal),
}

/// What a submitter waits on.
pub(crate) type Waiter = Oneshot<Answer>;
