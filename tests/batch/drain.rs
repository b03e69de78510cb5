//! Batches while the process ends.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Client, PATIENCE, Reply, Service, get, order, until};
use crate::{batch, head, line, lines, results, slow, statuses};

#[test]
fn a_drain_in_the_middle() {
    let (service, reply) = (0..5)
        .find_map(|_| ends_in_a_drain())
        .expect("one that sent in good time");
    let found = results(&reply);
    assert_eq!(
        statuses(&found),
        [
            "processed",
            "processed",
            "processed",
            "rejected",
            "rejected"
        ]
    );
    assert_eq!(found[3]["id"], "b-0");
    assert_eq!(
        found[3]["detail"],
        "this process is about to end; another may be up"
    );
    assert_eq!(reply.header("connection"), Some("close"));
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// The reply to a batch whose last lines come in a drain; `None` if it was not
/// waited for, and this client was itself held up for much of the time it had.
fn ends_in_a_drain() -> Option<(Service, Reply)> {
    let service = slow("50ms", &["--drain-timeout", "20s"]);
    let body = lines("a", 3) + &lines("b", 2);
    let first = lines("a", 3).len();
    let request = batch("", &body);
    let (before, after) = request.split_at(request.len() - body.len() + first);
    let mut client = Client::to(service.http);
    client.send(before);
    until("three are admitted", || service.figures().orders().0 == 3);
    let start = Instant::now();
    service.terminate();
    until("draining", || get(service.admin, "/readyz").status == 503);
    let sent = client.try_send(after);
    let reply = client.try_reply();
    let late = start.elapsed() > Duration::from_millis(500); // of one second
    match reply {
        Some(reply) if reply.status == 503 && late => None,
        None if late => None,
        reply => {
            sent.expect("sent");
            Some((service, reply.expect("a reply before the end")))
        }
    }
}

#[test]
fn a_batch_during_a_drain_is_refused() {
    let service = slow("3s", &["--drain-timeout", "20s"]);
    let mut waiting = Client::to(service.http);
    let mut client = Client::to(service.http);
    let health = "GET /healthz HTTP/1.1\r\nHost: o\r\n\r\n";
    assert_eq!(client.ask(health).status, 200);
    waiting.send(order("a"));
    until("taken", || service.figures().inside() == 1);
    service.terminate();
    until("draining", || get(service.admin, "/readyz").status == 503);
    let reply = client.ask(batch("", &line("late")));
    assert_eq!(reply.problem(503)["type"], "/problems/draining");
    reply.retry_after();
    assert_eq!(waiting.reply().status, 201);
    assert_eq!(service.wait(PATIENCE).code, Some(0));
}

#[test]
fn a_drain_ends_a_batch_that_does_not_end() {
    // Long before its deadline.
    let service = Service::start(&["--drain-timeout", "10m", "--body-timeout", "10m"]);
    let mut client = Client::to(service.http);
    client.send(format!(
        "{}Content-Length: 1000\r\n\r\n{}",
        head(),
        line("a")
    ));
    until("one is taken", || service.figures().orders().0 == 1);
    service.terminate();
    let problem = client.reply().problem(503);
    assert_eq!(problem["type"], "/problems/draining");
    assert_eq!(problem["retry_safe"], true);
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn a_drain_ends_a_batch_that_trickles() {
    let service = slow("10s", &["--drain-timeout", "10m"]);
    let mut client = Client::to(service.http);
    client.send(format!(
        "{}Content-Length: 100000\r\n\r\n{}",
        head(),
        line("a")
    ));
    until("one is taken", || service.figures().orders().0 == 1);
    service.terminate();
    until("it is refused", || {
        thread::sleep(Duration::from_millis(20)); // the client is slow: that is the case
        let _ = client.try_send(" "); // closed in the end
        let counted = "http_requests{route=\"submit\",status=\"503\"}";
        service.figures().count(counted) == 1
    });
    assert_eq!(client.reply().problem(503)["type"], "/problems/draining");
    // The order that it held has gone on meanwhile.
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.logged("drained"), 1, "{}", ended.log);
}
