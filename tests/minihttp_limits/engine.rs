//! The engine's own limits, as published in 0.1.11. A test here that fails
//! after an upgrade is good news: the engine got better, and the docs and
//! `minihttp::LIMITS` should say so.

use crate::harness::{Client, Service, get, order, submit};
use crate::{HEALTH, service, stays_open};

#[test]
fn it_says_at_start_what_it_lacks() {
    let log = service().drain().log;
    let line = log
        .lines()
        .find(|line| line.contains("served by may_minihttp"));
    let line = line.expect("a warning");
    assert!(line.contains("WARN") && line.contains(order_processor::internals::LIMITS));
    assert!(!Service::start(&[]).drain().log.contains("may_minihttp"));
}

#[test]
fn seventeen_headers_close_the_connection_silently() {
    let service = service();
    let with = |lines: usize| {
        let lines: String = (1..lines).map(|line| format!("X{line}: y\r\n")).collect();
        format!("GET /healthz HTTP/1.1\r\nHost: orders\r\n{lines}\r\n")
    };
    assert_eq!(Client::to(service.http).ask(with(16)).status, 200);
    let mut client = Client::to(service.http);
    client.send(with(17));
    client.ends();
}

#[test]
fn a_malformed_head_closes_the_connection_silently() {
    let service = service();
    for bad in ["GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "\0\r\n\r\n"] {
        let mut client = Client::to(service.http);
        client.send([bad, &order("behind")].concat());
        client.ends();
    }
    assert_eq!(service.settled().orders(), (0, 0, 0));
}

#[test]
fn a_connection_is_not_closed_on_request() {
    let service = service();
    for last in [
        "GET /healthz HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n",
        "GET /healthz HTTP/1.0\r\n\r\n",
    ] {
        let mut client = Client::to(service.http);
        assert_eq!(client.ask(last).header("connection"), None);
        assert!(stays_open(&mut client), "{last:?}");
        assert_eq!(client.ask(HEALTH).status, 200);
    }
}

#[test]
fn the_length_of_a_reply_to_head_is_that_of_what_is_sent() {
    let service = service();
    for port in [service.http, service.admin] {
        assert_ne!(get(port, "/healthz").header("content-length"), Some("0"));
        let mut client = Client::to(port);
        client.send(HEALTH.replace("GET", "HEAD"));
        assert_eq!(client.reply_to_head().header("content-length"), Some("0"));
    }
}

#[test]
fn a_body_is_not_asked_for() {
    let service = service();
    let body = r#"{"id":"a","value":1}"#;
    let whole = submit("Expect: 100-continue\r\n", body);
    let mut client = Client::to(service.http);
    client.send(&whole[..whole.len() - body.len()]);
    assert!(stays_open(&mut client), "no 100 Continue");
    assert_eq!(client.ask(body).status, 201);
}

#[test]
fn a_half_closed_client_may_get_no_reply() {
    let service = service();
    let whole = order("a");
    for cut in [whole.len() - 1, whole.len()] {
        let mut client = Client::to(service.http);
        client.send(&whole[..cut]);
        client.half_close();
        // What arrives together with the end is dropped; what came before it is
        // not.
        match client.try_reply() {
            None => {}
            Some(reply) if cut == whole.len() => assert_eq!(reply.status, 201),
            Some(reply) => assert_eq!(reply.problem(400)["retry_safe"], true),
        }
        client.ends();
    }
    assert!(service.settled().orders().0 <= 1, "half an order is none");
}

#[test]
fn heads_and_targets_have_no_limit_of_ours() {
    let service = service();
    let long = "x".repeat(20 << 10);
    let head = format!("GET /healthz?{long} HTTP/1.1\r\nHost: o\r\nX: {long}\r\n\r\n");
    assert_eq!(Client::to(service.http).ask(head).status, 200);
}

#[test]
fn it_names_itself() {
    let service = service();
    for port in [service.http, service.admin] {
        assert_eq!(get(port, "/healthz").header("server"), Some("M"));
        assert_eq!(get(port, "/nothing").header("server"), Some("M"));
    }
    let native = Service::start(&[]);
    assert_eq!(get(native.http, "/healthz").header("server"), None);
    assert_eq!(get(native.admin, "/healthz").header("server"), Some("M"));
}
