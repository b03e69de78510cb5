//! An outcome as a program reads it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rust_decimal::Decimal;

use crate::ledger::{Record, Status};
use crate::order::{HashKey, Invalid, Order, OrderId, TraceParent, decode};

/// An order with its outcome, as the ledger has it: a line of the feed.
#[derive(Clone, Debug)]
pub struct CommittedOrder {
    record: Arc<Record>,
    order: Order,
}

impl CommittedOrder {
    pub(super) fn new(record: Arc<Record>, key: &HashKey) -> Result<Self, Invalid> {
        let order = decode(record.order.as_bytes(), key)?;
        Ok(Self { record, order })
    }

    /// Its sequence: from 1 without gaps; on NATS others may leave some.
    pub fn seq(&self) -> u64 {
        self.record.outcome.seq
    }

    /// As [`Order::id`].
    pub fn id(&self) -> &OrderId {
        self.order.id()
    }

    /// As [`Order::value`].
    pub fn value(&self) -> Decimal {
        self.order.value()
    }

    /// As [`Order::json`].
    pub fn json(&self) -> &str {
        self.order.json()
    }

    /// Whether it was processed; else it failed.
    pub fn is_processed(&self) -> bool {
        self.record.outcome.status == Status::Processed
    }

    /// Why it failed, in at most 256 bytes; `None` if it was processed.
    pub fn reason(&self) -> Option<&str> {
        self.record.outcome.reason.as_deref()
    }

    /// When it was admitted.
    pub fn accepted_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.record.accepted_at)
    }

    /// When its outcome was committed.
    pub fn committed_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.record.committed_at)
    }

    /// As [`Order::client`].
    pub fn client(&self) -> Option<&str> {
        self.record.submitter.as_ref()?.client.as_deref()
    }

    /// As [`Order::traceparent`].
    pub fn traceparent(&self) -> Option<TraceParent> {
        self.record.submitter.as_ref()?.traceparent
    }
}
