//! Outcomes and records of the ledger as messages.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::grpc::proto::{Order, OrderRecord, OrderStatus};
use crate::ledger::{Outcome, Record, Status};
use crate::order;

pub(super) fn order_status(status: Status) -> OrderStatus {
    match status {
        Status::Processed => OrderStatus::Processed,
        Status::Failed => OrderStatus::Failed,
    }
}

/// Why a failed order failed, else empty.
pub(super) fn reason(outcome: &Outcome) -> String {
    outcome.reason.as_deref().unwrap_or_default().to_owned()
}

/// A committed outcome with all that the ledger holds of it.
pub(super) fn order_record(record: &Record) -> OrderRecord {
    let order::Parts { value, others } = order::Parts::of(&record.order);
    let submitter = record.submitter.as_deref();
    let client = submitter.and_then(|submitter| submitter.client.as_deref());
    let traceparent = submitter.and_then(|submitter| submitter.traceparent);
    OrderRecord {
        seq: record.outcome.seq,
        status: order_status(record.outcome.status).into(),
        reason: reason(&record.outcome),
        accept_time: Some(timestamp(record.accepted_at)),
        commit_time: Some(timestamp(record.committed_at)),
        order: Some(Order {
            id: record.id.as_ref().to_owned(),
            value,
            attributes_json: others,
        }),
        client: client.unwrap_or_default().to_owned(),
        traceparent: traceparent.map_or_else(String::new, |it| it.to_string()),
    }
}

/// The seconds of a valid timestamp: from the year 1 to 9999.
const TIMESTAMP_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Nanoseconds since the Unix epoch; `None` if it isn't valid. A time before the
/// epoch is as good as that, and one too late for the type as good as its last:
/// no outcome lies between.
pub(super) fn unix_nanos(timestamp: &prost_types::Timestamp) -> Option<u64> {
    let prost_types::Timestamp { seconds, nanos } = *timestamp;
    let is_valid = TIMESTAMP_SECONDS.contains(&seconds) && (0..1_000_000_000).contains(&nanos);
    let unix_nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    is_valid.then(|| unix_nanos.clamp(0, i128::from(u64::MAX)) as u64)
}

fn timestamp(unix_nanos: u64) -> prost_types::Timestamp {
    let at: SystemTime = UNIX_EPOCH + Duration::from_nanos(unix_nanos);
    at.into()
}
