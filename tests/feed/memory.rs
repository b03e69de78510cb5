//! What pages take, and how long.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::harness::{Client, Reply, post, until};
use crate::{Orders, connections, page};

/// Asks for a page and reads nothing.
fn ask_and_hold(address: SocketAddr, after: u64) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(&address.into()).unwrap();
    let request = page(&format!("after={after}&limit=1"));
    assert_eq!(socket.send(request.as_bytes()).unwrap(), request.len());
    socket
}

#[test]
fn pages_past_the_budget_are_refused() {
    // Lines so long that a few of them are all that the budget takes, and that the system's
    // buffers don't take them.
    let flags = ["--max-body", "16MiB", "--write-timeout", "1h"];
    let orders = Orders::on("memory", &flags);
    let padding = "x".repeat(15 << 20);
    for number in 0..5 {
        let body = format!(r#"{{"id":"o{number}","value":1,"x":"{padding}"}}"#);
        assert_eq!(post(orders.http(), "", &body).status, 201);
    }
    let pages = r#"http_requests{route="feed",status="200"}"#;
    let asked = |held: &[Socket]| orders.service.figures().count(pages) == held.len() as u64;
    let mut holders = Vec::new();
    for after in 0..4 {
        holders.push(ask_and_hold(orders.http(), after));
        until("it is being sent", || asked(&holders));
    }
    let mut client = Client::to(orders.http());
    let reply = client.ask(page("after=4&wait=60"));
    let problem = reply.problem(503);
    assert_eq!(problem["type"], "/problems/feed-busy");
    assert_eq!(problem["retry_safe"], true);
    reply.retry_after();
    // Long to parse: the beginning says which it is.
    let is = |reply: &Reply, seq: u64| {
        let begins = format!("{{\"seq\":{seq},");
        reply.status == 200 && reply.body.starts_with(begins.as_bytes())
    };
    // A page that is being sent is there for others, too.
    assert!(is(&client.ask(page("after=3&limit=1")), 4));
    holders.pop();
    until("it is taken again", || is(&client.ask(page("after=4")), 5));
    drop(holders);
    until("nothing is held", || connections(&orders.service) == 1.0);
    assert!(is(&client.ask(page("after=0&limit=1")), 1));
}

#[test]
fn a_page_that_nobody_takes_is_dropped_in_time() {
    let flags = ["--max-body", "16MiB", "--write-timeout", "300ms"];
    let orders = Orders::on("memory", &flags);
    let padding = "x".repeat(15 << 20);
    let body = format!(r#"{{"id":"a","value":1,"x":"{padding}"}}"#);
    assert_eq!(post(orders.http(), "", &body).status, 201);
    let pages = r#"http_requests{route="feed",status="200"}"#;
    let _held = ask_and_hold(orders.http(), 0);
    until("begun, then dropped", || {
        let figures = orders.service.figures();
        figures.count(pages) == 1 && connections(&orders.service) == 0.0
    });
}
