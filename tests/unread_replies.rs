//! Clients that ask for more than they read.

mod harness;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::harness::{
    Client, Reply, Service, batch_of_junk, get, order, submit, unread_batches, until,
};

/// A connection with requests for large replies under way, which reads none.
fn attacker(address: SocketAddr, path: &str) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let requests = format!("GET {path} HTTP/1.1\r\nHost: o\r\n\r\n").repeat(400);
    socket.send(requests.as_bytes()).unwrap();
    socket
}

/// The latency that all but a hundredth of the requests stay below.
fn p99(client: &mut Client, requests: usize) -> Duration {
    let mut times: Vec<Duration> = (0..requests)
        .map(|_| {
            let asked = Instant::now();
            assert_eq!(
                client
                    .ask("GET /healthz HTTP/1.1\r\nHost: o\r\n\r\n")
                    .status,
                200
            );
            asked.elapsed()
        })
        .collect();
    times.sort();
    times[requests * 99 / 100]
}

#[test]
fn who_reads_no_replies_does_not_hold_up_others() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let alone = p99(&mut client, 300);
    // The attack lasts for seconds each time; a busy machine adds to some times
    // only.
    let goes_on = (0..5).any(|_| {
        let attackers: Vec<Socket> = (0..200)
            .map(|_| attacker(service.http, "/openapi.json"))
            .collect();
        let beside = p99(&mut client, 300);
        drop(attackers);
        println!("{beside:?}, and {alone:?} alone");
        beside <= 5 * alone + Duration::from_millis(200)
    });
    assert!(goes_on, "others are held up");
    assert_eq!(get(service.http, "/healthz").status, 200);
}

#[test]
fn unread_replies_share_a_budget() {
    let service = Service::start(&["--reply-bytes", "1MiB"]);
    let large = format!(r#"{{"id":"large","value":1,"x":"{}"}}"#, "x".repeat(60_000));
    assert_eq!(Client::to(service.http).ask(submit("", &large)).status, 201);
    let mut attackers = Vec::new();
    until("a reply is refused", || {
        if attackers.len() < 100 {
            attackers.push(attacker(service.http, "/orders/large"));
        }
        get(service.http, "/orders/large").status == 503
    });
    let reply = get(service.http, "/orders/large");
    if reply.status == 503 {
        assert_eq!(reply.problem(503)["type"], "/problems/reply-memory");
        reply.retry_after();
    }
    // Orders are taken, and small replies sent.
    assert_eq!(Client::to(service.http).ask(order("small")).status, 201);
    assert_eq!(get(service.http, "/orders/small").status, 200);
    drop(attackers);
    until("the memory is free again", || {
        get(service.http, "/orders/large").status == 200
    });
}

/// A look-up by a page that may ask.
fn look_up(service: &Service) -> Reply {
    let origin = "Origin: https://a.test\r\n";
    let request = format!("GET /orders/large HTTP/1.1\r\nHost: o\r\n{origin}\r\n");
    let reply = Client::to(service.http).ask(request);
    let allowed = reply.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://a.test"), "{reply:?}");
    reply
}

/// The connection stays open; the service ends it.
#[test]
fn who_is_cut_off_holds_no_memory() {
    let flags = ["--reply-bytes", "64KiB", "--write-timeout", "1s"];
    let flags = [&flags[..], &["--allowed-origins", "https://a.test"]].concat();
    let service = Service::start(&flags);
    let large = format!(r#"{{"id":"large","value":1,"x":"{}"}}"#, "x".repeat(60_000));
    assert_eq!(Client::to(service.http).ask(submit("", &large)).status, 201);
    let mut attackers = Vec::new();
    until("a reply is refused", || {
        if attackers.len() < 100 {
            attackers.push(attacker(service.http, "/orders/large"));
        }
        look_up(&service).status == 503
    });
    until("the memory is free again", || {
        look_up(&service).status == 200
    });
}

#[test]
fn unread_results_of_batches_share_the_budget() {
    let service = Service::start(&["--reply-bytes", "16MiB"]);
    let unread = unread_batches(&service, 60_000);
    assert!(unread.len() > 1, "one has space");
    drop(unread);
    until("the memory is free again", || {
        Client::to(service.http).ask(batch_of_junk(60_000)).status == 200
    });
}
