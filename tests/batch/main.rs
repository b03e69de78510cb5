//! `POST /submit` with `application/x-ndjson`: a result for each line, whatever
//! the line is, and limits that hold.

#[path = "../harness/mod.rs"]
mod harness;

mod backpressure;
mod chunked;
mod drain;
mod encoded;
mod journal;
mod limits;
mod lines;
mod random;
mod shares;
mod slow_clients;

use serde_json::Value;

use crate::harness::{Reply, Service};

/// A request that submits this body as a batch.
fn batch(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{}Content-Length: {length}\r\n{headers}\r\n{body}", head())
}

fn head() -> &'static str {
    "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n"
}

/// An order's line.
fn line(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"value\":1}}\n")
}

/// Many of them.
fn lines(name: &str, count: usize) -> String {
    (0..count).map(|n| line(&format!("{name}-{n}"))).collect()
}

/// The results of a batch that was taken.
#[track_caller]
fn results(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    text.lines().map(parse).collect()
}

/// The status of each line.
fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect()
}

/// How many lines have this status.
fn count(results: &[Value], status: &str) -> usize {
    results.iter().filter(|r| r["status"] == status).count()
}

/// A service with one worker that takes so long for an order.
fn slow(time: &str, flags: &[&str]) -> Service {
    Service::slow("native", "1", time, flags)
}
