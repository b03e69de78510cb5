//! What admission says of a submission: taken, or why not.

use crate::admission::ticket::Ticket;
use crate::admission::wording;
use crate::ledger::Outcome;
use crate::order::{Invalid, Order};
use crate::pipeline::gate::GateState;

/// Why a submission was not taken. Nothing of it remains.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// It isn't an order.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The same id is being submitted at this moment.
    #[error("{}", wording::BUSY)]
    Busy,
    /// The id belongs to an order with other content.
    #[error("{}", wording::conflict(*committed))]
    Conflict {
        /// Whether that order is committed, so that it will stay so.
        committed: bool,
    },
    /// The queue is full, in orders or in bytes.
    #[error("{}", wording::FULL)]
    Full {
        /// Whole seconds until it should be worth trying again.
        retry_after: u32,
    },
    /// The gate is closed: recovering, draining or ledger down.
    #[error("{}", wording::closed(*.0))]
    Closed(GateState),
}

/// The result of offering an order that is one of many.
#[derive(Debug)]
pub(crate) enum Offered {
    /// It was taken, or is a duplicate.
    Admitted(Admitted),
    /// It was not taken, and won't be.
    Rejected(Rejection),
    /// The queue is full: the order back, uncounted. Offer it again after
    /// progress ([`Admission::watch`](crate::admission::Admission::watch)), or
    /// [give it up](crate::admission::Admission::give_up).
    Full(Order),
}

/// A submission that was taken, or that is a duplicate.
#[derive(Debug)]
pub enum Admitted {
    /// In the queue, or (a duplicate) waiting for the order that is.
    Waiting(Ticket),
    /// A duplicate of a committed order: its outcome, without the reason of a
    /// failed one, which the archive has.
    Committed(Outcome),
}
