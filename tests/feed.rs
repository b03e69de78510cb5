//! The feed, `GET /orders`: replayed from any point, followed while it grows, and bounded
//! in what it takes, with both ledgers.

mod harness;

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Crowd, PATIENCE, Reply, Service, get, order, post, submit, until};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// A service, and the journal's directory.
struct Orders {
    service: Service,
    directory: Directory,
}

/// A directory that is removed in the end.
#[derive(Default)]
struct Directory(Option<PathBuf>);

impl Orders {
    #[track_caller]
    fn on(ledger: &str, flags: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if ledger == "memory" {
            let service = Service::start(flags);
            return Self {
                service,
                directory: Directory::default(),
            };
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("orders-feed-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        Self::over(Directory(Some(directory)), flags)
    }

    /// With the journal in this directory.
    #[track_caller]
    fn over(directory: Directory, flags: &[&str]) -> Self {
        let mut command = Service::command();
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--grpc-listen", "off"]);
        command.args(["--ledger", "journal", "--data-dir"]);
        command.args(directory.0.iter()).args(flags);
        Self {
            service: Service::launch(command),
            directory,
        }
    }

    fn http(&self) -> SocketAddr {
        self.service.http
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            let _ = std::fs::remove_dir_all(directory); // the test has failed before it was made
        }
    }
}

/// A request for a page.
fn page(query: &str) -> String {
    format!("GET /orders?{query} HTTP/1.1\r\nHost: orders\r\n\r\n")
}

/// The lines of a page.
#[track_caller]
fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let id = reply.header("orders-ledger-id").expect("the ledger's id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The sequences of a page.
#[track_caller]
fn seqs(reply: &Reply) -> Vec<u64> {
    let lines = lines(reply);
    lines
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect()
}

/// Orders committed one after the other; the last sequence.
#[track_caller]
fn commit(address: SocketAddr, name: &str, count: u64) -> u64 {
    let mut client = Client::to(address);
    let requests: String = (0..count)
        .map(|number| order(&format!("{name}{number}")))
        .collect();
    client.send(requests);
    (0..count)
        .map(|_| client.reply().json()["seq"].as_u64().unwrap())
        .max()
        .unwrap_or(0)
}

/// How many requests on the order port wait or are being answered, but for the one that asks.
fn connections(service: &Service) -> f64 {
    service.figures().get("http_connections") - 1.0
}

#[test]
fn every_sequence_once_from_any_point_under_load() {
    for ledger in ["memory", "journal"] {
        let orders = Orders::on(ledger, &[]);
        let address = orders.http();
        let crowd = Crowd::start(address, 4);
        until("some are there", || crowd.replies() >= 50);
        // Followers begin at different places and ask for pages of different sizes, while
        // orders come in.
        let followers = [(0, 10_000), (7, 1), (31, 13), (40, 1000)].map(|(from, limit)| {
            thread::spawn(move || {
                let mut client = Client::to(address);
                let mut seen: u64 = from;
                while seen < 1000 {
                    let query = format!("after={seen}&limit={limit}&wait=30");
                    let found = lines(&client.ask(page(&query)));
                    assert!(!found.is_empty() && found.len() <= limit, "{}", found.len());
                    for line in found {
                        seen += 1;
                        assert_eq!(line["seq"], seen, "in order and without gaps");
                        assert_eq!(line["order"]["id"], line["id"]);
                    }
                }
            })
        });
        for follower in followers {
            follower.join().expect("each saw each once");
        }
        let replies = crowd.end();
        // What was answered is what is there.
        let mut client = Client::to(address);
        let mut found: Vec<Value> = Vec::new();
        loop {
            let more = lines(&client.ask(page(&format!("after={}", found.len()))));
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        assert_eq!(found.len(), replies.len());
        for (id, reply) in &replies {
            let seq = reply.json()["seq"].as_u64().unwrap();
            assert_eq!(found[seq as usize - 1]["id"], **id);
        }
    }
}

#[test]
fn an_order_is_in_the_feed_as_soon_as_it_is_answered() {
    for ledger in ["memory", "journal"] {
        let orders = Orders::on(ledger, &[]);
        let _load = Crowd::start(orders.http(), 2);
        let mut client = Client::to(orders.http());
        let mut reader = Client::to(orders.http());
        for number in 0..200 {
            let id = format!("now-{number}");
            let seq = client.ask(order(&id)).json()["seq"].as_u64().unwrap();
            let reply = reader.ask(page(&format!("after={}&limit=1", seq - 1)));
            assert_eq!(lines(&reply)[0]["id"], id);
        }
    }
}

#[test]
fn a_page_says_what_it_is() {
    let orders = Orders::on("memory", &[]);
    let mut client = Client::to(orders.http());
    assert_eq!(seqs(&client.ask(page(""))), [0; 0]);
    assert_eq!(
        client
            .ask("GET /orders HTTP/1.1\r\nHost: o\r\n\r\n")
            .body
            .len(),
        0
    );
    assert_eq!(client.ask(order("a")).status, 201);
    let refused = submit("", r#"{"id":"b","value":0,"note":"\u00e9"}"#);
    assert_eq!(client.ask(refused).status, 422);
    let reply = client.ask(page("after=0"));
    let found = lines(&reply);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["seq"], &found[0]["id"], &found[0]["status"]),
        (&1.into(), &"a".into(), &"processed".into())
    );
    assert_eq!(
        (&found[1]["status"], &found[1]["order"]["note"]),
        (&"failed".into(), &"\u{e9}".into())
    );
    assert!(found[0].get("detail").is_none() && found[1]["detail"].is_string());
    // The same line and the same ledger as of one order.
    let one = get(orders.http(), "/orders/b");
    assert_eq!(one.json(), found[1]);
    let id = reply.header("orders-ledger-id");
    assert_eq!(one.header("orders-ledger-id"), id);
    assert_eq!(seqs(&client.ask(page("after=1&limit=1"))), [2]);
    // Nothing that HEAD leaves out gets in the way of the next reply.
    client.send(page("after=0").replace("GET", "HEAD"));
    let head = client.reply_to_head();
    assert_eq!((head.status, head.header("orders-ledger-id")), (200, id));
    let length = reply.body.len().to_string();
    assert_eq!(head.header("content-length"), Some(&*length));
    // Pipelined pages and orders keep their order.
    let behind = [page("after=0&limit=1"), order("c"), page("after=2&wait=60")];
    client.send(behind.concat());
    assert_eq!(seqs(&client.reply()), [1]);
    assert_eq!(client.reply().json()["seq"], 3);
    assert_eq!(seqs(&client.reply()), [3]);
    let counted = r#"http_requests{route="feed",status="200"}"#;
    assert_eq!(orders.service.figures().count(counted), 7);
    get(orders.service.admin, "/orders").problem(404);
}

#[test]
fn parameters_are_read_strictly() {
    let orders = Orders::on("memory", &[]);
    let mut client = Client::to(orders.http());
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("wait=61", "wait"),
        ("after=x", "after"),
        ("after=18446744073709551616", "after"),
        ("after=0&after=0", "after"),
        ("since=0", "since"),
        ("after=0&", ""),
    ] {
        let problem = client.ask(page(query)).problem(400);
        assert_eq!(problem["type"], "/problems/invalid-parameter", "{query}");
        assert_eq!(problem["parameter"], parameter, "{query}");
        assert_eq!(problem["retry_safe"], false);
    }
    let long = "x".repeat(1000);
    let problem = client.ask(page(&long)).problem(400);
    assert_eq!(problem["parameter"], "x".repeat(64));
    assert_eq!(client.ask(page("limit=10000&wait=0")).status, 200);
}

#[test]
fn past_the_end_and_before_the_oldest() {
    let orders = Orders::on("memory", &["--dedupe-window", "10"]);
    let mut client = Client::to(orders.http());
    assert_eq!(commit(orders.http(), "a", 3), 3);
    for after in ["4", "18446744073709551615"] {
        let reply = client.ask(page(&format!("after={after}&wait=60")));
        let problem = reply.problem(400);
        assert_eq!(problem["type"], "/problems/feed-ahead");
        assert_eq!(problem["last_seq"], 3);
        assert!(reply.header("orders-ledger-id").is_some());
    }
    // The memory ledger drops a thousand and twenty-four at a time.
    assert_eq!(commit(orders.http(), "b", 3000), 3003);
    for after in [0, 1, 1023] {
        let reply = client.ask(page(&format!("after={after}&wait=60")));
        let problem = reply.problem(410);
        assert_eq!(problem["type"], "/problems/feed-pruned");
        let oldest = problem["oldest_seq"].as_u64().unwrap();
        assert!(oldest > 1024 && (oldest - 1).is_multiple_of(1024));
        assert!(reply.header("orders-ledger-id").is_some());
        let reply = client.ask(page(&format!("after={}&limit=1", oldest - 1)));
        assert_eq!(seqs(&reply), [oldest], "where to begin again");
    }
}

#[test]
fn a_wait_is_ended_by_a_commit() {
    for ledger in ["memory", "journal"] {
        let orders = Orders::on(ledger, &[]);
        let mut follower = Client::to(orders.http());
        for seq in 1..=20 {
            let asked = Instant::now();
            follower.send(page(&format!("after={}&wait=60", seq - 1)));
            // Every second one finds the follower's request still on its way.
            if seq % 2 == 0 {
                until("it waits", || {
                    nothing_comes(&follower.stream, Duration::from_millis(20))
                });
            }
            let reply = post(
                orders.http(),
                "",
                &format!(r#"{{"id":"o{seq}","value":1}}"#),
            );
            assert_eq!(reply.json()["seq"], seq);
            assert_eq!(seqs(&follower.reply()), [seq]);
            assert!(asked.elapsed() < PATIENCE, "not by the end of its wait");
        }
    }
}

/// Whether nothing can be read for a while: that somebody waits has no event of its own.
fn nothing_comes(stream: &TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    peeked.is_err()
}

#[test]
fn a_wait_is_ended_in_time() {
    let orders = Orders::on("memory", &[]);
    let seq = commit(orders.http(), "a", 2);
    let mut client = Client::to(orders.http());
    let asked = Instant::now();
    let reply = client.ask(page(&format!("after={seq}&wait=1")));
    assert!(asked.elapsed() >= Duration::from_secs(1));
    assert_eq!(seqs(&reply), [0; 0]);
    assert_eq!(client.ask(order("next")).json()["seq"], seq + 1);
    assert_eq!(
        seqs(&client.ask(page(&format!("after={seq}&wait=1")))),
        [seq + 1]
    );
}

#[test]
fn a_wait_is_ended_by_a_drain() {
    for ledger in ["memory", "journal"] {
        // An order that takes its time keeps the drain from its end: who waits is answered at
        // its beginning, and doesn't see that order.
        let slow = ["--processor", "simulate", "--simulate", "5s..5s"];
        let orders = Orders::on(ledger, &slow);
        let mut followers: Vec<Client> = (0..20).map(|_| Client::to(orders.http())).collect();
        for follower in &mut followers {
            follower.send(page("wait=60"));
        }
        let last = &followers[followers.len() - 1];
        until("they wait", || {
            nothing_comes(&last.stream, Duration::from_millis(50))
        });
        let mut client = Client::to(orders.http());
        client.send(order("a"));
        until("inside", || orders.service.figures().inside() == 1);
        orders.service.terminate();
        for follower in &mut followers {
            let reply = follower.reply();
            assert_eq!(seqs(&reply), [0; 0]);
            assert_eq!(reply.header("connection"), Some("close"));
        }
        assert_eq!(client.reply().status, 201);
        let ended = orders.service.wait(PATIENCE);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}

#[test]
fn hundreds_of_followers_are_woken_at_once() {
    const FOLLOWERS: usize = 400;
    for ledger in ["memory", "journal"] {
        let orders = Orders::on(ledger, &[]);
        let mut followers: Vec<Client> =
            (0..FOLLOWERS).map(|_| Client::to(orders.http())).collect();
        let mut seen = [0; FOLLOWERS];
        for round in 0..3 {
            for (follower, seen) in followers.iter_mut().zip(seen) {
                follower.send(page(&format!("after={seen}&wait=60")));
            }
            let begun = Instant::now();
            let last = commit(orders.http(), &format!("r{round}-"), 10);
            for (follower, seen) in followers.iter_mut().zip(&mut seen) {
                loop {
                    for seq in seqs(&follower.reply()) {
                        *seen += 1;
                        assert_eq!(seq, *seen);
                    }
                    if *seen == last {
                        break;
                    }
                    follower.send(page(&format!("after={seen}&wait=60")));
                }
            }
            assert!(begun.elapsed() < PATIENCE, "not by the end of their wait");
        }
    }
}

#[test]
fn a_follower_that_hangs_up_leaves_nothing_behind() {
    let orders = Orders::on("memory", &["--max-connections", "50"]);
    let service = &orders.service;
    // More than have timer slots, if those who left kept theirs.
    for round in 0..3 {
        let mut followers: Vec<Client> = (0..40).map(|_| Client::to(orders.http())).collect();
        for follower in &mut followers {
            follower.send(page(&format!("after={round}&wait=60")));
        }
        until("they wait", || {
            connections(service) == 40.0
                && followers
                    .iter()
                    .all(|follower| nothing_comes(&follower.stream, Duration::from_millis(2)))
        });
        for (place, mut follower) in followers.into_iter().enumerate() {
            if place % 2 == 0 {
                follower.half_close();
            }
            drop(follower);
        }
        let begun = Instant::now();
        until("all are gone", || connections(service) == 0.0);
        assert!(begun.elapsed() < PATIENCE, "not by the end of their wait");
        commit(orders.http(), &format!("r{round}"), 1);
    }
    assert_eq!(service.settled().orders(), (3, 3, 0));
}

/// Asks for a page and reads nothing.
fn ask_and_hold(address: SocketAddr, after: u64) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(&address.into()).unwrap();
    let request = page(&format!("after={after}&limit=1"));
    assert_eq!(socket.send(request.as_bytes()).unwrap(), request.len());
    socket
}

#[test]
fn pages_past_the_budget_are_refused() {
    // Lines so long that a few of them are all there is room for, and that the system's
    // buffers don't take them.
    let flags = ["--max-body", "16MiB", "--write-timeout", "1h"];
    let orders = Orders::on("memory", &flags);
    let padding = "x".repeat(15 << 20);
    for number in 0..5 {
        let body = format!(r#"{{"id":"o{number}","value":1,"x":"{padding}"}}"#);
        assert_eq!(post(orders.http(), "", &body).status, 201);
    }
    let pages = r#"http_requests{route="feed",status="200"}"#;
    let asked = |held: &[Socket]| orders.service.figures().count(pages) == held.len() as u64;
    let mut holders = Vec::new();
    for after in 0..4 {
        holders.push(ask_and_hold(orders.http(), after));
        until("it is being sent", || asked(&holders));
    }
    let mut client = Client::to(orders.http());
    let reply = client.ask(page("after=4&wait=60"));
    let problem = reply.problem(503);
    assert_eq!(problem["type"], "/problems/feed-busy");
    assert_eq!(problem["retry_safe"], true);
    reply.retry_after();
    // Long to parse: the beginning says which it is.
    let is = |reply: &Reply, seq: u64| {
        let begins = format!("{{\"seq\":{seq},");
        reply.status == 200 && reply.body.starts_with(begins.as_bytes())
    };
    // A page that is being sent is there for others, too.
    assert!(is(&client.ask(page("after=3&limit=1")), 4));
    holders.pop();
    until("room again", || is(&client.ask(page("after=4")), 5));
    drop(holders);
    until("nothing is held", || connections(&orders.service) == 1.0);
    assert!(is(&client.ask(page("after=0&limit=1")), 1));
}

#[test]
fn sequences_and_the_ledger_go_on_over_a_restart() {
    let orders = Orders::on("journal", &[]);
    let first = get(orders.http(), "/orders");
    let Orders { service, directory } = orders;
    assert_eq!(commit(service.http, "a", 2), 2);
    service.drain();
    let again = Orders::over(directory, &[]);
    let reply = get(again.http(), "/orders?after=1");
    assert_eq!(seqs(&reply), [2]);
    let id = first.header("orders-ledger-id");
    assert_eq!(reply.header("orders-ledger-id"), id);
    let other = Orders::on("journal", &[]);
    assert_ne!(get(other.http(), "/orders").header("orders-ledger-id"), id);
}

#[test]
fn a_page_that_nobody_takes_is_dropped_in_time() {
    let flags = ["--max-body", "16MiB", "--write-timeout", "300ms"];
    let orders = Orders::on("memory", &flags);
    let padding = "x".repeat(15 << 20);
    let body = format!(r#"{{"id":"a","value":1,"x":"{padding}"}}"#);
    assert_eq!(post(orders.http(), "", &body).status, 201);
    let pages = r#"http_requests{route="feed",status="200"}"#;
    let _held = ask_and_hold(orders.http(), 0);
    until("begun, then given up", || {
        let figures = orders.service.figures();
        figures.count(pages) == 1 && connections(&orders.service) == 0.0
    });
}
