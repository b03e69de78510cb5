//! One pending order, and all of a file.

use std::borrow::Cow;

use crate::order::Order;

/// An order that was acknowledged as queued and has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOrder<'a> {
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    pub id: Cow<'a, str>,
    /// The JSON.
    pub order: Cow<'a, str>,
}

impl<'a> PendingOrder<'a> {
    pub(crate) fn new(accepted_at: u64, order: &'a Order) -> Self {
        Self {
            accepted_at,
            id: order.id().as_str().into(),
            order: order.json().into(),
        }
    }
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PendingOrders {
    /// None of them was committed up to this sequence.
    pub(crate) after_seq: u64,
    pub(crate) orders: Vec<PendingOrder<'static>>,
}
