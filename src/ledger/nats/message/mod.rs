//! An outcome as a message, which any NATS client can read.
//!
//! | part | holds |
//! |---|---|
//! | subject | `orders.<id>` |
//! | payload | the order's JSON, white space outside strings stripped |
//! | `Orders-Status` | `processed` or `failed` |
//! | `Orders-Reason` | of a failed one: the reason, percent-encoded (RFC 3986 section 2.1) but for printable ASCII |
//! | `Orders-Accepted-At` | when it was admitted: nanoseconds since the Unix epoch |
//! | `Orders-Client` | who submitted it, if that is known |
//! | `traceparent` | the trace that its submission belongs to (W3C Trace Context), if it has one |
//! | `Orders-Submission` | which instance wrote it, and its how manyeth message this is |
//! | `Nats-Expected-Stream`, `Nats-Expected-Last-Subject-Sequence`, `Nats-Batch-*` | what the publisher expected, and the batch it was sent in; the stream stores them, too |
//!
//! Sequence and commit time are the stream's own. The order is decoded by the
//! same rules as a submitted one; a message that doesn't pass is somebody
//! else's, and [foreign](Foreign).

mod percent;
#[cfg(test)]
mod tests;

use std::time::UNIX_EPOCH;

use async_nats::header::{HeaderMap, HeaderName};

use crate::ledger::nats::base64;
use crate::ledger::nats::protocol::StoredMessage;
use crate::ledger::{Item, Outcome, Record, Status, Submitter};
use crate::order::{HashKey, TraceParent, decode_with, is_client_name};

/// What an order's subject begins with.
pub(super) const SUBJECT_PREFIX: &str = "orders.";
/// The subjects that the stream stores.
pub(super) const SUBJECTS: &str = "orders.*";
/// Bytes of a message beside the order, at most: a reason of 256 bytes, each of
/// them encoded, and the other headers.
pub(super) const OVERHEAD_BYTES: usize = 3 * 256 + 1024 + 256;

const STATUS: &str = "Orders-Status";
const REASON: &str = "Orders-Reason";
const ACCEPTED_AT: &str = "Orders-Accepted-At";
const CLIENT: &str = "Orders-Client";
const TRACEPARENT: &str = "traceparent";
const SUBMISSION: &str = "Orders-Submission";
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";

const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";
const SUBJECT: &str = "Nats-Subject";
const SEQUENCE: &str = "Nats-Sequence";
const TIME: &str = "Nats-Time-Stamp";

/// A header's name, without a copy of it.
const fn named(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// The subject of an order.
pub(super) fn subject(id: &str) -> String {
    format!("{SUBJECT_PREFIX}{id}")
}

/// The headers of an item's message.
pub(super) fn headers(item: &impl Item, stream: &str, submission: String) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(named(EXPECTED_STREAM), stream);
    headers.insert(named(EXPECTED_LAST), "0");
    headers.insert(named(STATUS), item.status().as_str());
    if let Some(reason) = item.reason() {
        headers.insert(named(REASON), percent::encoded(reason));
    }
    headers.insert(named(ACCEPTED_AT), item.accepted_at().to_string());
    let submitted = item.order().submission();
    if let Some(client) = submitted.client {
        headers.insert(named(CLIENT), client.as_str());
    }
    if let Some(traceparent) = submitted.traceparent {
        headers.insert(named(TRACEPARENT), traceparent.to_string());
    }
    headers.insert(named(SUBMISSION), submission);
    headers
}

/// Makes a message the one at this place, from 1, of a batch.
pub(super) fn add_batch(headers: &mut HeaderMap, id: &str, at: usize, is_last: bool) {
    headers.insert(named(BATCH_ID), id);
    headers.insert(named(BATCH_SEQUENCE), at.to_string());
    if is_last {
        headers.insert(named(BATCH_COMMIT), "1");
    }
}

/// A message of the stream that is no outcome in this format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) seq: u64,
    pub(super) why: &'static str,
}

/// An outcome that was read from the stream.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) record: Record,
    /// The keyed hash of its content.
    pub(super) content: u128,
    pub(super) submission: Box<str>,
}

impl Stored {
    /// What the leader has read.
    pub(super) fn of_api(message: &StoredMessage, key: &HashKey) -> Result<Self, Foreign> {
        let StoredMessage {
            subject,
            seq,
            hdrs,
            data,
            time,
        } = message;
        let foreign = |why| Foreign { seq: *seq, why };
        let headers = base64::decode(hdrs).and_then(|bytes| String::from_utf8(bytes).ok());
        let headers = headers.ok_or(foreign("its headers can't be read"))?;
        let payload = base64::decode(data).ok_or(foreign("its payload can't be read"))?;
        let header = |name: &'static str| {
            let value_of = |line: &str| {
                let (before, value) = line.split_once(':')?;
                let same = before.eq_ignore_ascii_case(name);
                same.then(|| value.trim().to_owned())
            };
            headers.split("\r\n").find_map(value_of)
        };
        Self::new(subject, *seq, time, &payload, key, header)
    }

    /// What a replica has read, with sequence, time and subject as headers.
    pub(super) fn of_direct(message: &async_nats::Message, key: &HashKey) -> Result<Self, Foreign> {
        let header = |name| {
            let headers = message.headers.as_ref()?;
            Some(headers.get(named(name))?.as_str().to_owned())
        };
        let seq = sequence(message).unwrap_or(0);
        let subject = header(SUBJECT).unwrap_or_default();
        let time = header(TIME).unwrap_or_default();
        Self::new(&subject, seq, &time, &message.payload, key, header)
    }

    fn new(
        subject: &str,
        seq: u64,
        time: &str,
        payload: &[u8],
        key: &HashKey,
        header: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, Foreign> {
        let foreign = |why| Foreign { seq, why };
        let status = match header(STATUS).as_deref() {
            Some("processed") => Status::Processed,
            Some("failed") => Status::Failed,
            _ => return Err(foreign("it has no Orders-Status")),
        };
        let order = decode_with(payload, key, |_| ());
        let order = order.map_err(|_| foreign("its payload is no order"))?;
        let id = order.id().as_str();
        if subject.strip_prefix(SUBJECT_PREFIX) != Some(id) {
            return Err(foreign("its subject names another order"));
        }
        let reason = header(REASON).as_deref().map(percent::decoded);
        // What somebody else has put there is left out.
        let client = header(CLIENT).filter(|name| is_client_name(name));
        let traceparent = header(TRACEPARENT);
        let traceparent = traceparent.and_then(|text| TraceParent::parse(text.as_bytes()));
        let accepted_at = header(ACCEPTED_AT).and_then(|nanos| nanos.parse().ok());
        Ok(Self {
            content: order.content_hash(),
            submission: header(SUBMISSION).unwrap_or_default().into(),
            record: Record {
                outcome: Outcome {
                    seq,
                    status,
                    reason: reason.filter(|_| status == Status::Failed),
                },
                accepted_at: accepted_at.unwrap_or(0),
                committed_at: unix_nanos(time).ok_or(foreign("it has no time"))?,
                id: id.into(),
                order: order.json().into(),
                submitter: Submitter::boxed(client.map(Into::into), traceparent),
            },
        })
    }
}

/// The sequence of a message that a replica has read.
pub(super) fn sequence(message: &async_nats::Message) -> Option<u64> {
    let headers = message.headers.as_ref()?;
    headers.get(named(SEQUENCE))?.as_str().parse().ok()
}

/// An RFC 3339 time in nanoseconds since the Unix epoch.
fn unix_nanos(time: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(time).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}
