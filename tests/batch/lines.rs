//! What each line comes to.

use serde_json::{Value, json};

use crate::harness::{Client, PATIENCE, Service, get, order, post};
use crate::{batch, count, line, lines, results, slow, statuses};

/// Many orders where one belongs are answered with how they are sent.
#[test]
fn orders_that_are_not_on_lines_of_their_own() {
    let service = Service::start(&[]);
    let two = r#"{"id":"a","value":1}{"id":"b","value":1}"#;
    for body in [two, &two.replace("}{", "}\n{"), "[]"] {
        let problem = post(service.http, "", body).problem(400);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("application/x-ndjson"), "{detail}");
    }
    let found = results(&Client::to(service.http).ask(batch("", two)));
    let detail = found[0]["detail"].as_str().unwrap();
    assert!(detail.contains("--data-binary"), "{detail}");
    assert_eq!(service.settled().orders(), (0, 0, 0));
}

#[test]
fn every_kind_of_line() {
    // With one worker, orders get their sequences as they came.
    let service = Service::start(&["--max-value", "100", "--workers", "1"]);
    assert_eq!(
        post(service.http, "", r#"{"id":"old","value":5}"#).status,
        201
    );
    assert_eq!(
        post(service.http, "", r#"{"id":"bad","value":-5}"#).status,
        422
    );
    let body = concat!(
        "{\"id\":\"a\",\"value\":1}\n",
        "\r\n",
        "  {\"id\":\"b\",\"value\":101} \r\n",
        " \t\n",
        "{\"id\":\"old\",\"value\":\"5.0\"}\n",
        "{\"id\":\"bad\",\"value\":-5}\n",
        "{\"id\":\"old\",\"value\":6}\n",
        "{\"id\":\"c\",}\n",
        "{\"id\":\"no value\"}\n",
        "\u{1}\n",
        "{\"id\":\"d\",\"value\":2}",
    );
    let reply = Client::to(service.http).ask(batch("", body));
    let found = results(&reply);
    let text = |n: usize| found[n]["detail"].as_str().unwrap_or_default().to_owned();
    let seq = |n: usize| found[n]["seq"].as_u64().unwrap();
    assert_eq!(
        found[0],
        json!({"line":1,"id":"a","status":"processed","seq":3})
    );
    assert_eq!(
        found[1],
        json!({"line":3,"id":"b","status":"failed","seq":seq(1),
               "detail":"value is above the limit of 100"})
    );
    assert_eq!(
        found[2],
        json!({"line":5,"id":"old","status":"duplicate","outcome":"processed","seq":1})
    );
    assert_eq!(
        found[3],
        json!({"line":6,"id":"bad","status":"duplicate","outcome":"failed","seq":2,
               "detail":"value must be above zero"})
    );
    assert_eq!(
        found[4],
        json!({"line":7,"id":"old","status":"conflict",
               "detail":"the id belongs to a committed order with other content"})
    );
    for (n, place) in [(5, 8), (6, 9), (7, 10)] {
        assert_eq!(found[n]["line"], place);
        assert_eq!(found[n]["status"], "invalid");
        assert!(
            !text(n).is_empty() && !text(n).contains("line 1"),
            "{}",
            found[n]
        );
    }
    assert!(text(5).contains("at column 11"), "{}", text(5));
    assert_eq!(
        found[8],
        json!({"line":11,"id":"d","status":"processed","seq":seq(8)})
    );
    assert_eq!(found.len(), 9);

    let figures = service.settled();
    assert_eq!(figures.orders(), (5, 3, 2));
    assert_eq!(figures.count("orders_duplicate"), 2);
    assert_eq!(
        (figures.rejected("invalid"), figures.rejected("conflict")),
        (3, 1)
    );
    assert_eq!(figures.sum("orders_rejected"), 4);
    assert_eq!(get(service.http, "/orders/d").json()["status"], "processed");
    service.drain();
}

#[test]
fn a_byte_order_mark_is_ignored() {
    let service = Service::start(&[]);
    let order = |id: &str| format!("{{\"id\":\"{id}\",\"value\":1}}\n");
    let marked = format!("\u{feff}{}{}", order("a"), order("b"));
    let reply = Client::to(service.http).ask(batch("", &marked));
    assert_eq!(statuses(&results(&reply)), ["processed"; 2]);
    let blank = format!("\u{feff}\r\n{}", order("c"));
    let found = results(&Client::to(service.http).ask(batch("", &blank)));
    assert_eq!((&found[0]["line"], found.len()), (&json!(2), 1));
}

#[test]
fn duplicates_and_conflicts_within_a_batch() {
    let service = Service::slow("native", "2", "2s", &[]);
    let body = concat!(
        "{\"id\":\"a\",\"value\":1}\n{\"value\":1.0,\"id\":\"a\"}\n{\"id\":\"a\",\"value\":2}\n",
        "{\"id\":\"b\",\"value\":1}\n{\"id\":\"a\",\"value\":1}\n"
    );
    let mut client = Client::to(service.http);
    let found = results(&client.ask(batch("", body)));
    assert_eq!(
        statuses(&found),
        [
            "processed",
            "duplicate",
            "conflict",
            "processed",
            "duplicate"
        ]
    );
    for n in [1, 4] {
        assert_eq!(found[n]["outcome"], "processed");
        assert_eq!(found[n]["seq"], found[0]["seq"]);
    }
    assert_eq!(
        found[2]["detail"],
        "the id belongs to an order in flight with other content"
    );
    // On the same connection, and with what was learned: all are known now.
    let found = results(&client.ask(batch("", body)));
    assert_eq!(
        statuses(&found),
        [
            "duplicate",
            "duplicate",
            "conflict",
            "duplicate",
            "duplicate"
        ]
    );
    let figures = service.settled();
    assert_eq!(figures.orders(), (2, 2, 0));
    assert_eq!(
        (
            figures.count("orders_duplicate"),
            figures.rejected("conflict")
        ),
        (6, 2)
    );
}

#[test]
fn an_empty_batch() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    for body in ["", "\n", " \r\n\t\n  "] {
        let reply = client.ask(batch("", body));
        assert_eq!(results(&reply), [] as [Value; 0], "{body:?}");
        assert_eq!(reply.header("content-length"), Some("0"));
    }
    assert_eq!(client.ask(order("alive")).status, 201);
}

#[test]
fn lines_that_nobody_waits_for_are_acknowledged_as_queued() {
    for (flags, prefer) in [
        (&[][..], "Prefer: respond-async\r\n"),
        (&[], "Prefer: wait=0\r\n"),
        (&["--ack", "queued"], ""),
    ] {
        let service = slow("10s", &[&["--drain-timeout", "1ms"], flags].concat());
        let mut client = Client::to(service.http);
        let found = results(&client.ask(batch(prefer, &(line("a") + &line("a") + &line("b")))));
        assert_eq!(found[0], json!({"line":1,"id":"a","status":"queued"}));
        assert_eq!(statuses(&found), ["queued"; 3], "{prefer}{flags:?}");
        assert_eq!(get(service.http, "/orders/b").json()["status"], "queued");
        // What is acknowledged is counted by the drain, whichever ledger it
        // has.
        service.terminate();
        let ended = service.wait(PATIENCE);
        assert_eq!(ended.code, Some(3), "{}", ended.log);
        assert!(ended.log.contains("lost=2"), "{}", ended.log);
    }
}

#[test]
fn what_is_not_committed_in_time_is_queued() {
    // The first is due one and a half seconds before that, the last as long
    // after it.
    let service = slow("1s", &["--ack-timeout", "2500ms"]);
    let found = results(&Client::to(service.http).ask(batch("", &lines("a", 4))));
    assert_eq!(found[0]["status"], "processed");
    assert_eq!(found[3]["status"], "queued");
    assert_eq!(
        count(&found, "processed") + count(&found, "queued"),
        4,
        "{found:?}"
    );
    assert_eq!(service.settled().orders(), (4, 4, 0));
}
