//! `POST /submit` with `application/x-ndjson`: a result for each line, whatever the line is,
//! and limits that hold.

mod harness;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Directory, PATIENCE, Reply, Service, get, order, post, until};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

/// A request that submits this body as a batch.
fn batch(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{}Content-Length: {length}\r\n{headers}\r\n{body}", head())
}

fn head() -> &'static str {
    "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n"
}

/// An order's line.
fn line(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"value\":1}}\n")
}

/// Many of them.
fn lines(name: &str, count: usize) -> String {
    (0..count).map(|n| line(&format!("{name}-{n}"))).collect()
}

/// The results of a batch that was taken.
#[track_caller]
fn results(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    text.lines().map(parse).collect()
}

/// The status of each line.
fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect()
}

/// How many lines have this status.
fn count(results: &[Value], status: &str) -> usize {
    results.iter().filter(|r| r["status"] == status).count()
}

/// A service with one worker that takes so long for an order.
fn slow(time: &str, flags: &[&str]) -> Service {
    Service::slow("native", "1", time, flags)
}

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
fn who_does_not_wait_is_told_queued() {
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
fn a_line_without_room_is_rejected_and_all_after_it() {
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
        harness::submit(
            "Prefer: respond-async\r\n",
            &format!(r#"{{"id":"{id}","value":1}}"#),
        )
    };
    assert_eq!(client.ask(async_order("single-1")).status, 202);
    assert_eq!(client.ask(async_order("single-2")).status, 202);
}

#[test]
fn a_batch_waits_for_room_and_leaves_half_to_others() {
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
fn a_body_that_breaks_off() {
    let service = Service::start(&[]);
    let body = lines("a", 10);
    let cuts = [0, 1, body.len() / 2, body.len() - 1];
    for &cut in &cuts {
        let mut client = Client::to(service.http);
        let request = batch("", &body);
        client.send(&request.as_bytes()[..request.len() - body.len() + cut]);
        let whole = body[..cut].matches('\n').count() as u64;
        until("it has come", || service.figures().orders().0 >= whole);
        client.half_close();
        let problem = client.reply().problem(400);
        assert_eq!(problem["type"], "/problems/body-cut-short");
        assert_eq!(problem["retry_safe"], true);
        client.ends();
    }
    // What was admitted stands, and is a duplicate when sent again.
    let figures = service.settled();
    assert_eq!(figures.orders(), (9, 9, 0));
    assert_eq!(figures.rejected("invalid"), cuts.len() as u64);
    let found = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(
        (count(&found, "duplicate"), count(&found, "processed")),
        (9, 1)
    );
}

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
    let late = start.elapsed() > Duration::from_millis(500); // of one second
    match client.try_reply() {
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
    let service = slow("500ms", &["--drain-timeout", "20s"]);
    let mut waiting = Client::to(service.http);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
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
fn a_batch_may_not_be_slow_for_ever() {
    const BODY_TIMEOUT: Duration = Duration::from_millis(400);
    let service = Service::start(&["--body-timeout", "400ms", "--max-body", "64"]);
    // One that was ended before its time shows nothing if its client was itself
    // held up for about as long as a piece may take.
    let (slow, _, mut client) = (0..5)
        .map(|timed_out| trickle(&service, timed_out))
        .find(|(slow, longest, _)| *slow >= 20 * BODY_TIMEOUT || *longest < BODY_TIMEOUT / 2)
        .expect("one that sent in good time");
    assert!(slow >= 20 * BODY_TIMEOUT, "{slow:?}");
    let problem = client.reply().problem(408);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("20 times --body-timeout"), "{detail}");
    client.ends();
}

/// Sends a batch whose pieces each renew the time, and come in good time, until
/// one more is counted as timed out. How long that took, and the longest time
/// between two pieces.
fn trickle(service: &Service, timed_out: u64) -> (Duration, Duration, Client) {
    let start = Instant::now();
    let mut client = Client::to(service.http);
    client.send(format!("{}Content-Length: 1000000\r\n\r\n", head()));
    let mut stream = client.stream.try_clone().expect("a descriptor");
    let over = Arc::new(AtomicBool::new(false));
    let sender = thread::spawn({
        let over = over.clone();
        move || {
            let (mut last, mut longest) = (start, Duration::ZERO);
            let piece = " ".repeat(63) + "\n";
            while !over.load(Ordering::Relaxed) && stream.write_all(piece.as_bytes()).is_ok() {
                longest = longest.max(last.elapsed());
                last = Instant::now();
                thread::sleep(Duration::from_millis(40)); // the client is slow: that is the case
            }
            longest
        }
    });
    until("it is given up", || {
        service.figures().rejected("timeout") > timed_out
    });
    let taken = start.elapsed();
    over.store(true, Ordering::Relaxed);
    (taken, sender.join().expect("it only sends"), client)
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
    until("told so", || {
        thread::sleep(Duration::from_millis(20)); // the client is slow: that is the case
        let _ = client.try_send(line("b")); // closed in the end
        let counted = "http_requests{route=\"submit\",status=\"503\"}";
        service.figures().count(counted) == 1
    });
    assert_eq!(client.reply().problem(503)["type"], "/problems/draining");
    // The order that it held has gone on meanwhile.
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.logged("drained"), 1, "{}", ended.log);
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Batches of good and bad lines, cut anywhere on their way, against a map from id to content:
/// the first line of an id decides. `BATCH_SEED=…` repeats a run.
#[test]
fn random_batches() {
    use std::hash::{BuildHasher, RandomState};
    let seed = match std::env::var("BATCH_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => RandomState::new().hash_one("batch"),
    };
    eprintln!("BATCH_SEED={seed}");
    let mut random = Random(seed);
    let service = Service::start(&["--max-batch-orders", "60", "--queue-capacity", "16"]);
    let mut client = Client::to(service.http);
    let mut model = std::collections::HashMap::<String, i32>::new();
    let mut counts = std::collections::HashMap::<&str, u64>::new();
    for _ in 0..150 {
        let (mut body, mut want) = (String::new(), Vec::new());
        let lines = random.below(80);
        for number in 1..=lines {
            let id = format!("r{}", random.below(200));
            let value = [1, 1, 1, -1, 2][random.below(5)];
            let kind = random.below(10);
            let status = if kind == 0 {
                body.push_str([" ", "\t\r", ""][random.below(3)]);
                None
            } else if want.len() >= 60 {
                body.push('?');
                Some(("rejected", None))
            } else if kind == 1 {
                body.push_str(["{}", "null", "{\"id\":", "\u{7f}"][random.below(4)]);
                Some(("invalid", None))
            } else {
                body.push_str(&format!(r#"{{"id":"{id}", "value":{value}}}"#));
                let known = model.get(&id).copied();
                model.entry(id.clone()).or_insert(value);
                let status = match known {
                    Some(known) if known == value => "duplicate",
                    Some(_) => "conflict",
                    None if value < 0 => "failed",
                    None => "processed",
                };
                Some((status, Some(id)))
            };
            if let Some((status, id)) = status {
                *counts.entry(status).or_default() += 1;
                want.push((number, status, id));
            }
            if number < lines || random.below(2) == 0 {
                body.push_str(["\n", "\r\n"][random.below(2)]);
            }
        }
        let request = batch("", &body);
        let mut rest = request.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len()));
            client.send(piece);
            rest = after;
        }
        let found = results(&client.reply());
        let got: Vec<_> = found
            .iter()
            .map(|result| {
                let line = result["line"].as_u64().unwrap() as usize;
                let id = result["id"].as_str().map(str::to_owned);
                (line, result["status"].as_str().unwrap(), id)
            })
            .collect();
        assert_eq!(got, want, "{body}");
    }
    let of = |status| counts.get(status).copied().unwrap_or(0);
    let figures = service.settled();
    assert_eq!(
        figures.orders(),
        (model.len() as u64, of("processed"), of("failed"))
    );
    assert_eq!(figures.count("orders_duplicate"), of("duplicate"));
    assert_eq!(figures.rejected("conflict"), of("conflict"));
    assert_eq!(figures.rejected("invalid"), of("invalid"));
    assert_eq!(figures.rejected("too_large"), of("rejected"));
    let rejected = of("conflict") + of("invalid") + of("rejected");
    assert_eq!(figures.sum("orders_rejected"), rejected);
}

/// What only the native engine can do: chunked bodies, timeouts, `100-continue`.
mod native_only {
    use super::*;

    fn chunked(body: &str, size: usize) -> String {
        let mut request = format!("{}Transfer-Encoding: chunked\r\n\r\n", head());
        for chunk in body.as_bytes().chunks(size) {
            let chunk = std::str::from_utf8(chunk).unwrap();
            request.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
        }
        request + "0\r\n\r\n"
    }

    #[test]
    fn chunked_batches() {
        let service = Service::start(&["--max-batch-body", "64KiB"]);
        let mut client = Client::to(service.http);
        for size in [1, 7, 26, 1000, 1 << 20] {
            let body = lines(&format!("s{size}"), 40);
            // The next request comes along.
            let request = chunked(&body, size) + &order(&format!("next-{size}"));
            let found = results(&client.ask(request));
            assert_eq!(count(&found, "processed"), 40, "{size}");
            assert_eq!(client.reply().status, 201);
        }
        // The limit counts content, and holds when it is crossed.
        let body = lines("long", (64 << 10) / lines("long", 1).len());
        let over = chunked(&(body + &" ".repeat(1 << 16)), 1000);
        let mut client = Client::to(service.http);
        client.send(&over);
        assert_eq!(
            client.reply().problem(413)["type"],
            "/problems/body-too-large"
        );
        let figures = service.settled();
        assert!(figures.orders().0 > 1000, "those that came before it stand");
        assert_eq!(figures.rejected("too_large"), 1);
    }

    #[test]
    fn a_chunked_batch_cut_or_broken() {
        let service = Service::start(&[]);
        let request = chunked(&lines("a", 3), 20);
        for cut in head().len() + 40..request.len() {
            let mut client = Client::to(service.http);
            client.send(&request.as_bytes()[..cut]);
            client.half_close();
            assert_eq!(
                client.reply().problem(400)["type"],
                "/problems/body-cut-short"
            );
            client.ends();
        }
        let mut client = Client::to(service.http);
        client.send(request.replace("\r\n0\r\n", "\r\nnonsense\r\n"));
        client.reply().problem(400);
        client.ends();
        assert_eq!(service.settled().orders(), (3, 3, 0));
    }

    #[test]
    fn the_client_waits_for_leave() {
        let service = Service::start(&[]);
        let mut client = Client::to(service.http);
        let body = line("a");
        let (request, _) = batch("Expect: 100-continue\r\n", &body)
            .rsplit_once("{\"id\"")
            .map(|(head, _)| (head.to_owned(), ()))
            .unwrap();
        client.send(request);
        let interim = client.reply();
        assert_eq!(interim.status, 100);
        assert_eq!(count(&results(&client.ask(body)), "processed"), 1);
    }

    #[test]
    fn a_batch_may_be_slow_and_may_not_trickle() {
        let service = Service::start(&["--body-timeout", "600ms", "--max-body", "64"]);
        // Each 64 bytes renew the time: this takes three times as long as one may.
        let mut client = Client::to(service.http);
        let body = lines("slow", 30);
        client.send(format!("{}Content-Length: {}\r\n\r\n", head(), body.len()));
        for piece in body.as_bytes().chunks(64) {
            thread::sleep(Duration::from_millis(150)); // the client is slow: that is the case
            client.send(piece);
        }
        assert_eq!(count(&results(&client.reply()), "processed"), 30);
        // A byte now and then doesn't.
        let mut client = Client::to(service.http);
        client.send(format!("{}Content-Length: 1000\r\n\r\n", head()));
        let mut sent = 0;
        while client.try_send(" ").is_ok() && sent < 100 {
            sent += 1;
            thread::sleep(Duration::from_millis(50)); // likewise
            if sent == 30 {
                break;
            }
        }
        assert_eq!(
            client.reply().problem(408)["type"],
            "/problems/request-timeout"
        );
        assert_eq!(service.settled().rejected("timeout"), 1);
    }

    #[test]
    fn waiting_for_room_is_not_waiting_for_the_client() {
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
    fn a_client_that_vanishes_takes_nothing_along() {
        let service = slow("5ms", &["--queue-capacity", "4"]);
        for n in 0..5 {
            let mut client = Client::to(service.http);
            client.send(batch("", &lines(&format!("v{n}"), 10)));
        }
        let figures = harness::eventually("all of it has run", || {
            let figures = service.figures();
            (figures.orders().1 == 50).then_some(figures)
        });
        assert_eq!(figures.orders(), (50, 50, 0));
        service.drain();
    }

    #[test]
    fn a_large_reply_arrives_whole() {
        let service = Service::start(&["--max-batch-orders", "50000"]);
        let mut client = Client::to(service.http);
        let request = batch("", &lines("large", 50_000)) + &order("next");
        let found = results(&client.ask(request));
        assert_eq!(count(&found, "processed"), 50_000);
        assert_eq!(client.reply().status, 201);
        assert_eq!(service.settled().orders(), (50_001, 50_001, 0));
    }

    const MANY: [&str; 2] = ["--max-batch-orders", "300000"];
    /// Bytes of the reply to so many invalid orders, at least.
    const REPLY_MIN: usize = 20 << 20;

    /// A batch whose reply is far larger than what sockets hold, sent by a client that takes
    /// little at a time; and the reply's first byte.
    fn large_reply(service: &Service) -> Socket {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.connect(&service.http.into()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = batch("Connection: close\r\n", &"{}\n".repeat(300_000));
        (&socket).write_all(request.as_bytes()).unwrap();
        assert_eq!((&socket).read(&mut [0]).expect("a reply"), 1);
        socket
    }

    #[test]
    fn a_reply_may_not_be_taken_slowly_for_ever() {
        const WRITE_TIMEOUT: Duration = Duration::from_millis(200);
        let service = Service::start(&["--write-timeout", "200ms", MANY[0], MANY[1]]);
        let mut slow = large_reply(&service);
        let (mut taken, mut piece) = (0, vec![0; 128 << 10]);
        // In good time for each piece; all of it would take much longer than that.
        while slow.read_exact(&mut piece).is_ok() {
            taken += piece.len();
            thread::sleep(WRITE_TIMEOUT / 3); // the client is slow: that is the case
        }
        assert!(taken < REPLY_MIN, "{taken}");
    }

    #[test]
    fn a_drain_waits_for_no_reply_that_nobody_takes() {
        let patient = ["--write-timeout", "10m", "--drain-timeout", "10m"];
        let service = Service::start(&[&patient[..], &MANY].concat());
        let _open = large_reply(&service);
        service.drain();
    }

    /// Sends blank lines without an end, faster than they are read.
    fn pours(service: &Service) -> Client {
        let mut client = Client::to(service.http);
        client.send(format!("{}Content-Length: 60000000000\r\n\r\n", head()));
        let mut stream = client.stream.try_clone().expect("a descriptor");
        thread::spawn(move || {
            let piece = vec![b'\n'; 1 << 20];
            while stream.write_all(&piece).is_ok() {}
        });
        client
    }

    const LARGE: [&str; 2] = ["--max-batch-body", "64GiB"];

    #[test]
    fn a_batch_that_never_pauses_may_not_be_long_for_ever() {
        let quick = ["--max-body", "64", "--body-timeout", "200ms"];
        let service = Service::start(&[&LARGE[..], &quick].concat());
        let problem = pours(&service).reply().problem(408);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("20 times --body-timeout"), "{detail}");
    }

    #[test]
    fn a_drain_ends_a_batch_that_never_pauses() {
        let service = Service::start(&[&LARGE[..], &["--drain-timeout", "10m"]].concat());
        let mut client = pours(&service);
        until("it is being read", || {
            service.figures().get("http_connections") > 1.0
        });
        service.terminate();
        assert_eq!(client.reply().problem(503)["type"], "/problems/draining");
        assert_eq!(service.wait(PATIENCE).code, Some(0));
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
    fn the_journal_keeps_why_orders_of_a_batch_failed() {
        let directory = Directory::new();
        let service = directory.start(&["--max-value", "1000"]);
        // More than one read serves, processed ones among them, and not in their order when they
        // are sent again.
        let value = |n: usize| [1, -1, 2000][n % 3];
        let line = |n: usize| format!("{{\"id\":\"f-{n}\",\"value\":{}}}\n", value(n));
        let body: String = (0..6000).map(line).collect();
        let first = results(&Client::to(service.http).ask(batch("", &body)));
        assert_eq!(count(&first, "failed"), 4000);
        drop(service); // killed
        let service = directory.start(&[]);
        let mut order: Vec<usize> = (0..6000).collect();
        for n in (0..6000).step_by(97) {
            order.swap(n, (n * 31) % 6000);
        }
        let body: String = order.iter().map(|&n| line(n)).collect();
        for headers in ["", "Prefer: respond-async\r\n"] {
            let again = results(&Client::to(service.http).ask(batch(headers, &body)));
            assert_eq!(count(&again, "duplicate"), 6000);
            for (&n, again) in order.iter().zip(&again) {
                assert_eq!(again["seq"], first[n]["seq"]);
                assert_eq!(again["outcome"], first[n]["status"]);
                // Whoever doesn't wait does without what is not read in a second.
                let unread = !headers.is_empty() && again["detail"].is_null();
                assert!(
                    unread || again["detail"] == first[n]["detail"],
                    "{n}: {again}"
                );
            }
        }
        service.drain();
    }

    #[test]
    fn the_journal_keeps_what_a_batch_was_told() {
        let dir = std::env::temp_dir().join(format!("orders-batch-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir); // of an earlier run
        let flags = ["--ledger", "journal", "--data-dir", dir.to_str().unwrap()];
        let start = || {
            let mut command = Service::command();
            let base = harness::BASE_FLAGS;
            command.args(&base[..base.len() - 2]).args(flags);
            Service::launch(command)
        };
        let service = start();
        let body = lines("j", 5000);
        let first = results(&Client::to(service.http).ask(batch("", &body)));
        assert_eq!(count(&first, "processed"), 5000);
        drop(service); // killed
        let service = start();
        let again = results(&Client::to(service.http).ask(batch("", &body)));
        assert_eq!(count(&again, "duplicate"), 5000);
        for (first, again) in first.iter().zip(&again) {
            assert_eq!(first["seq"], again["seq"]);
        }
        service.drain();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
