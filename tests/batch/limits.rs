//! Limits on lines, bodies, batches and memory.

use serde_json::json;

use crate::harness::{Client, Service, get, post, until};
use crate::{batch, count, head, line, lines, results, statuses};

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
    // What was taken is not undone; each line is counted, and the batch once.
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("too_large")),
        ((3, 3, 0), 4)
    );
    assert_eq!(get(service.http, "/orders/a-2").status, 200);
}

#[test]
fn a_body_over_the_limit() {
    let service = Service::start(&["--max-batch-body", "64KiB"]);
    let fits = lines("a", 100) + &" ".repeat((64 << 10) - lines("a", 100).len());
    let found = results(&Client::to(service.http).ask(batch("", &fits)));
    assert_eq!((found.len(), count(&found, "processed")), (100, 100));
    let mut client = Client::to(service.http);
    let over = format!("{}Content-Length: {}\r\n\r\n", head(), (64 << 10) + 1);
    let reply = client.ask(over);
    assert_eq!(reply.problem(413)["type"], "/problems/body-too-large");
    client.ends();
    assert_eq!(service.settled().rejected("too_large"), 1);
}

#[test]
fn a_batch_needs_a_length() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let problem = client.ask(format!("{}\r\n", head())).problem(411);
    assert_eq!(problem["type"], "/problems/length-required");
    assert_eq!(service.settled().rejected("invalid"), 1);
    // Other methods and ports know no batches.
    let get = head().replace("POST", "GET");
    Client::to(service.http)
        .ask(format!("{get}\r\n"))
        .problem(405);
    Client::to(service.admin).ask(batch("", "")).problem(404);
}

#[test]
fn as_many_batches_as_allowed() {
    let service = Service::start(&["--max-batches", "2"]);
    let mut clients: Vec<_> = (0..2).map(|_| Client::to(service.http)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let body = lines(&format!("c{n}"), 2);
        client.send(format!(
            "{}Content-Length: {}\r\n\r\n{}",
            head(),
            body.len() + 1,
            body
        ));
        until("the batch is being read", || {
            service.figures().orders().0 as usize == 2 * (n + 1)
        });
    }
    assert_eq!(service.figures().count("http_batches"), 2);
    let mut third = Client::to(service.http);
    let refused = third.ask(batch("", &line("third")));
    assert_eq!(refused.problem(503)["type"], "/problems/too-many-batches");
    assert_eq!(refused.problem(503)["retry_safe"], true);
    refused.retry_after();
    third.ends();
    // Single orders are no batches.
    assert_eq!(
        post(service.http, "", r#"{"id":"one","value":1}"#).status,
        201
    );
    clients[0].send("\n");
    assert_eq!(results(&clients[0].reply()).len(), 2);
    // A client that is gone releases its permit, too.
    drop(clients.pop());
    for n in 0..2 {
        until("a batch is taken again", || {
            let reply = Client::to(service.http).ask(batch("", &line(&format!("again-{n}"))));
            reply.status == 200
        });
    }
    until("none is open", || {
        service.figures().count("http_batches") == 0
    });
    let figures = service.settled();
    assert_eq!(figures.orders(), (7, 7, 0));
    assert!(figures.rejected("full") >= 1, "{figures:?}");
}

#[test]
fn buffers_count_as_bodies() {
    let service = Service::start(&["--body-bytes", "200KiB"]);
    let mut first = Client::to(service.http);
    first.send(format!(
        "{}Content-Length: 1000\r\n\r\n{}",
        head(),
        line("a")
    ));
    until("one is taken", || service.figures().orders().0 == 1);
    let refused = Client::to(service.http).ask(batch("", &line("b")));
    assert_eq!(refused.problem(503)["type"], "/problems/body-memory");
}

#[test]
fn results_count_in_the_memory_of_replies() {
    let service = Service::start(&["--reply-bytes", "256KiB"]);
    // Results of a hundred bytes.
    let body = line("first") + &"x\n".repeat(10_000);
    let reply = Client::to(service.http).ask(batch("", &body));
    let problem = reply.problem(503);
    assert_eq!(problem["type"], "/problems/reply-memory");
    assert_eq!(problem["retry_safe"], true);
    reply.retry_after();
    // What was taken stands, and the memory is free again.
    let found = results(&Client::to(service.http).ask(batch("", &line("first"))));
    assert_eq!(found[0]["status"], "duplicate", "{found:?}");
    let figures = service.settled();
    assert_eq!((figures.orders().0, figures.rejected("full")), (1, 1));
}
