//! Requests that submit batches, and what their replies say.

use std::io::Write;
use std::thread;

use serde_json::Value;

use crate::harness::{Client, Reply, Service};

/// A request that submits this body as a batch.
pub(crate) fn batch(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{}Content-Length: {length}\r\n{headers}\r\n{body}", head())
}

pub(crate) fn head() -> &'static str {
    "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n"
}

pub(crate) fn chunked(body: &str, size: usize) -> String {
    let mut request = format!("{}Transfer-Encoding: chunked\r\n\r\n", head());
    for chunk in body.as_bytes().chunks(size) {
        let chunk = std::str::from_utf8(chunk).unwrap();
        request.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    request + "0\r\n\r\n"
}

/// An order's line.
pub(crate) fn line(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"value\":1}}\n")
}

/// Many of them.
pub(crate) fn lines(name: &str, count: usize) -> String {
    (0..count).map(|n| line(&format!("{name}-{n}"))).collect()
}

/// The results of a batch that was taken.
#[track_caller]
pub(crate) fn results(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    text.lines().map(parse).collect()
}

/// The status of each line.
pub(crate) fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect()
}

/// How many lines have this status.
pub(crate) fn count(results: &[Value], status: &str) -> usize {
    results.iter().filter(|r| r["status"] == status).count()
}

/// A service with one worker that takes so long for an order.
pub(crate) fn slow(time: &str, flags: &[&str]) -> Service {
    Service::slow("native", "1", time, flags)
}

/// Sends blank lines without an end, faster than they are read.
pub(crate) fn pours(service: &Service) -> Client {
    let mut client = Client::to(service.http);
    client.send(format!("{}Content-Length: 60000000000\r\n\r\n", head()));
    let mut stream = client.stream.try_clone().expect("a descriptor");
    thread::spawn(move || {
        let piece = vec![b'\n'; 1 << 20];
        while stream.write_all(&piece).is_ok() {}
    });
    client
}

pub(crate) const LARGE: [&str; 2] = ["--max-batch-body", "64GiB"];
