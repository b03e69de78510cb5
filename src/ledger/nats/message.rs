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

use std::sync::Arc;
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
        headers.insert(named(REASON), percent_encoded(reason));
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
        let reason = header(REASON).as_deref().map(percent_decoded);
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

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let outermost = at == 0 || at + 1 == text.len();
        match byte {
            b'!'..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            b' ' if !outermost => encoded.push(' '), // others are trimmed by readers
            _ => write!(encoded, "%{byte:02X}").expect("a String takes all that is written"),
        }
    }
    encoded
}

/// What can't be decoded stays as it is.
fn percent_decoded(text: &str) -> Arc<str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Client, Order, Submission};

    struct Plain(Order, Option<Arc<str>>);

    impl Item for Plain {
        fn order(&self) -> &Order {
            &self.0
        }
        fn accepted_at(&self) -> u64 {
            1_700_000_000_123_456_789
        }
        fn status(&self) -> Status {
            match self.1 {
                Some(_) => Status::Failed,
                None => Status::Processed,
            }
        }
        fn reason(&self) -> Option<&Arc<str>> {
            self.1.as_ref()
        }
    }

    fn key() -> HashKey {
        HashKey::from_bytes([1; 16])
    }

    fn item(reason: Option<&str>) -> Plain {
        let json = br#"{"id":"o-1", "value":100.50, "side":"buy"}"#;
        Plain(
            decode_with(json, &key(), |_| ()).unwrap(),
            reason.map(Into::into),
        )
    }

    /// A message as a replica sends it back.
    fn direct(item: &Plain, subject: &str) -> async_nats::Message {
        let mut headers = headers(item, "ORDERS", "ab-1".to_owned());
        headers.insert("Nats-Subject", subject);
        headers.insert("Nats-Sequence", "7");
        headers.insert("Nats-Time-Stamp", "2026-11-25T21:00:00.5Z");
        async_nats::Message {
            subject: "_INBOX.x".into(),
            reply: None,
            payload: item.order().json().to_owned().into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        for reason in [None, Some("too much: 100% größer\r\nX: y")] {
            let item = item(reason);
            let stored = Stored::of_direct(&direct(&item, "orders.o-1"), &key()).unwrap();
            let Record {
                outcome,
                accepted_at,
                committed_at,
                id,
                order,
                submitter,
            } = stored.record;
            assert_eq!((outcome.seq, outcome.status), (7, item.status()));
            assert_eq!(outcome.reason.as_deref(), reason);
            assert_eq!(accepted_at, item.accepted_at());
            assert_eq!(committed_at % 1_000_000_000, 500_000_000);
            assert_eq!((&*id, &*order), ("o-1", item.order().json()));
            assert_eq!(submitter, Submitter::of(item.order().submission()));
            assert_eq!(stored.content, item.order().content_hash());
            assert_eq!(&*stored.submission, "ab-1");
        }
    }

    #[test]
    fn who_submitted_it_is_read_again_unless_somebody_else_wrote_it() {
        let mut item = item(None);
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        item.0.set_submission(Submission {
            client: Some(Client::named("desk-7").unwrap()),
            traceparent: TraceParent::parse(traceparent.as_bytes()),
        });
        let mut message = direct(&item, "orders.o-1");
        let submitter = |message: &async_nats::Message| {
            let stored = Stored::of_direct(message, &key()).unwrap();
            stored.record.submitter
        };
        assert_eq!(submitter(&message), Submitter::of(item.0.submission()));
        let headers = message.headers.as_mut().unwrap();
        headers.insert(named(CLIENT), "two words");
        headers.insert(named(TRACEPARENT), "00-0-0-00");
        assert_eq!(submitter(&message), None);
    }

    #[test]
    fn a_message_of_the_api_reads_alike() {
        // printf 'NATS/1.0\r\nOrders-Status: failed\r\norders-reason: a%%20b\r\n\r\n' | base64
        let message = StoredMessage {
            subject: "orders.a".to_owned(),
            seq: 3,
            hdrs: "TkFUUy8xLjANCk9yZGVycy1TdGF0dXM6IGZhaWxlZA0Kb3JkZXJzLXJlYXNvbjogYSUyMGINCg0K"
                .to_owned(),
            data: "eyJpZCI6ImEiLCJ2YWx1ZSI6MX0=".to_owned(),
            time: "2026-11-25T21:00:00.123456789Z".to_owned(),
        };
        let stored = Stored::of_api(&message, &key()).unwrap();
        let outcome = &stored.record.outcome;
        assert_eq!((outcome.seq, outcome.status), (3, Status::Failed));
        assert_eq!(outcome.reason.as_deref(), Some("a b"));
        assert_eq!(&*stored.record.order, r#"{"id":"a","value":1}"#);
        assert_eq!(stored.record.committed_at % 1_000_000_000, 123_456_789);
    }

    #[test]
    fn what_is_no_outcome_is_foreign() {
        let read = |message| Stored::of_direct(&message, &key()).map_err(|it| it.why);
        let other_subject = direct(&item(None), "orders.o-2");
        assert_eq!(
            read(other_subject).unwrap_err(),
            "its subject names another order"
        );
        let mut no_status = direct(&item(None), "orders.o-1");
        no_status
            .headers
            .as_mut()
            .unwrap()
            .insert(named(STATUS), "new");
        assert_eq!(read(no_status).unwrap_err(), "it has no Orders-Status");
        let mut no_order = direct(&item(None), "orders.o-1");
        no_order.payload = "{}".into();
        assert_eq!(read(no_order).unwrap_err(), "its payload is no order");
    }

    #[test]
    fn reasons_survive_whatever_they_hold() {
        for reason in [
            "",
            "plain",
            "%",
            "%2",
            "%zz",
            "a%41",
            "\0\r\n\t",
            "größer ✓",
            "100% %25",
            " a  b ",
            " ",
        ] {
            let encoded = percent_encoded(reason);
            assert_eq!(encoded.trim(), encoded);
            assert!(
                encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{encoded}"
            );
            assert_eq!(&*percent_decoded(&encoded), reason);
        }
    }
}
