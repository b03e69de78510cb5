//! W3C Trace Context over HTTP: what a request says of its trace stands in the
//! record of its order, in the feed, and in what a drain saves.

mod harness;

use harness::{Client, Directory, Service, get, on_both_engines, post, submit, until};
use serde_json::Value;

on_both_engines!(
    a_valid_one_stands_in_the_record,
    an_invalid_one_is_ignored,
    a_duplicate_keeps_the_first,
);

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-00";

fn traced(traceparent: &str) -> String {
    format!("traceparent: {traceparent}\r\n")
}

/// Submits an order with these header lines, and returns its record's member.
#[track_caller]
fn recorded(service: &Service, id: &str, lines: &str) -> Option<String> {
    let reply = post(
        service.http,
        lines,
        &format!(r#"{{"id":"{id}","value":1}}"#),
    );
    assert_eq!(reply.status, 201, "{lines} {reply:?}");
    stored(service, id)
}

#[track_caller]
fn stored(service: &Service, id: &str) -> Option<String> {
    let line = get(service.http, &format!("/orders/{id}")).json();
    assert!(line["client"].is_null(), "nobody is asked who they are");
    Some(line.get("traceparent")?.as_str().unwrap().to_owned())
}

fn a_valid_one_stands_in_the_record(engine: &str) {
    let service = Service::on(engine, &[]);
    let lines = traced(TRACEPARENT);
    assert_eq!(
        recorded(&service, "a", &lines).as_deref(),
        Some(TRACEPARENT)
    );
    // Names of headers have no case; what surrounds a value is no part of it.
    let lines = format!("TraceParent:  {OTHER}  \r\ntracestate: a=b\r\n");
    assert_eq!(recorded(&service, "b", &lines).as_deref(), Some(OTHER));
    // A later version is read as far as it is known.
    let lines = traced("01-11111111111111111111111111111111-2222222222222222-00-more");
    assert_eq!(recorded(&service, "c", &lines).as_deref(), Some(OTHER));
    assert_eq!(recorded(&service, "d", ""), None);
}

fn an_invalid_one_is_ignored(engine: &str) {
    let service = Service::on(engine, &[]);
    let twice = traced(TRACEPARENT) + &traced(TRACEPARENT);
    let thrice = twice.clone() + &traced(OTHER);
    for (number, lines) in [
        twice,
        thrice,
        traced(""),
        traced("x"),
        traced("é"),
        traced(&TRACEPARENT.to_uppercase()),
        traced(&TRACEPARENT.replacen("00", "ff", 1)),
        traced(&format!("{TRACEPARENT}-more")),
        traced(&format!("{TRACEPARENT},{OTHER}")),
        traced("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        traced("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(recorded(&service, &format!("a-{number}"), lines), None);
    }
}

fn a_duplicate_keeps_the_first(engine: &str) {
    let service = Service::on(engine, &[]);
    recorded(&service, "a", &traced(TRACEPARENT));
    let body = r#"{"id":"a","value":1}"#;
    for lines in [traced(OTHER), String::new()] {
        assert_eq!(post(service.http, &lines, body).status, 200);
        assert_eq!(stored(&service, "a").as_deref(), Some(TRACEPARENT));
    }
    recorded(&service, "b", "");
    let body = r#"{"id":"b","value":1}"#;
    assert_eq!(post(service.http, &traced(OTHER), body).status, 200);
    assert_eq!(stored(&service, "b"), None);
}

#[test]
fn a_batch_is_one_submission_and_survives_restarts() {
    let directory = Directory::new();
    let service = directory.start(&["--max-value", "10"]);
    let body = "{\"id\":\"a\",\"value\":1}\n{\"id\":\"b\",\"value\":11}\n";
    let ndjson = "application/x-ndjson";
    let batch = submit(&traced(TRACEPARENT), body).replace("application/json", ndjson);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(batch).status, 200);
    // The next request on the connection is another submission.
    let alone = submit("", r#"{"id":"c","value":1}"#);
    assert_eq!(client.ask(alone).status, 201);
    let members = |page: &str| -> Vec<Value> {
        let lines = page.lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["traceparent"].clone()).collect()
    };
    let expected = [TRACEPARENT.into(), TRACEPARENT.into(), Value::Null];
    let page = get(service.http, "/orders?after=0").text().to_owned();
    assert_eq!(members(&page), expected);
    drop(service); // killed

    let service = directory.start(&["--max-value", "10"]);
    assert_eq!(get(service.http, "/orders?after=0").text(), page);
    assert_eq!(
        post(service.http, &traced(OTHER), r#"{"id":"a","value":1}"#).status,
        200
    );
    assert_eq!(get(service.http, "/orders?after=0").text(), page);
    service.drain();
    let mut cat = Service::command();
    let cat = cat.args(["journal", "cat", "--data-dir"]).arg(&directory.0);
    let printed = String::from_utf8(cat.output().unwrap().stdout).unwrap();
    assert_eq!(printed, page);
}

#[test]
fn an_order_that_a_drain_saves_keeps_it() {
    let directory = Directory::new();
    let stuck = ["--processor", "simulate", "--simulate", "10m..10m"];
    let stuck = [&stuck[..], &["--drain-timeout", "200ms"]].concat();
    let service = directory.start(&stuck);
    let lines = format!("Prefer: respond-async\r\n{}", traced(TRACEPARENT));
    let body = |id: &str| format!(r#"{{"id":"{id}","value":1}}"#);
    assert_eq!(post(service.http, &lines, &body("a")).status, 202);
    let lines = "Prefer: respond-async\r\n";
    assert_eq!(post(service.http, lines, &body("b")).status, 202);
    service.terminate();
    assert_eq!(service.wait(harness::PATIENCE).code, Some(3));

    // Saved once more by a process that can't decide either.
    let service = directory.start(&stuck);
    service.terminate();
    assert_eq!(service.wait(harness::PATIENCE).code, Some(3));

    let service = directory.start(&[]);
    let committed = |id: &str| {
        let line = get(service.http, &format!("/orders/{id}")).json();
        line["status"] == "processed"
    };
    until("both have outcomes", || committed("a") && committed("b"));
    assert_eq!(stored(&service, "a").as_deref(), Some(TRACEPARENT));
    assert_eq!(stored(&service, "b"), None);
}
