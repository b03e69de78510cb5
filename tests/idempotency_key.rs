//! Idempotency as other services spell it: the id of an order in a header, and
//! replies that say that they repeat an outcome.

mod harness;

use harness::{Client, Reply, Service, get, on_both_engines, post, submit};
use serde_json::json;

on_both_engines!(
    a_key_is_the_id_of_an_order_without_one,
    a_key_that_says_otherwise_is_refused,
    a_reply_that_repeats_an_outcome_says_so,
);

fn replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed").inspect(|said| {
        assert_eq!(*said, "true");
    }) == Some("true")
}

fn a_key_is_the_id_of_an_order_without_one(engine: &str) {
    let service = Service::on(engine, &[]);
    let quoted = "Idempotency-Key: \"key-1\"\r\n";
    for (lines, body, status) in [
        (quoted, r#"{"value":1,"note":"x"}"#, 201),
        // The same order, however it names its id.
        (
            "idempotency-key: key-1\r\n",
            r#"{"note":"x", "value":"1.0"}"#,
            200,
        ),
        (quoted, r#"{"id":"key-1","value":1,"note":"x"}"#, 200),
        ("", r#"{"id":"key-1","value":1,"note":"x"}"#, 200),
        (quoted, r#"{"value":2,"note":"x"}"#, 409),
    ] {
        let reply = post(service.http, lines, body);
        assert_eq!(reply.status, status, "{lines} {body} {reply:?}");
        assert_eq!(reply.json()["id"], "key-1");
    }
    let line = get(service.http, "/orders/key-1").json();
    assert_eq!(
        line["order"],
        json!({"id": "key-1", "value": 1, "note": "x"})
    );
    let reply = post(
        service.http,
        "Idempotency-Key: key-2\r\n",
        r#" { "value" : -1 } "#,
    );
    assert_eq!(reply.problem(422)["id"], "key-2");
    assert_eq!(service.settled().orders(), (2, 1, 1));
}

fn a_key_that_says_otherwise_is_refused(engine: &str) {
    let service = Service::on(engine, &[]);
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(65));
    for (lines, body) in [
        ("Idempotency-Key: other\r\n", r#"{"id":"a","value":1}"#),
        ("Idempotency-Key: \"other\"\r\n", r#"{"id":"a","value":1}"#),
        ("Idempotency-Key:\r\n", r#"{"value":1}"#),
        ("Idempotency-Key: \"\"\r\n", r#"{"value":1}"#),
        ("Idempotency-Key: \"a\r\n", r#"{"value":1}"#),
        ("Idempotency-Key: 'a'\r\n", r#"{"value":1}"#),
        ("Idempotency-Key: a, b\r\n", r#"{"value":1}"#),
        ("Idempotency-Key: a/b\r\n", r#"{"id":"a","value":1}"#),
        (&long, r#"{"value":1}"#),
    ] {
        let problem = post(service.http, lines, body).problem(400);
        assert_eq!(problem["parameter"], "Idempotency-Key", "{lines} {problem}");
    }
    let twice = "Idempotency-Key: a\r\nIdempotency-Key: a\r\n";
    post(service.http, twice, r#"{"value":1}"#).problem(400);
    for body in ["{}", r#"{"note":1}"#, "[]", "", r#"{"id":1,"value":1}"#] {
        post(service.http, "Idempotency-Key: a\r\n", body).problem(400);
    }
    // A batch's orders have ids of their own.
    let batch = submit("Idempotency-Key: a\r\n", r#"{"id":"a","value":1}"#);
    let batch = batch.replace("application/json", "application/x-ndjson");
    let mut client = Client::to(service.http);
    let status = if engine == "native" { 400 } else { 501 };
    client.ask(batch).problem(status);
    client.ends();
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("invalid") > 14),
        ((0, 0, 0), true)
    );
    // Where there is no order, there is nothing to name.
    let key = "GET /healthz HTTP/1.1\r\nHost: o\r\nIdempotency-Key: ?\r\n\r\n";
    assert_eq!(Client::to(service.http).ask(key).status, 200);
}

fn a_reply_that_repeats_an_outcome_says_so(engine: &str) {
    let service = Service::on(engine, &[]);
    for (body, status, again) in [
        (r#"{"id":"good","value":1}"#, 201, 200),
        (r#"{"id":"bad","value":-1}"#, 422, 422),
    ] {
        let first = post(service.http, "", body);
        assert_eq!((first.status, replayed(&first)), (status, false));
        let second = post(service.http, "", body);
        assert_eq!((second.status, replayed(&second)), (again, true));
        assert_eq!(second.json()["duplicate"], true);
        assert_eq!(second.json()["seq"], first.json()["seq"]);
    }
    let conflict = post(service.http, "", r#"{"id":"good","value":2}"#);
    assert_eq!((conflict.status, replayed(&conflict)), (409, false));
    assert!(!replayed(&get(service.http, "/orders/good")));
}
