//! Messages as the stream has them, read again.

use std::sync::Arc;

use crate::ledger::nats::message::{CLIENT, STATUS, Stored, TRACEPARENT, headers, named};
use crate::ledger::nats::protocol::StoredMessage;
use crate::ledger::{Item, Record, Status, Submitter};
use crate::order::{Client, HashKey, Order, Submission, TraceParent, decode_with};

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
