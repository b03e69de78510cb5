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
}

/// What an order's way through the pipeline came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Committed.
    Committed(Outcome),
    /// Withdrawn: no outcome.
    Withdrawn(Withdrawal),
}

/// What a submitter waits on.
pub(crate) type Waiter = Oneshot<Answer>;
