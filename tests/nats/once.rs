//! One id has one outcome, whichever instance it is sent to.

use std::sync::Barrier;
use std::thread;

use serde_json::json;

use crate::harness::{Client, Service, get, order, post, submit};
use crate::load::{Told, agrees, factor, feed};
use crate::servers::NatsServer;

#[test]
fn an_order_sent_to_one_instance_is_known_to_the_other() {
    let server = NatsServer::start("");
    let (one, two) = (server.instance(&[]), server.instance(&[]));
    let first = post(one.http, "", r#"{"id":"a","value":1,"side":"buy"}"#);
    assert_eq!(first.status, 201, "{first:?}");
    let seq = first.json()["seq"].clone();

    // The same content, written otherwise.
    let again = post(two.http, "", r#"{"side":"buy", "id":"a","value":"1.0"}"#);
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!(again.json()["seq"], seq);
    let other = post(two.http, "", r#"{"id":"a","value":2}"#).problem(409);
    assert_eq!(other["retry_safe"], false);

    // Failed orders alike, with the reason.
    let failed = post(two.http, "", r#"{"id":"f","value":0}"#).problem(422);
    let again = post(one.http, "", r#"{"id":"f","value":0}"#).problem(422);
    assert_eq!(again["duplicate"], true);
    assert_eq!(
        (&again["seq"], &again["detail"]),
        (&failed["seq"], &failed["detail"])
    );
    let other = post(one.http, "", r#"{"id":"f","value":0,"x":1}"#).problem(409);
    assert_eq!(other["retry_safe"], false);

    // A conflict that the instance learns from the stream.
    let three = server.instance(&[]);
    let other = post(three.http, "", r#"{"id":"a","value":3}"#).problem(409);
    assert_eq!(
        (&other["retry_safe"], &other["id"]),
        (&false.into(), &"a".into())
    );
    let again = post(three.http, "", r#"{"id":"a","value":1,"side":"buy"}"#);
    assert_eq!((again.status, &again.json()["seq"]), (200, &seq));

    for instance in [&one, &two, &three] {
        for (id, status) in [("a", "processed"), ("f", "failed")] {
            let found = get(instance.http, &format!("/orders/{id}"));
            assert_eq!(found.json()["status"], status, "{found:?}");
        }
        assert_eq!(get(instance.http, "/orders/none").status, 404);
    }
    let there = |content| format!("orders_already_there{{content=\"{content}\"}}");
    let figures = three.settled();
    assert_eq!(figures.orders(), (1, 0, 0));
    assert_eq!(
        (
            figures.count(&there("same")),
            figures.count(&there("other"))
        ),
        (0, 1)
    );
    assert_eq!(figures.count("orders_duplicate"), 1, "known by then");
    let figures = two.settled();
    assert_eq!(figures.orders(), (2, 0, 1));
    assert_eq!(
        (
            figures.count(&there("same")),
            figures.count(&there("other"))
        ),
        (1, 0)
    );
    let stats = get(two.admin, "/stats").json();
    assert_eq!(
        stats["orders_already_there"],
        json!({ "same": 1, "other": 0 })
    );
    let nats = stats["nats"].as_object().expect("where the ledger is");
    assert_eq!(
        (&nats["connected"], &nats["stream"], &nats["replicas"]),
        (&true.into(), &"ORDERS".into(), &1.into())
    );
    assert_ne!(
        nats["instance"],
        get(one.admin, "/stats").json()["nats"]["instance"]
    );
    assert_eq!(server.state()["messages"], 2);
    for instance in [one, two, three] {
        instance.drain();
    }
}

#[test]
fn the_same_ids_sent_to_both_at_once_have_one_outcome() {
    let server = NatsServer::start("");
    let (one, two) = (server.instance(&[]), server.instance(&[]));
    let ids = same_ids_to_both(&one, &two);
    assert_eq!(server.state()["messages"], ids);
    one.drain();
    two.drain();
}

/// Sends the same ids to both instances at once: one of the two answers is the
/// outcome, and the other repeats it. Returns how many.
#[track_caller]
pub(crate) fn same_ids_to_both(one: &Service, two: &Service) -> usize {
    const CLIENTS: usize = 8;
    let each = 250 * factor();
    let barrier = Barrier::new(2 * CLIENTS);
    let send = |http, client: usize| {
        let mut connection = Client::to(http);
        let mut told = Vec::new();
        for number in 0..each {
            if number % 25 == 0 {
                barrier.wait();
            }
            let id = format!("{client}-{number}");
            let reply = connection.ask(order(&id));
            let answer = Told::of(&reply).unwrap_or_else(|| panic!("{reply:?}"));
            told.push((id, reply.status, answer));
        }
        told
    };
    let (ones, twos): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let send = &send;
        let (one, two) = (one.http, two.http);
        let both: Vec<_> = (0..CLIENTS)
            .map(|me| {
                (
                    scope.spawn(move || send(one, me)),
                    scope.spawn(move || send(two, me)),
                )
            })
            .collect();
        let both = both.into_iter();
        both.map(|(one, two)| (one.join().unwrap(), two.join().unwrap()))
            .unzip()
    });
    let ids = CLIENTS * each;
    let feeds = [feed(one.http), feed(two.http)];
    assert_eq!(feeds[0], feeds[1]);
    assert_eq!(feeds[0].len(), ids);
    for (first, second) in ones.iter().flatten().zip(twos.iter().flatten()) {
        let (id, status, told) = first;
        let (other_id, other_status, other_told) = second;
        assert_eq!((id, told), (other_id, other_told));
        let mut statuses = [*status, *other_status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201], "{id}");
    }
    let told = ones.into_iter().flatten().map(|(id, _, told)| (id, told));
    agrees(&told.collect(), &feeds[0]);
    let figures = [one.settled(), two.settled()];
    let processed = figures.each_ref().map(|it| it.count("orders_processed"));
    assert_eq!(
        processed[0] + processed[1],
        ids as u64,
        "each is counted by one"
    );
    ids
}

/// Nothing is kept for a next start, so nothing is acknowledged as queued.
#[test]
fn no_order_is_acknowledged_as_queued() {
    let server = NatsServer::start("");
    let slow = ["--processor", "simulate", "--simulate", "400ms..400ms"];
    let flags = [&slow[..], &["--ack-timeout", "10s"]].concat();
    let service = server.instance(&flags);
    let reply = post(
        service.http,
        "Prefer: respond-async\r\n",
        r#"{"id":"a","value":1}"#,
    );
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.header("preference-applied"), None);
    let batch =
        "{\"id\":\"a\",\"value\":1}\n{\"id\":\"a\",\"value\":2}\n{\"id\":\"b\",\"value\":1}\n";
    let length = batch.len();
    let request = format!(
        "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n\
         Prefer: respond-async\r\nContent-Length: {length}\r\n\r\n{batch}"
    );
    let reply = Client::to(service.http).ask(request);
    let lines: Vec<serde_json::Value> = reply
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].clone()).collect();
    assert_eq!(
        statuses,
        ["duplicate", "conflict", "processed"],
        "{lines:?}"
    );

    // An ack timeout is a 503, and the outcome comes all the same.
    let mut client = Client::to(service.http);
    let reply = client.ask(submit("Prefer: wait=9\r\n", r#"{"id":"c","value":1}"#));
    assert_eq!(reply.status, 201, "in time: {reply:?}");
    service.drain();
    let slow = ["--processor", "simulate", "--simulate", "8s..8s"];
    let service = server.instance(&[&slow[..], &["--ack-timeout", "1s"]].concat());
    let problem = post(service.http, "", r#"{"id":"d","value":1}"#).problem(503);
    assert_eq!(problem["retry_safe"], true);
    let in_flight = get(service.http, "/orders/d").json();
    assert_eq!(in_flight["status"], "queued");
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0));
    assert_eq!(
        post(service.http, "", r#"{"id":"d","value":1}"#).status,
        200
    );
    service.drain();
}

/// With one copy of the stream, orders that come together are stored together;
/// ids among them that are taken get their outcome all the same.
#[test]
fn orders_that_are_stored_together_are_answered_each_for_itself() {
    const LINES: usize = 300;
    let server = NatsServer::start("");
    let (one, two) = (server.instance(&[]), server.instance(&[]));
    for id in ["o-0", "o-17", "o-299"] {
        assert_eq!(post(one.http, "", &order_of(id, 1)).status, 201);
    }
    assert_eq!(post(one.http, "", &order_of("o-150", 2)).status, 201);
    let batch: String = (0..LINES)
        .map(|number| order_of(&format!("o-{number}"), 1) + "\n")
        .collect();
    let length = batch.len();
    let request = format!(
        "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {length}\r\n\r\n{batch}"
    );
    let reply = Client::to(two.http).ask(request);
    let feed = feed(one.http);
    assert_eq!(feed.len(), LINES);
    for (number, line) in reply.text().lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let want = match number {
            0 | 17 | 299 => "duplicate",
            150 => "conflict",
            _ => "processed",
        };
        assert_eq!(line["status"], want, "{line}");
        if number != 150 {
            assert_eq!(line["seq"], feed[&format!("o-{number}")].seq, "{line}");
        }
    }
    assert_eq!(two.settled().orders(), (300, 296, 0));
    // "Nats-Batch-Id", in base64, at any of three places.
    let marks = ["TmF0cy1CYXRjaC1JZ", "5hdHMtQmF0Y2gtSW", "OYXRzLUJhdGNoLUlk"];
    // One may have been alone when it was sent.
    let in_batches = (100..110).filter(|number| {
        let subject = json!({ "last_by_subj": format!("orders.o-{number}") });
        let sent = server.api("STREAM.MSG.GET.ORDERS", &subject);
        let headers = sent["message"]["hdrs"].as_str().unwrap();
        marks.iter().any(|mark| headers.contains(mark))
    });
    assert!(in_batches.count() > 1);
    one.drain();
    two.drain();
}

fn order_of(id: &str, value: u32) -> String {
    format!(r#"{{"id":"{id}","value":{value}}}"#)
}
