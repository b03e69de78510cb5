//! No request, however it is cut, holds a connection past a deadline.

use std::thread;
use std::time::{Duration, Instant};

use crate::HEALTH;
use crate::harness::{Client, Service, get, order, until};

/// What a client does behind a request that it has cut.
#[derive(Clone, Copy)]
enum Then {
    Waits,
    HalfCloses,
}

/// Sends a head, the body a moment later, and then nothing more: some of the
/// engine's reads bring the body and the end of the stream together.
fn half_closed(client: &mut Client, head: &str, body: &str, pause: Duration) {
    client.send(head);
    let sent = Instant::now();
    while sent.elapsed() < pause {
        std::hint::spin_loop();
    }
    // The engine may have refused it by its head, and closed.
    if client.try_send(body).is_ok() {
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
    }
}

/// Opens so many connections, four at a time, each of which must end.
fn each_ends(connections: u32, open: impl Fn(u32) -> Client + Sync) {
    thread::scope(|scope| {
        for first in 0..4 {
            let open = &open;
            scope.spawn(move || {
                for number in (first..connections).step_by(4) {
                    open(number).rest();
                }
            });
        }
    });
}

fn pause(number: u32) -> Duration {
    Duration::from_micros(u64::from(number * 7 % 300))
}

#[test]
fn half_closed_posts_leave_the_admin_port_answering() {
    let service = Service::start(&[]);
    let body = "x".repeat(20);
    let head = "POST /healthz HTTP/1.1\r\nHost: o\r\nContent-Length: 20\r\n\r\n";
    each_ends(10_000, |number| {
        let mut client = Client::to(service.admin);
        half_closed(&mut client, head, &body, pause(number));
        client
    });
    assert_eq!(get(service.admin, "/healthz").status, 200);
    until("only the scrape itself is open", || {
        service.figures().get("http_connections") == 1.0
    });
}

#[test]
fn half_closed_orders_leave_no_connection_open() {
    let service = Service::on("may_minihttp", &["--max-connections", "8"]);
    each_ends(1000, |number| {
        let mut client = Client::to(service.http);
        let request = order(&format!("o-{number}"));
        let (head, body) = request.split_at(request.find('{').unwrap());
        half_closed(&mut client, head, body, pause(number));
        client
    });
    assert_eq!(get(service.http, "/healthz").status, 200);
    until("only the scrape itself is open", || {
        service.figures().get("http_connections") == 1.0
    });
}

#[test]
fn what_comes_together_with_a_body_is_executed() {
    let service = Service::on("may_minihttp", &[]);
    // More than the engine reads at a time.
    const BEHIND: usize = 1000;
    let behind: String = (0..BEHIND)
        .map(|number| order(&format!("b-{number}")))
        .collect();
    for round in 0..3 {
        let first = order(&format!("first-{round}"));
        let at = first.find('{').unwrap();
        let mut client = Client::to(service.http);
        client.send(&first[..at]);
        thread::sleep(Duration::from_millis(1)); // so that the engine reads just the head
        let mut sending = client.stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let all = [&first[at..], &behind].concat();
                std::io::Write::write_all(&mut sending, all.as_bytes()).unwrap();
            });
            for _ in 0..=BEHIND {
                assert!(matches!(client.reply().status, 200 | 201));
            }
        });
    }
}

#[test]
fn every_wait_has_a_deadline() {
    let timeouts = [
        "--head-timeout",
        "2s",
        "--body-timeout",
        "2s",
        "--idle-timeout",
        "3s",
    ];
    let service = Service::on("may_minihttp", &timeouts);
    let whole = order("a");
    let body = whole.find('{').unwrap();
    // All at once, since each waits.
    let mut clients = Vec::new();
    for address in [service.http, service.admin] {
        for then in [Then::Waits, Then::HalfCloses] {
            for cut in [0, 10, body - 1, body, whole.len() - 1] {
                let mut client = Client::to(address);
                client.send(&whole[..cut]);
                if matches!(then, Then::HalfCloses) {
                    client.half_close();
                }
                let waits = address == service.http && matches!(then, Then::Waits);
                clients.push((client, cut, waits));
            }
        }
    }
    // A client that goes on may take as long as it likes in all; idle, it may
    // not.
    let idle = [service.http, service.admin].map(|address| {
        let mut client = Client::to(address);
        for _ in 0..10 {
            assert_eq!(client.ask(HEALTH).status, 200);
        }
        client
    });
    for (mut client, cut, waits) in clients {
        let replies = client.rest();
        if cut < body {
            assert!(replies.is_empty(), "{replies:?}");
        } else if waits {
            assert_eq!(replies[0].problem(408)["type"], "/problems/request-timeout");
        }
    }
    for mut client in idle {
        client.ends();
    }
    assert_eq!(service.settled().orders().0, 0);
}

#[test]
fn the_admin_port_takes_no_bodies() {
    let service = Service::start(&[]);
    for (line, status) in [
        ("GET /healthz", 413),
        ("POST /healthz", 405),
        ("POST /submit", 404),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: o\r\nContent-Length: 5\r\n\r\n");
        // Without the body, with it, and with a request behind it.
        for more in ["", "hello", &["hello", HEALTH].concat()] {
            let mut client = Client::to(service.admin);
            client.send([&head, more].concat());
            let replies = client.rest();
            replies[0].problem(status);
            for behind in &replies[1..] {
                behind.problem(400);
            }
        }
    }
    let empty = "GET /healthz HTTP/1.1\r\nHost: o\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(Client::to(service.admin).ask(empty).status, 200);
}
