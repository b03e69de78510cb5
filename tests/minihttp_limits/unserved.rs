//! What the adapter leaves to the native engine: batches and the feed.

use crate::harness::{Client, Reply, order};
use crate::service;

/// A request that submits this body as a batch.
fn batch(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /submit HTTP/1.1\r\nHost: o\r\nContent-Type: application/x-ndjson; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn is_left_to_the_native_engine(reply: &Reply) {
    let problem = reply.problem(501);
    assert_eq!(problem["type"], "/problems/not-implemented");
    assert_eq!(problem["retry_safe"], false);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("--http-engine native"), "{detail}");
}

#[test]
fn refuses_batches_before_their_bodies() {
    let service = service();
    let line = |id: &str| format!("{{\"id\":\"{id}\",\"value\":1}}\n");
    let (one, large) = (line("a"), line("b").repeat(10_000)); // over --max-body
    let head_of = |body: &str| batch(body).replace(body, "");
    let whole = [batch(&one), batch("x\n"), batch("")];
    let parts = [head_of(&one), head_of(&large), head_of(&one) + &one[..9]];
    for request in whole.iter().chain(&parts) {
        let mut client = Client::to(service.http);
        is_left_to_the_native_engine(&client.ask(request));
        client.ends();
    }
    let mut client = Client::to(service.http);
    let _ = client.try_send(batch(&large)); // it is refused before its end
    // The end of the connection may overtake the reply.
    client.rest().iter().for_each(is_left_to_the_native_engine);
    // Nothing behind a batch is executed, and what came before it is answered.
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
    client.send([batch(&one), order("behind")].concat());
    // The engine may close before the reply is out, since a body follows that is no request.
    for (place, reply) in client.rest().iter().enumerate() {
        reply.problem(if place == 0 { 501 } else { 400 });
    }
    // One without a length is refused for what it is, too.
    let no_length = batch("").replace("Content-Length: 0\r\n", "");
    is_left_to_the_native_engine(&Client::to(service.http).ask(no_length));
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("invalid")),
        ((1, 1, 0), 9)
    );
    let counted = r#"http_requests{route="submit",status="501"}"#;
    assert_eq!(figures.count(counted), 9);
    // Other methods and the other port know no batches.
    let get = batch("").replace("POST", "GET");
    Client::to(service.http).ask(get).problem(405);
    Client::to(service.admin).ask(batch("")).problem(404);
}

#[test]
fn serves_no_feed() {
    let service = service();
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("a")).status, 201);
    for query in ["", "?after=0", "?after=0&limit=1&wait=60", "?limit=0"] {
        let page = format!("GET /orders{query} HTTP/1.1\r\nHost: o\r\n\r\n");
        is_left_to_the_native_engine(&client.ask(&page));
        client.send(page.replace("GET", "HEAD"));
        assert_eq!(client.reply_to_head().status, 501);
    }
    // A refusal like others: the connection goes on, and one order is found.
    let post = "POST /orders HTTP/1.1\r\nHost: o\r\nContent-Length: 0\r\n\r\n";
    client.ask(post).problem(405);
    let one = client.ask("GET /orders/a HTTP/1.1\r\nHost: o\r\n\r\n");
    assert_eq!(one.json()["status"], "processed");
    assert!(one.header("orders-ledger-id").is_some());
    let figures = service.settled();
    let counted = r#"http_requests{route="feed",status="501"}"#;
    assert_eq!(figures.count(counted), 8);
    assert_eq!(figures.sum("orders_rejected"), 0);
}
