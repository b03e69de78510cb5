//! Bodies that break off, trickle or never end, and replies that nobody takes.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::harness::{Client, PATIENCE, Service, order, until};
use crate::{batch, count, head, lines, results};

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
    // What was admitted is not undone, and is a duplicate when sent again.
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
            longest.max(last.elapsed())
        }
    });
    until("it is refused", || {
        service.figures().rejected("timeout") > timed_out
    });
    let taken = start.elapsed();
    over.store(true, Ordering::Relaxed);
    (taken, sender.join().expect("it only sends"), client)
}

#[test]
fn a_batch_may_be_slow_and_may_not_trickle() {
    let service = Service::start(&["--body-timeout", "2s", "--max-body", "64"]);
    let slow = || {
        // Each 64 bytes renew the time: this takes longer than one may.
        let mut client = Client::to(service.http);
        let body = lines("slow", 38);
        client.send(format!("{}Content-Length: {}\r\n\r\n", head(), body.len()));
        for piece in body.as_bytes().chunks(64) {
            thread::sleep(Duration::from_millis(200)); // the client is slow: that is the case
            client.send(piece);
        }
        assert_eq!(count(&results(&client.reply()), "processed"), 38);
    };
    let trickling = || {
        // A byte now and then doesn't.
        let mut client = Client::to(service.http);
        client.send(format!("{}Content-Length: 1000\r\n\r\n", head()));
        for _ in 0..50 {
            thread::sleep(Duration::from_millis(50)); // likewise
            if client.try_send(" ").is_err() {
                break;
            }
        }
        assert_eq!(
            client.reply().problem(408)["type"],
            "/problems/request-timeout"
        );
    };
    thread::scope(|scope| {
        scope.spawn(slow);
        scope.spawn(trickling);
    });
    assert_eq!(service.settled().rejected("timeout"), 1);
}

#[test]
fn a_batch_that_never_pauses_may_not_be_long_for_ever() {
    let quick = ["--max-body", "64", "--body-timeout", "200ms"];
    let service = Service::start(&[&LARGE[..], &quick].concat());
    // One that is refused for a pause shows nothing: its client was held up.
    let refused = (0..5).any(|_| {
        let problem = pours(&service).reply().problem(408);
        let detail = problem["detail"].as_str().unwrap();
        println!("{detail}");
        detail.contains("20 times --body-timeout")
    });
    assert!(refused, "for something else each time");
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

/// A batch whose reply is far larger than what sockets hold, sent by a client
/// that takes little at a time; and the reply's first byte.
fn large_reply(service: &Service) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.connect(&service.http.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = batch("Connection: close\r\n", &"{}\n".repeat(300_000));
    (&socket).write_all(request.as_bytes()).unwrap();
    (&socket).read_exact(&mut [0]).expect("a reply");
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
