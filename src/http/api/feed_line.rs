//! A committed order as clients read it: a line of the feed, and the header
//! that tells one ledger's sequences from another's.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::admission::Admission;
use crate::http::wire::reply::Reply;
use crate::ledger::{Outcome, Record, Submitter};

/// The header that names the ledger.
pub(crate) const LEDGER_ID: &str = "Orders-Ledger-Id";

/// The same reply with that header, once the ledger is open.
pub(crate) fn with_ledger_id(reply: Reply, admission: &Admission) -> Reply {
    match admission.archive() {
        Some(archive) => reply.with_header(LEDGER_ID, archive.ledger_id().to_string()),
        None => reply,
    }
}

/// One line of the feed, without its line end.
pub fn line(record: &Record) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(record, &mut line);
    line
}

/// Appends such a line.
pub(crate) fn write_line(record: &Record, line: &mut Vec<u8>) {
    let Outcome {
        seq,
        status,
        reason,
    } = &record.outcome;
    write!(
        line,
        r#"{{"seq":{seq},"id":"{}","status":"{}","accepted_at":"{}","committed_at":"{}""#,
        record.id,
        status.as_str(),
        time(record.accepted_at),
        time(record.committed_at),
    )
    .expect("a Vec takes all that is written");
    if let Some(reason) = reason {
        line.extend_from_slice(br#","detail":"#);
        serde_json::to_writer(&mut *line, &**reason).expect("a string is written to memory");
    }
    if let Some(submitter) = &record.submitter {
        write_submitter(submitter, line);
    }
    line.extend_from_slice(br#","order":"#);
    line.extend_from_slice(record.order.as_bytes());
    line.push(b'}');
}

/// Neither a client's name nor a trace context has anything to escape.
fn write_submitter(submitter: &Submitter, line: &mut Vec<u8>) {
    if let Some(client) = &submitter.client {
        write!(line, r#","client":"{client}""#).expect("a Vec takes all that is written");
    }
    if let Some(traceparent) = submitter.traceparent {
        write!(line, r#","traceparent":"{traceparent}""#).expect("a Vec takes all");
    }
}

/// RFC 3339, UTC, to the microsecond.
fn time(unix_nanos: u64) -> humantime::Rfc3339Timestamp {
    let at: SystemTime = UNIX_EPOCH + Duration::from_nanos(unix_nanos);
    humantime::format_rfc3339_micros(at)
}

#[cfg(test)]
mod tests {
    use serde_json::Value::Null;

    use crate::ledger::Status;
    use crate::order::TraceParent;

    use super::*;

    #[test]
    fn a_line_is_json_with_the_order_as_it_came() {
        let mut record = Record {
            outcome: Outcome {
                seq: 17,
                status: Status::Processed,
                reason: None,
            },
            accepted_at: 1_700_000_000_123_456_789,
            committed_at: 1_700_000_001_000_000_000,
            id: "ord-1".into(),
            order: r#"{"id":"ord-1","value":100.50}"#.into(),
            submitter: None,
        };
        let text = |record: &Record| String::from_utf8(line(record)).unwrap();
        assert_eq!(
            text(&record),
            r#"{"seq":17,"id":"ord-1","status":"processed","accepted_at":"2023-11-14T22:13:20.123456Z","committed_at":"2023-11-14T22:13:21.000000Z","order":{"id":"ord-1","value":100.50}}"#
        );
        record.outcome.status = Status::Failed;
        record.outcome.reason = Some("said \"no\"".into());
        let json: serde_json::Value = serde_json::from_str(&text(&record)).unwrap();
        assert_eq!(json["detail"], "said \"no\"");
        assert_eq!(json["status"], "failed");
        assert_eq!((&json["client"], &json["traceparent"]), (&Null, &Null));
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        record.submitter = Submitter::boxed(
            Some("desk-7".into()),
            TraceParent::parse(traceparent.as_bytes()),
        );
        let json: serde_json::Value = serde_json::from_str(&text(&record)).unwrap();
        assert_eq!(json["client"], "desk-7");
        assert_eq!(json["traceparent"], traceparent);
    }
}
