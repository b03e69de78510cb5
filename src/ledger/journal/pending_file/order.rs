//! One pending order, and all of a file.

use std::borrow::Cow;

use crate::order::{Order, TraceParent};

/// An order that was acknowledged as queued and has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOrder<'a> {
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    pub id: Cow<'a, str>,
    /// The JSON.
    pub order: Cow<'a, str>,
    /// Who submitted it, if that is known.
    pub client: Option<Cow<'a, str>>,
    /// The trace that its submission belongs to.
    pub traceparent: Option<TraceParent>,
}

impl<'a> PendingOrder<'a> {
    pub(crate) fn new(accepted_at: u64, order: &'a Order) -> Self {
        Self {
            accepted_at,
            id: order.id().as_str().into(),
            order: order.json().into(),
            client: order.client().map(Into::into),
            traceparent: order.traceparent(),
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
