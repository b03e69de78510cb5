//! Clients that send a batch slowly, or for ever.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::harness::{Client, Service, until};
use crate::request::{LARGE, count, head, lines, pours, results};

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
fn a_batch_may_be_slow_but_not_trickle() {
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
fn a_batch_that_never_pauses_may_not_be_long_for_ever() {
    let quick = ["--max-body", "64", "--body-timeout", "200ms"];
    let service = Service::start(&[&LARGE[..], &quick].concat());
    let problem = pours(&service).reply().problem(408);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("20 times --body-timeout"), "{detail}");
}
