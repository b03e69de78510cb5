//! A result for each line, whatever the line is.

use serde_json::{Value, json};

use crate::harness::{Client, Service, get, order, post};
use crate::request::{batch, lines, results, slow, statuses};

#[test]
fn every_kind_of_line() {
    let service = Service::start(&["--max-value", "100"]);
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
fn duplicates_and_conflicts_within_a_batch() {
    let service = slow("20ms", &[]);
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
fn a_line_over_the_limit() {
    let service = Service::start(&["--max-body", "1KiB"]);
    let of = |id: &str, bytes: usize| {
        let frame = format!(r#"{{"id":"{id}","value":1,"x":""}}"#).len();
        format!(
            r#"{{"id":"{id}","value":1,"x":"{}"}}"#,
            "x".repeat(bytes - frame)
        )
    };
    let body = [
        of("fits", 1024),
        of("over", 1025),
        of("far-over", 300_000),
        of("fits-too", 1024) + "\r",
        of("last", 1025),
    ]
    .join("\n");
    let found = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(
        statuses(&found),
        ["processed", "invalid", "invalid", "processed", "invalid"]
    );
    for n in [1, 2, 4] {
        assert_eq!(
            found[n]["detail"],
            "the line is over the limit of 1024 bytes (--max-body)"
        );
    }
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("too_large")),
        ((2, 2, 0), 3)
    );
}

#[test]
fn lines_over_the_limit() {
    let service = Service::start(&["--max-batch-orders", "3"]);
    let body = format!("\n{}\nnonsense\n{}", lines("a", 3), lines("b", 2));
    let found = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(
        statuses(&found),
        [
            "processed",
            "processed",
            "processed",
            "rejected",
            "rejected",
            "rejected"
        ]
    );
    assert_eq!(found[2]["line"], 4);
    assert_eq!(
        found[3],
        json!({"line":6,"status":"rejected",
               "detail":"the batch is over 3 orders (--max-batch-orders)"})
    );
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("too_large")),
        ((3, 3, 0), 3)
    );
}

#[test]
fn far_more_lines_than_the_limit() {
    let service = Service::start(&["--max-batch-orders", "3"]);
    let mut client = Client::to(service.http);
    let problem = client.ask(batch("", &lines("a", 7))).problem(413);
    assert_eq!(problem["type"], "/problems/body-too-large");
    client.ends();
    // What was taken stands; each line is counted, and the batch once.
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("too_large")),
        ((3, 3, 0), 4)
    );
    assert_eq!(get(service.http, "/orders/a-2").status, 200);
}
