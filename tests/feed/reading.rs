//! What a page holds, and what is asked for it.

use std::thread;

use serde_json::Value;

use crate::harness::{Client, Crowd, get, order, submit, until};
use crate::{Orders, commit, lines, page, seqs};

#[test]
fn every_sequence_once_from_any_point_under_load() {
    for ledger in ["memory", "journal"] {
        let orders = Orders::on(ledger, &[]);
        let address = orders.http();
        let crowd = Crowd::start(address, 4);
        until("some are there", || crowd.replies() >= 50);
        // Followers begin at different positions and ask for pages of different
        // sizes, while orders come in.
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
fn a_page_may_begin_at_a_time() {
    for ledger in ["memory", "journal"] {
        let orders = Orders::on(ledger, &[]);
        commit(orders.http(), "o", 200);
        let mut client = Client::to(orders.http());
        let all = lines(&client.ask(page("after=0")));
        let time = |line: &Value| line["committed_at"].as_str().unwrap().to_owned();
        for line in all.iter().step_by(17) {
            // Cut to microseconds: the same microsecond may have begun earlier.
            let at = time(line);
            let since = lines(&client.ask(page(&format!("since={at}"))));
            let later = |found: &&Value| time(found) >= at;
            assert_eq!(since.first(), all.iter().find(later), "{ledger}: {at}");
            let tail = all.len() - since.len();
            assert_eq!(since, all[tail..], "{ledger}: all from there on");
        }
        for early in ["1970-01-01T00:00:00Z", "1452-10-22t19:16:15.5z"] {
            let query = format!("since={early}&limit=3");
            assert_eq!(lines(&client.ask(page(&query))), all[..3], "{early}");
        }
        for offset in ["+02:00", "%2B02:00"] {
            let query = format!("since=1970-01-01T02:00:00{offset}&limit=3");
            assert_eq!(lines(&client.ask(page(&query))), all[..3], "{offset}");
        }
        for late in ["2500-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            let later = client.ask(page(&format!("since={late}")));
            assert_eq!((later.status, later.body.len()), (200, 0), "{late}");
        }
        // One that waits at a time to come gets the next one.
        let mut waiting = Client::to(orders.http());
        waiting.send(page("since=2400-01-01T00:00:00Z&wait=30"));
        let reader = thread::spawn(move || waiting.reply());
        // Until one comes after the request.
        let mut number = 0;
        until("the next one is there", || {
            number += 1;
            commit(orders.http(), &format!("late{number}-"), 1);
            reader.is_finished()
        });
        let reply = reader.join().expect("a reply before the end");
        let id = lines(&reply)[0]["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("late"), "{ledger}: {id}");
        for refused in ["since=yesterday", "since=1970-01-01T00:00:00Z&after=1"] {
            client.ask(page(refused)).problem(400);
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
