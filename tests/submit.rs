//! `POST /submit` and what shows its outcome, on both engines, with the real
//! `curl` first.

mod harness;

use std::process::Command;

use harness::{Client, Service, get, on_both_engines, post, until};
use serde_json::json;

on_both_engines!(
    the_first_order_by_curl,
    a_failed_order_and_its_duplicate,
    an_id_belongs_to_its_first_content,
    in_flight_answers_differ_from_final_ones,
    a_client_may_decline_to_wait,
    queued_when_the_operator_says_so,
    queued_when_the_ack_timeout_passes,
    other_members_and_digits_survive,
    a_bad_order_is_told_which_field,
    a_byte_order_mark_is_ignored,
    an_order_is_not_taken_compressed,
);

/// A service whose one worker takes long enough for an order that a few more
/// requests meet it in flight.
fn slow(engine: &str, flags: &[&str]) -> Service {
    let mut all = vec!["--processor", "simulate", "--workers", "1"];
    all.extend(["--simulate", "2500ms..2500ms"]);
    all.extend(flags);
    Service::on(engine, &all)
}

fn the_first_order_by_curl(engine: &str) {
    let service = Service::on(engine, &[]);
    let curl = |extra: &[&str]| {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "30"])
            .args(["--write-out", "%{http_code} %{content_type}"])
            .args(extra)
            .output()
            .expect("curl is there, see tests/run");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let url = format!("http://{}/submit", service.http);
    // As anybody types it: curl says that this is a form.
    let order = ["-d", r#"{"id": "ord-001", "value": 100.50}"#, &url];
    assert_eq!(
        curl(&order),
        "{\"id\":\"ord-001\",\"status\":\"processed\",\"seq\":1}\n201 application/json"
    );
    assert_eq!(
        curl(&order),
        "{\"id\":\"ord-001\",\"status\":\"processed\",\"seq\":1,\"duplicate\":true}\n\
         200 application/json"
    );
    for port in [service.http, service.admin] {
        let metrics = curl(&[&format!("http://{port}/metrics")]);
        for line in ["orders_processed 1", "orders_failed 0", "queue_depth 0"] {
            assert!(
                metrics.lines().any(|other| other == line),
                "{line} in {metrics}"
            );
        }
        assert!(metrics.ends_with("200 text/plain; version=0.0.4; charset=utf-8"));
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0));
    assert_eq!(figures.count("orders_duplicate"), 1);
    assert_eq!(figures.sum("orders_rejected"), 0);
}

fn a_failed_order_and_its_duplicate(engine: &str) {
    let service = Service::on(engine, &["--max-value", "1000"]);
    for (id, value, reason) in [
        ("zero", "0", "above zero"),
        ("minus", "-1", "above zero"),
        ("much", "1000.01", "limit of 1000"),
    ] {
        let order = format!(r#"{{"id":"{id}","value":{value}}}"#);
        let first = post(service.http, "", &order).problem(422);
        assert_eq!(first["id"], id);
        assert_eq!(first["outcome"], "failed");
        assert_eq!(first["retry_safe"], false);
        assert!(
            first["detail"].as_str().unwrap().contains(reason),
            "{first}"
        );
        assert_eq!(first.get("duplicate"), None);
        let again = post(service.http, "", &order).problem(422);
        assert_eq!(again["duplicate"], true);
        for member in ["id", "outcome", "seq", "detail"] {
            assert_eq!(again[member], first[member]);
        }
        let line = get(service.http, &format!("/orders/{id}")).json();
        assert_eq!(line["status"], "failed");
        assert_eq!(line["detail"], first["detail"]);
        assert_eq!(line["seq"], first["seq"]);
    }
    assert_eq!(service.settled().orders(), (3, 0, 3));
}

fn an_id_belongs_to_its_first_content(engine: &str) {
    let service = slow(engine, &[]);
    let [first, other] = [1, 2].map(|value| format!(r#"{{"id":"a","value":{value}}}"#));
    let mut waiting = Client::to(service.http);
    waiting.send(harness::submit("", &first));
    until("in flight", || service.figures().inside() == 1);
    let conflict = post(service.http, "", &other).problem(409);
    assert_eq!(conflict["retry_safe"], true, "it may yet come to nothing");
    assert_eq!(conflict["id"], "a");
    assert_eq!(waiting.reply().status, 201);
    let conflict = post(service.http, "", &other).problem(409);
    assert_eq!(conflict["retry_safe"], false, "it is committed");
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("conflict")),
        ((1, 1, 0), 2)
    );
}

fn in_flight_answers_differ_from_final_ones(engine: &str) {
    let service = slow(engine, &[]);
    assert_eq!(get(service.http, "/orders/a").problem(404)["id"], "a");
    let order = r#"{"id":"a","value":1}"#;
    let mut first = Client::to(service.http);
    first.send(harness::submit("", order));
    until("in flight", || service.figures().inside() == 1);
    let found = get(service.http, "/orders/a");
    assert_eq!(
        (found.status, found.json()),
        (200, json!({"id": "a", "status": "queued"}))
    );
    // The same order again waits for the same outcome.
    let again = post(service.http, "", order);
    assert_eq!(
        (again.status, &again.json()["duplicate"]),
        (200, &json!(true))
    );
    assert_eq!(first.reply().status, 201);
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.count("orders_duplicate")),
        ((1, 1, 0), 1)
    );
}

fn a_client_may_decline_to_wait(engine: &str) {
    // Killed in the end.
    let service = Service::slow(engine, "1", "10m", &[]);
    let tries = [
        ("a", "Prefer: respond-async\r\n", true),
        ("b", "Prefer: wait=0\r\n", false),
        ("c", "Prefer: respond-async, wait=0\r\n", true),
        (
            "e",
            "Prefer: a\r\nPrefer: b\r\nPrefer: respond-async\r\n",
            true,
        ),
    ];
    for (id, prefer, deferred) in tries {
        let order = format!(r#"{{"id":"{id}","value":1}}"#);
        let reply = post(service.http, prefer, &order);
        assert_eq!(reply.status, 202, "{reply:?}");
        assert_eq!(reply.json(), json!({"id": id, "status": "queued"}));
        // The other engine takes static header lines only, and says so at
        // start.
        if engine == "native" {
            let location = format!("/orders/{id}");
            assert_eq!(reply.header("location"), Some(location.as_str()));
            let applied = deferred.then_some("respond-async");
            assert_eq!(reply.header("preference-applied"), applied);
        }
        assert_eq!(
            get(service.http, &format!("/orders/{id}")).json()["status"],
            "queued"
        );
    }
    drop(service);
    let service = Service::slow(engine, "1", "100ms", &[]);
    for (id, prefer, _) in tries {
        let order = format!(r#"{{"id":"{id}","value":1}}"#);
        let reply = post(service.http, prefer, &order);
        // It may be done by then.
        assert!(matches!(reply.status, 201 | 202), "{reply:?}");
    }
    // Long enough, or no such preference: the outcome itself.
    for (id, prefer) in [
        ("d", "Prefer: wait=30\r\n"),
        ("f", "Prefer: note=\"a, respond-async, b\"\r\n"),
    ] {
        let order = format!(r#"{{"id":"{id}","value":1}}"#);
        let reply = post(service.http, prefer, &order);
        assert_eq!(reply.status, 201, "{reply:?}");
    }
    for (id, ..) in tries {
        let line = get(service.http, &format!("/orders/{id}")).json();
        assert_eq!(line["status"], "processed", "the queue is in order");
    }
    assert_eq!(service.settled().orders(), (6, 6, 0));
}

fn queued_when_the_operator_says_so(engine: &str) {
    let service = slow(engine, &["--ack", "queued"]);
    let order = r#"{"id":"a","value":1}"#;
    let reply = post(service.http, "", order);
    assert_eq!(
        (reply.status, reply.json()),
        (202, json!({"id": "a", "status": "queued"}))
    );
    let again = post(service.http, "", order);
    assert_eq!(again.status, 202, "nor does a duplicate wait: {again:?}");
    assert_eq!(again.json()["duplicate"], true, "and it says what it is");
    let line = harness::eventually("an outcome", || {
        let reply = get(service.http, "/orders/a");
        assert_eq!(reply.status, 200, "known all the way");
        (reply.json()["status"] != "queued").then(|| reply.json())
    });
    assert_eq!(
        (&line["status"], &line["seq"]),
        (&json!("processed"), &json!(1))
    );
    assert_eq!(
        post(service.http, "", order).status,
        200,
        "the outcome, once there is one"
    );
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.count("orders_duplicate")),
        ((1, 1, 0), 2)
    );
}

fn queued_when_the_ack_timeout_passes(engine: &str) {
    let slow = ["--processor", "simulate", "--simulate", "5s..5s"];
    let service = Service::on(engine, &[&slow[..], &["--ack-timeout", "50ms"]].concat());
    let reply = post(
        service.http,
        "Prefer: wait=30\r\n",
        r#"{"id":"a","value":1}"#,
    );
    assert_eq!(
        reply.status, 202,
        "the ack timeout is the longest wait: {reply:?}"
    );
    until("an outcome", || {
        get(service.http, "/orders/a").json()["status"] == "processed"
    });
    assert_eq!(service.settled().orders(), (1, 1, 0));
}

fn other_members_and_digits_survive(engine: &str) {
    let service = Service::on(engine, &[]);
    let sent = "\r\n{ \"side\" : \"b u\\u0079\",\t\"value\":\"79228162514264337593543950.33\" ,\n\
                \"legs\": [ 1.10, {\"x\": null} ], \"id\":\"Aa_0-9\" }\n";
    let stored = r#"{"side":"b u\u0079","value":"79228162514264337593543950.33","legs":[1.10,{"x":null}],"id":"Aa_0-9"}"#;
    assert_eq!(post(service.http, "", sent).status, 201);
    let line = get(service.http, "/orders/Aa_0-9");
    let end = format!(",\"order\":{stored}}}\n");
    assert!(line.text().ends_with(&end), "{}", line.text());
    // The same content: members in another order, the value written otherwise.
    let same = r#"{"id":"Aa_0-9","value":7922816251426433759354395033e-2,"legs":[1.10,{"x":null}],"side":"b u\u0079"}"#;
    assert_eq!(post(service.http, "", same).json()["duplicate"], true);
    // One last digit less, or a zero within another member: other content.
    for other in [same.replace("33e-2", "32e-2"), same.replace("1.10", "1.1")] {
        post(service.http, "", &other).problem(409);
    }
    for (value, same) in [("100.5", "\"100.50\""), ("1e2", "100"), ("0.10", "1E-1")] {
        let id = format!("v{}", value.len());
        let body = |value| format!(r#"{{"id":"{id}","value":{value}}}"#);
        assert_eq!(post(service.http, "", &body(value)).status, 201);
        assert_eq!(
            post(service.http, "", &body(same)).status,
            200,
            "{value} is {same}"
        );
    }
}

fn a_bad_order_is_told_which_field(engine: &str) {
    let service = Service::on(engine, &[]);
    let long = "x".repeat(65);
    let bad = [
        (Some("id"), r#"{"value":1}"#.to_owned()),
        (Some("id"), r#"{"id":"","value":1}"#.into()),
        (Some("id"), r#"{"id":"a b","value":1}"#.into()),
        (Some("id"), r#"{"id":"ä","value":1}"#.into()),
        (Some("id"), r#"{"id":7,"value":1}"#.into()),
        (Some("id"), format!(r#"{{"id":"{long}","value":1}}"#)),
        (Some("id"), r#"{"id":"a","id":"a","value":1}"#.into()),
        (Some("value"), r#"{"id":"a"}"#.into()),
        (Some("value"), r#"{"id":"a","value":null}"#.into()),
        (Some("value"), r#"{"id":"a","value":"1,5"}"#.into()),
        (Some("value"), r#"{"id":"a","value":"NaN"}"#.into()),
        (
            Some("value"),
            r#"{"id":"a","value":12345678901234567890123456789}"#.into(),
        ),
        (
            Some("value"),
            r#"{"id":"a","value":1,"v\u0061lue":2}"#.into(),
        ),
        (Some("x"), r#"{"id":"a","value":1,"x":1,"x":1}"#.into()),
        (None, r#"{"id":"a","value":1,"y":{"x":1,"x":1}}"#.into()),
        (None, r#"{"id":"a","value":1"#.into()),
        (None, r#"{"id":"a","value":1} x"#.into()),
        (None, r#"{"id":"a","value":01}"#.into()),
        (None, r#"{"id":"a","value":1,"x":"\ud800"}"#.into()),
        (None, r#"{"id":"a","value":1,"x":"\q"}"#.into()),
        (None, r#"[{"id":"a","value":1}]"#.into()),
        (None, "null".into()),
        (None, String::new()),
    ];
    for (field, body) in &bad {
        let problem = post(service.http, "", body).problem(400);
        assert_eq!(problem["type"], "/problems/invalid-order", "{body}");
        assert_eq!(
            problem.get("field").and_then(|name| name.as_str()),
            *field,
            "{body}"
        );
        assert_eq!(problem["retry_safe"], false);
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (0, 0, 0));
    assert_eq!(figures.rejected("invalid"), bad.len() as u64);
}

fn a_byte_order_mark_is_ignored(engine: &str) {
    let service = Service::on(engine, &[]);
    let text = r#"{"id":"a","value":1}"#;
    let marked = post(service.http, "", &format!("\u{feff}{text}"));
    assert_eq!(marked.status, 201, "{}", marked.text());
    assert_eq!(post(service.http, "", text).status, 200, "the same order");
}

fn an_order_is_not_taken_compressed(engine: &str) {
    let service = Service::on(engine, &[]);
    let text = r#"{"id":"a","value":1}"#;
    // Nor is it read for an id, which a key beside it would have to match.
    let keyed = "gzip\r\nIdempotency-Key: k";
    for coding in ["gzip", "zstd", "br", "identity, gzip", keyed] {
        let reply = post(
            service.http,
            &format!("Content-Encoding: {coding}\r\n"),
            text,
        );
        let problem = reply.problem(415);
        assert_eq!(problem["type"], "/problems/unsupported-encoding");
        assert_eq!(reply.header("accept-encoding"), Some("identity"));
    }
    let plain = post(service.http, "Content-Encoding: identity\r\n", text);
    assert_eq!(plain.status, 201);
    assert_eq!(service.settled().rejected("invalid"), 5);
}
