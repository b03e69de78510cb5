//! Thousands of connections that send mutilated requests: the service goes on,
//! and its counts agree with one another. `FUZZ_SEED=…` repeats a run.

mod harness;

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::thread;

use harness::{Client, Service, get, on_both_engines, order, post, submit};

on_both_engines!(mutilated_requests);

const CLIENTS: u64 = 4;
const CONNECTIONS: u64 = 750;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// One to three requests, most of them mutilated somewhere.
fn mutilated(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(3) {
        let number = random.below(200);
        let whole = match random.below(6) {
            0 => order(&format!("fuzz-{number}")),
            1 => submit(
                "Prefer: wait=0\r\n",
                &format!(r#"{{"id":"fuzz-{number}","value":-1}}"#),
            ),
            2 => "POST /submit HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n\
                  14\r\n{\"id\":\"c\",\"value\":1}\r\n0\r\n\r\n"
                .to_owned(),
            3 => format!("GET /orders/fuzz-{number} HTTP/1.1\r\nHost: o\r\n\r\n"),
            4 => "GET /metrics HTTP/1.0\r\nAccept: */*\r\n\r\n".to_owned(),
            _ => "HEAD / HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n".to_owned(),
        };
        let mut part = whole.into_bytes();
        for _ in 0..random.below(4) {
            let at = random.below(part.len()); // never empty: a byte goes only if two are there
            match random.below(5) {
                0 => part[at] = random.next() as u8,
                1 => part.insert(at, b"\r\n\0 :,;{}\"\\0f"[random.below(13)]),
                2 if part.len() > 1 => drop(part.remove(at)),
                2 | 3 => part.truncate(at + 1),
                _ => {
                    let copy = part[at..part.len().min(at + 40)].to_vec();
                    part.splice(at..at, copy);
                }
            }
        }
        bytes.extend(part);
    }
    bytes
}

fn throw(address: SocketAddr, seed: u64) {
    let mut random = Random(seed);
    for _ in 0..CONNECTIONS {
        let bytes = mutilated(&mut random);
        let mut client = Client::to(address);
        let (first, rest) = bytes.split_at(random.below(bytes.len()));
        let sent = client.try_send(first).and_then(|()| client.try_send(rest));
        // A third waits for what comes, one closes its side first, one just
        // goes.
        match random.below(3) {
            _ if sent.is_err() => {}
            0 => {
                let _ = client.stream.shutdown(std::net::Shutdown::Write); // it may be gone
                let _ = std::io::copy(&mut client.stream, &mut std::io::sink());
            }
            1 => {
                let mut byte = [0];
                let wait = std::time::Duration::from_millis(20);
                client.stream.set_read_timeout(Some(wait)).unwrap();
                let _ = std::io::Read::read(&mut client.stream, &mut byte); // whatever it is
            }
            _ => {}
        }
    }
}

fn mutilated_requests(engine: &str) {
    let seed = match std::env::var("FUZZ_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => RandomState::new().hash_one(engine),
    };
    eprintln!("FUZZ_SEED={seed}");
    let service = Service::on(engine, &[]);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let address = service.http;
            scope.spawn(move || throw(address, seed ^ client << 56));
        }
    });
    let figures = service.settled();
    assert!(
        figures.orders().0 > 0 && figures.sum("orders_rejected") > 0,
        "{figures:?}"
    );
    assert_eq!(get(service.http, "/readyz").status, 200);
    assert_eq!(
        post(service.http, "", r#"{"id":"after","value":1}"#).status,
        201
    );
    let ended = service.drain();
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
}
