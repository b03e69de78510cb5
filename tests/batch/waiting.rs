//! Orders that are queued, rejected, or wait for the queue.

use std::thread;

use serde_json::json;

use crate::harness::{Client, PATIENCE, Service, get, order, post, until};
use crate::request::{batch, count, head, line, lines, results, slow, statuses};

#[test]
fn a_client_that_does_not_wait_gets_queued() {
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
        // What is told is counted by the drain, whichever ledger it has.
        service.terminate();
        let ended = service.wait(PATIENCE);
        assert_eq!(ended.code, Some(3), "{}", ended.log);
        assert!(ended.log.contains("lost=2"), "{}", ended.log);
    }
}

#[test]
fn what_is_not_committed_in_time_is_queued() {
    let service = slow("400ms", &["--ack-timeout", "700ms"]);
    let found = results(&Client::to(service.http).ask(batch("", &lines("a", 6))));
    assert_eq!(found[0]["status"], "processed");
    assert_eq!(found[5]["status"], "queued");
    let processed = count(&found, "processed");
    assert!(
        processed <= 2 && processed + count(&found, "queued") == 6,
        "{found:?}"
    );
    assert_eq!(service.settled().orders(), (6, 6, 0));
}

#[test]
fn a_line_that_finds_the_queue_full_is_rejected_and_all_after_it() {
    let service = slow("10m", &["--queue-capacity", "4", "--ack-timeout", "300ms"]);
    let body = lines("a", 20) + "nonsense\n";
    let mut client = Client::to(service.http);
    let found = results(&client.ask(batch("", &body)));
    // One with the worker, two in the half of the queue that batches may fill; the worker may
    // have taken its one too late for the third to be noticed.
    let queued = count(&found, "queued");
    assert!((2..=3).contains(&queued), "{found:?}");
    assert_eq!(count(&found, "rejected"), 21 - queued, "{found:?}");
    assert_eq!(statuses(&found)[..queued], ["queued"; 3][..queued]);
    assert_eq!(found[queued]["id"], format!("a-{queued}"));
    assert_eq!(found[20]["detail"], "the queue is full; nothing was kept");
    let figures = service.figures();
    assert_eq!(figures.orders().0 as usize, queued);
    assert_eq!(figures.rejected("full") as usize, 21 - queued);
    // Single orders still have the other half.
    let async_order = |id: &str| {
        crate::harness::submit(
            "Prefer: respond-async\r\n",
            &format!(r#"{{"id":"{id}","value":1}}"#),
        )
    };
    assert_eq!(client.ask(async_order("single-1")).status, 202);
    assert_eq!(client.ask(async_order("single-2")).status, 202);
}

#[test]
fn a_batch_waits_for_the_queue_and_leaves_half_to_others() {
    let service = slow("2ms", &["--queue-capacity", "20"]);
    let address = service.http;
    let batches: Vec<_> = ["x", "y"]
        .map(|name| {
            thread::spawn(move || {
                let reply = Client::to(address).ask(batch("", &lines(name, 600)));
                results(&reply)
            })
        })
        .into();
    until("the batches are under way", || {
        service.figures().orders().0 > 30
    });
    let mut client = Client::to(address);
    let mut singles = 0;
    while batches.iter().any(|batch| !batch.is_finished()) {
        let reply = client.ask(order(&format!("single-{singles}")));
        assert_eq!(reply.status, 201, "{reply:?}");
        let depth = service.figures().get("queue_depth");
        assert!(depth <= 11.0, "{depth}");
        singles += 1;
    }
    assert!(singles > 3, "{singles}");
    for batch in batches {
        let found = batch.join().unwrap();
        assert_eq!(count(&found, "processed"), 600, "{found:?}");
    }
    let figures = service.settled();
    assert_eq!(figures.orders().1, 1200 + singles);
    assert_eq!(figures.sum("orders_rejected"), 0);
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
    // A client that is gone gives its place back, too.
    drop(clients.pop());
    for n in 0..2 {
        until("there is room again", || {
            let reply = Client::to(service.http).ask(batch("", &line(&format!("again-{n}"))));
            reply.status == 200
        });
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (7, 7, 0));
    assert!(figures.rejected("full") >= 1, "{figures:?}");
}

#[test]
fn waiting_for_the_queue_is_not_waiting_for_the_client() {
    let service = slow(
        "100ms",
        &["--queue-capacity", "2", "--body-timeout", "200ms"],
    );
    // The body is larger than what is read at a time, so that some of it
    // waits in the socket for a second and more.
    let mut body = lines("a", 12);
    body.push_str(&"\n".repeat(100_000));
    let found = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(count(&found, "processed"), 12);
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
