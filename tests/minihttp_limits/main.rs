//! What `may_minihttp` does on the wire, point by point: why it does not serve
//! the order port by default, and what the adapter in front of it makes good.

#[path = "../harness/mod.rs"]
mod harness;

mod adapter;
mod deadlines;
mod engine;
mod unserved;

use std::io::ErrorKind;
use std::time::Duration;

use crate::harness::{Client, PATIENCE, Service};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n";

fn service() -> Service {
    Service::on("may_minihttp", &["--max-body", "1KiB"])
}

/// Whether nothing comes and the connection stays open for a while: the state
/// that is to be shown has no event to wait for.
fn stays_open(client: &mut Client) -> bool {
    let mut byte = [0];
    let stream = &mut client.stream;
    stream
        .set_read_timeout(Some(Duration::from_millis(400)))
        .unwrap();
    let read = std::io::Read::read(stream, &mut byte);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}
