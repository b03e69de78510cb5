//! Readers that wait: woken by a commit, by time, by a drain, or gone.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{Client, PATIENCE, order, post, until};
use crate::{Orders, commit, connections, page, seqs};

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
        // An order that takes its time keeps the drain from its end: readers that wait are
        // answered at its beginning, and don't see that order.
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
