//! The feed and look-ups, on any instance.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, get, order, post};
use crate::load::feed;
use crate::servers::NatsServer;

#[test]
fn every_instance_serves_the_whole_feed() {
    let server = NatsServer::start("");
    let (one, two) = (server.instance(&[]), server.instance(&[]));
    let mut client = Client::to(one.http);
    for number in 0..50 {
        assert_eq!(client.ask(order(&format!("o-{number}"))).status, 201);
    }
    // What the other one has committed is there at once.
    let page = get(two.http, "/orders?after=49");
    assert_eq!(page.text().lines().count(), 1, "{page:?}");
    assert_eq!(feed(two.http), feed(one.http));
    assert_eq!(
        get(two.http, "/orders?after=7&limit=3")
            .text()
            .lines()
            .count(),
        3
    );
    // A time is found past what this instance has seen of the stream, too.
    let feed_line = |seq: u64| {
        let page = get(one.http, &format!("/orders?after={}&limit=1", seq - 1));
        serde_json::from_str::<serde_json::Value>(page.text()).unwrap()
    };
    for seq in [2, 30, 50] {
        let at = feed_line(seq)["committed_at"].as_str().unwrap().to_owned();
        let fresh = server.instance(&[]);
        let page = get(fresh.http, &format!("/orders?since={at}"));
        let first = page.text().lines().next().expect("there is one");
        let first: serde_json::Value = serde_json::from_str(first).unwrap();
        // The feed's times are cut to microseconds.
        assert!(first["committed_at"].as_str() >= Some(&*at), "{first} {at}");
        assert!(first["seq"].as_u64().unwrap() <= seq, "{first} {seq}");
    }
    assert!(get(two.http, "/orders?after=50").body.is_empty());
    let ahead = get(two.http, "/orders?after=51").problem(400);
    assert_eq!(ahead["last_seq"], 50);

    // A reader that waits hears of another instance's outcome.
    let waiting = {
        let http = two.http;
        thread::spawn(move || get(http, "/orders?after=50&wait=30"))
    };
    thread::sleep(Duration::from_millis(300)); // that it waits by then is likely, and not needed
    assert_eq!(client.ask(order("late")).status, 201);
    let page = waiting.join().unwrap();
    let line: serde_json::Value = serde_json::from_str(page.text()).unwrap();
    assert_eq!((&line["seq"], &line["id"]), (&json!(51), &json!("late")));

    let id = |service: &crate::harness::Service| {
        let page = get(service.http, "/orders?after=50");
        let id = page.header("orders-ledger-id").map(str::to_owned);
        let ready = get(service.admin, "/readyz").json();
        assert_eq!(ready["ledger_id"].as_str(), id.as_deref());
        id
    };
    let ledger = id(&one);
    assert!(ledger.is_some() && ledger == id(&two));
    one.drain();
    // A new instance knows all of it.
    let three = server.instance(&[]);
    assert_eq!(id(&three), ledger);
    let found = get(three.http, "/orders/o-7").json();
    assert_eq!(
        (&found["seq"], &found["order"]["id"]),
        (&json!(8), &json!("o-7"))
    );
    assert_eq!(
        post(three.http, "", r#"{"id":"o-7","value":1}"#).status,
        200
    );
    for service in [two, three] {
        service.drain();
    }
}

/// Messages that are no outcomes are somebody else's doing: they leave gaps, and
/// their ids can't be used.
#[test]
fn messages_of_others_are_gaps_in_the_feed() {
    let server = NatsServer::start("");
    let service = server.instance(&[]);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    publish(&server.address(), "orders.x", "not an order");
    publish(&server.address(), "orders.y", r#"{"id":"y","value":1}"#);
    assert_eq!(
        post(service.http, "", r#"{"id":"b","value":1}"#).status,
        201
    );
    let feed = feed(service.http);
    assert_eq!((feed.len(), feed["a"].seq, feed["b"].seq), (2, 1, 4));
    assert!(get(service.http, "/orders?after=4").body.is_empty());
    post(service.http, "", r#"{"id":"y","value":1}"#).problem(409);
    assert_eq!(get(service.http, "/orders/y").status, 503);
    let figures = service.settled();
    assert_eq!(figures.orders(), (3, 2, 0));
    service.drain();
}

/// Publishes a message that is no outcome of the service's.
pub(crate) fn publish(server: &str, subject: &str, payload: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, subject, payload) = (server.to_owned(), subject.to_owned(), payload.to_owned());
    runtime.block_on(async move {
        let client = async_nats::connect(server).await.unwrap();
        let reply = client.request(subject, payload.into()).await.unwrap();
        let text = String::from_utf8_lossy(&reply.payload);
        assert!(text.contains("\"seq\""), "{text}");
    });
}
