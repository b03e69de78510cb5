//! Clients that ask for more than they read.

mod harness;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::harness::{Client, Service, get};

/// A connection with requests for large replies under way, which reads none.
fn attacker(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: o\r\n\r\n".repeat(400);
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
    let attackers: Vec<Socket> = (0..200).map(|_| attacker(service.http)).collect();
    let beside = p99(&mut client, 300);
    // A busy machine adds to both; the attack itself lasts for seconds.
    let most = 5 * alone + Duration::from_millis(200);
    assert!(beside <= most, "{beside:?}, and {alone:?} alone");
    drop(attackers);
    assert_eq!(get(service.http, "/healthz").status, 200);
}
