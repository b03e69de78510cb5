//! A server that hangs under load: what is handed to the connection fills
//! every buffer up to it.

use std::fmt::Write;
use std::thread;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Client, get, post, until};
use crate::servers::NatsServer;

/// More than the ledger holds.
const ORDERS: usize = 6000;

fn large_order(number: usize) -> String {
    let padding = "x".repeat(14_000);
    format!(r#"{{"id":"h-{number}","value":1,"x":"{padding}"}}"#)
}

/// Orders that are far more, together, than a socket's buffers hold.
fn batch_of_large_orders() -> String {
    let lines = (0..ORDERS).fold(String::new(), |mut lines, number| {
        writeln!(lines, "{}", large_order(number)).unwrap();
        lines
    });
    format!(
        "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n{lines}",
        lines.len()
    )
}

/// A stream whose messages are sent one by one, as with several copies. Each is
/// sent several times before it is given up, which is more than the connection
/// takes: orders are given up at their deadline all the same.
#[test]
fn orders_are_given_up_in_time_while_the_connection_takes_nothing() {
    let server = NatsServer::start("");
    server.instance(&[]).drain();
    let mut config = server.api("STREAM.INFO.ORDERS", &json!({}))["config"].clone();
    config["allow_atomic"] = json!(false);
    let updated = server.api("STREAM.UPDATE.ORDERS", &config);
    assert!(updated["error"].is_null(), "{updated}");

    let flags = ["--ack-timeout", "5s", "--max-batch-body", "128MiB"];
    let service = server.instance(&flags);
    let batch = batch_of_large_orders();
    server.signal(Signal::STOP);
    let mut client = Client::to(service.http);
    let submitter = thread::spawn(move || client.ask(batch));
    until("not ready", || get(service.admin, "/readyz").status == 503);
    let figures = service.settled();
    let given_up = figures.count(r#"orders_withdrawn{reason="ledger"}"#);
    assert!(given_up > 0 && given_up == figures.count("orders_accepted"));
    assert_eq!(get(service.admin, "/readyz").status, 503);
    let results = submitter.join().unwrap();
    assert_eq!(results.text().lines().count(), ORDERS);
    for line in results.text().lines() {
        assert!(line.contains(r#""status":"rejected""#), "{line}");
    }

    // What was given up may be stored; a retry finds out.
    server.signal(Signal::CONT);
    until("ready again", || {
        get(service.admin, "/readyz").status == 200
    });
    until("an outcome", || {
        let reply = post(service.http, "", &large_order(0));
        reply.status / 100 == 2
    });
    service.settled();
    service.drain();
}
