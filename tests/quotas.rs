//! Fair shares: a client that has used its quota up is refused, and the others
//! are served.

mod harness;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Client, Directory, Service, get, on_both_engines, post, submit, until};

on_both_engines!(
    a_token_that_floods_is_refused_and_another_is_served,
    requests_in_flight_are_counted,
);

const A: &str = "Authorization: Bearer token-of-a-0123456\r\n";
const B: &str = "Authorization: Bearer token-of-b-0123456\r\n";
const READS: &str = "Authorization: Bearer token-that-reads\r\n";

/// Flags for a token file with these options of `a`; `b` has no quota.
fn tokens(directory: &Directory, options: &str) -> PathBuf {
    fs::create_dir(&directory.0).unwrap();
    let path = directory.0.join("tokens");
    let text = format!(
        "a:token-of-a-0123456 scope=submit {options}\nb:token-of-b-0123456\n\
         reads:token-that-reads scope=read\n"
    );
    fs::write(&path, text).unwrap();
    path
}

fn body(id: &str) -> String {
    format!(r#"{{"id":"{id}","value":1}}"#)
}

fn a_token_that_floods_is_refused_and_another_is_served(engine: &str) {
    let directory = Directory::new();
    let path = tokens(&directory, "rate=1/h burst=3");
    let service = Service::on(engine, &["--token-file", path.to_str().unwrap()]);
    let mut floods = Client::to(service.http);
    for number in 0..3 {
        let reply = floods.ask(submit(A, &body(&format!("a-{number}"))));
        assert_eq!(reply.status, 201);
    }
    for number in 3..20 {
        let reply = floods.ask(submit(A, &body(&format!("a-{number}"))));
        let problem = reply.problem(429);
        assert_eq!(problem["type"], "/problems/rate-limited");
        assert_eq!(problem["retry_safe"], true);
        if engine == "native" {
            assert_eq!(
                reply.header("ratelimit-policy"),
                Some(r#""rate";q=3;w=10800"#)
            );
            let left = reply.header("ratelimit").unwrap();
            assert!(left.starts_with(r#""rate";r=0;t=3"#), "{left}");
            assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 3000);
        } else {
            // Its Retry-After ends at 60, and connections with it.
            assert_eq!(reply.retry_after(), 60);
            floods = Client::to(service.http);
        }
        let id = format!("b-{number}");
        assert_eq!(post(service.http, B, &body(&id)).status, 201);
    }
    // A body that isn't there is not waited for.
    let mut client = Client::to(service.http);
    let head = "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Length: 9\r\n";
    client.ask(format!("{head}{A}\r\n")).problem(429);
    client.ends();
    let figures = service.settled();
    assert_eq!(figures.orders(), (20, 20, 0));
    assert_eq!(figures.rejected("rate_limited"), 18);
    for (sample, count) in [
        (r#"client_requests{client="a"}"#, 3.0),
        (r#"client_refused{client="a",quota="rate"}"#, 18.0),
        (r#"client_requests{client="b"}"#, 17.0),
        (r#"client_refused{client="b",quota="rate"}"#, 0.0),
    ] {
        assert_eq!(figures.get(sample), count, "{sample}");
    }
    let stats = get(service.admin, "/stats").json();
    assert_eq!(stats["clients"]["a"]["refused"]["rate"], 18);
    if engine == "native" {
        // Who submitted an order stands in the feed.
        let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: orders\r\n{READS}\r\n");
        let mut client = Client::to(service.http);
        assert_eq!(client.ask(ask("/orders/a-0")).json()["client"], "a");
        assert_eq!(client.ask(ask("/orders/b-3")).json()["client"], "b");
    }
}

/// By no more than that, since the others on its connection aren't delayed.
#[test]
fn refusals_in_a_row_are_delayed() {
    const REFUSALS: u32 = 20;
    const DELAY: Duration = Duration::from_millis(10);
    let directory = Directory::new();
    let path = tokens(&directory, "rate=1/h burst=1");
    let service = Service::start(&["--token-file", path.to_str().unwrap()]);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(submit(A, &body("a-0"))).status, 201);
    let begun = Instant::now();
    for _ in 0..REFUSALS {
        client.ask(submit(A, &body("a-1"))).problem(429);
        // No quota counts these: they change nothing.
        let probe = "GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n";
        assert_eq!(client.ask(probe).status, 200);
        let wrong = format!("PUT /submit HTTP/1.1\r\nHost: orders\r\n{A}Content-Length: 0\r\n\r\n");
        client.ask(wrong).problem(405);
    }
    let took = begun.elapsed();
    assert!(took >= DELAY * (REFUSALS - 1), "{took:?}");
    assert_eq!(client.ask(submit(B, &body("b-0"))).status, 201);
    // A client that sends nothing more may still read.
    let mut closed = Client::to(service.http);
    let begun = Instant::now();
    closed.send(submit(A, &body("a-1")).repeat(REFUSALS as usize));
    closed.half_close();
    assert_eq!(closed.rest().len(), REFUSALS as usize);
    let took = begun.elapsed();
    assert!(took >= DELAY * (REFUSALS - 1), "{took:?}");
    let figures = service.figures();
    assert_eq!(figures.rejected("rate_limited"), 2 * u64::from(REFUSALS));
    // It ends with a drain.
    client.send(submit(A, &body("a-1")).repeat(2));
    service.drain();
}

fn requests_in_flight_are_counted(engine: &str) {
    let directory = Directory::new();
    let path = tokens(&directory, "inflight=1");
    let path = path.to_str().unwrap();
    let service = Service::slow(engine, "2", "3s", &["--token-file", path]);
    let in_flight = || service.figures().get(r#"client_in_flight{client="a"}"#);
    let mut first = Client::to(service.http);
    first.send(submit(A, &body("a-1")));
    until("in flight", || in_flight() == 1.0);
    let reply = post(service.http, A, &body("a-2"));
    assert_eq!(reply.problem(429)["retry_safe"], true);
    assert_eq!(reply.retry_after(), 1);
    if engine == "native" {
        let policy = r#""inflight";q=1;qu="concurrent-requests""#;
        assert_eq!(reply.header("ratelimit-policy"), Some(policy));
    }
    let (a, b) = [A, B]
        .map(|token| format!("{token}Prefer: respond-async\r\n"))
        .into();
    assert_eq!(post(service.http, &b, &body("b-1")).status, 202);
    assert_eq!(first.reply().status, 201);
    until("it has its reply", || in_flight() == 0.0);
    assert_eq!(post(service.http, &a, &body("a-2")).status, 202);
    let figures = service.settled();
    let refused = r#"client_refused{client="a",quota="inflight"}"#;
    assert_eq!(figures.get(refused), 1.0);
}

fn batch(lines: std::ops::Range<u32>) -> String {
    lines.map(|n| body(&format!("l-{n}")) + "\n").collect()
}

fn send(service: &Service, body: &str) -> Vec<String> {
    let length = body.len();
    let reply = Client::to(service.http).ask(format!(
        "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n{A}\
         Content-Length: {length}\r\n\r\n{body}"
    ));
    assert_eq!(reply.status, 200, "{reply:?}");
    let status = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["status"].as_str().unwrap().to_owned()
    };
    reply.text().lines().map(status).collect()
}

#[test]
fn a_batch_waits_for_its_rate_and_not_for_ever() {
    let directory = Directory::new();
    let path = tokens(&directory, "rate=500/s burst=5");
    let service = Service::start(&["--token-file", path.to_str().unwrap()]);
    let results = send(&service, &batch(0..100));
    assert!(
        results.iter().all(|status| status == "processed"),
        "{results:?}"
    );
    assert_eq!(service.settled().orders(), (100, 100, 0));
    drop(service);

    let path = path.to_str().unwrap();
    let text = "a:token-of-a-0123456 rate=1/h burst=2";
    fs::write(path, text).unwrap();
    let service = Service::start(&["--token-file", path, "--ack-timeout", "5s"]);
    let results = send(&service, &batch(0..5));
    assert_eq!(
        results,
        ["processed", "processed", "rejected", "rejected", "rejected"]
    );
    let figures = service.settled();
    assert_eq!(figures.orders(), (2, 2, 0));
    assert_eq!(figures.rejected("rate_limited"), 3);
}
