//! What a claim is, and what a try to make one comes to.

use std::sync::Arc;

/// A claim held: a slot and the generation it was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The result of a try to claim an id.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The id is the caller's.
    Mine(Claim),
    /// Another submission is claiming it at this moment.
    Busy,
    /// An order with this id is in flight.
    InFlight {
        /// The other submission's claim.
        claim: Claim,
        /// Whether it carries the same content.
        same: bool,
    },
    /// No slot is free.
    Full,
}

/// What the end of a claim leaves to do.
pub struct Ended<W> {
    /// The order was acknowledged as queued.
    pub acked: bool,
    /// The duplicates that wait for the order's answer.
    pub waiters: Vec<Arc<W>>,
}

/// The result of a try to withdraw an order that nobody has acknowledged.
pub enum Unacked<W> {
    /// It is withdrawn, and can't be acknowledged any more.
    Withdrawn(Ended<W>),
    /// It is acknowledged as queued, and still claimed.
    Acknowledged,
    /// It had ended already.
    Ended,
}
