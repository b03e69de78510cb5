//! Clients that break the rules, or off.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::authority::Authority;
use crate::client::{TlsClient, config};
use crate::harness::{Client, PATIENCE, get, order, submit, until};

/// Reads to the end, whatever it is.
fn end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest); // a reset is an end, too
    rest
}

#[test]
fn plain_http_is_told_what_is_spoken_here() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let mut client = Client::to(service.http);
    let problem = client.ask(order("a")).problem(400);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("https"), "{detail}");
    client.ends();
    assert_eq!(service.settled().orders(), (0, 0, 0));
    service.drain();
}

#[test]
fn what_is_no_handshake_is_closed() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let header = |length: u16| [&[22, 3, 1][..], &length.to_be_bytes()].concat();
    // A ClientHello that says that it has 64 KiB, in records of 4 KiB.
    let mut endless = [header(4096), vec![1, 0, 0xff, 0xff], vec![0; 4092]].concat();
    for _ in 0..20 {
        endless.extend([header(4096), vec![0; 4096]].concat());
    }
    for bytes in [
        &[0_u8; 64][..],
        &[0xff; 64],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x03abc",
        &endless,
    ] {
        let mut client = Client::to(service.http);
        let _ = client.try_send(bytes); // it may be closed by then
        let _ = client.stream.shutdown(Shutdown::Write);
        let reply = end(&mut client.stream);
        assert!(reply.is_empty() || reply[0] == 21, "an alert: {reply:?}");
    }
    assert_eq!(
        TlsClient::to(service.http, &config(&authority, None))
            .ask(order("a"))
            .0,
        201
    );
    service.drain();
}

#[test]
fn a_handshake_has_head_timeout() {
    let authority = Authority::new();
    let service = authority.service(&["--head-timeout", "300ms"]);
    let silent = Client::to(service.http);
    let mut slow = Client::to(service.http);
    slow.send([22, 3, 1, 2, 0]);
    for mut client in [silent, slow] {
        let begun = Instant::now();
        assert_eq!(end(&mut client.stream), b"");
        assert!(
            begun.elapsed() < PATIENCE,
            "closed, and not given up on here"
        );
    }
    service.drain();
}

/// A handshake and a request whose bytes come one by one.
#[test]
fn a_client_may_be_slow() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let mut client = TlsClient::to(service.http, &config(&authority, None));
    client.0.sock.set_nodelay(true).unwrap();
    client
        .0
        .conn
        .writer()
        .write_all(order("a").as_bytes())
        .unwrap();
    let mut sent = Vec::new();
    for _ in 0..2 {
        client.0.conn.write_tls(&mut sent).unwrap();
        for byte in sent.drain(..) {
            client.0.sock.write_all(&[byte]).unwrap();
        }
        while client.0.conn.is_handshaking() && !client.0.conn.wants_write() {
            client.0.conn.read_tls(&mut client.0.sock).unwrap();
            client.0.conn.process_new_packets().unwrap();
        }
    }
    assert_eq!(client.reply().0, 201);
    service.drain();
}

#[test]
fn a_body_that_breaks_off_is_no_order() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let config = config(&authority, None);
    let whole = submit("", r#"{"id":"a","value":1}"#);
    let chunked = "POST /submit HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n\
                   14\r\n{\"id\":\"a\",\"value\":1}\r\n";
    for request in [&whole[..whole.len() - 1], chunked] {
        for notifies in [true, false] {
            let mut client = TlsClient::to(service.http, &config);
            client.send(request);
            if notifies {
                client.0.conn.send_close_notify();
                client.0.flush().unwrap();
            }
            client.0.sock.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.reply().0, 400);
            client.ends_cleanly();
        }
    }
    // One that is whole is one, however the connection ends behind it.
    let mut client = TlsClient::to(service.http, &config);
    client.send(order("b"));
    client.0.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.reply().0, 201);
    assert_eq!(service.settled().orders(), (1, 1, 0));
    service.drain();
}

/// Damage within a record ends the connection, and what is behind it is not
/// executed.
#[test]
fn a_damaged_record_ends_the_connection() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let mut client = TlsClient::to(service.http, &config(&authority, None));
    assert_eq!(client.ask(order("a")).0, 201);
    client
        .0
        .conn
        .writer()
        .write_all(order("b").as_bytes())
        .unwrap();
    let mut record = Vec::new();
    client.0.conn.write_tls(&mut record).unwrap();
    let last = record.len() - 1;
    record[last] ^= 1;
    client.0.sock.write_all(&record).unwrap();
    assert!(client.0.read(&mut [0; 16]).is_err(), "an alert");
    assert_eq!(service.settled().orders(), (1, 1, 0));
    service.drain();
}

/// While clients do nothing but connect, orders on a connection that is open
/// are answered.
#[test]
fn handshakes_hold_up_no_order() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let address = service.http;
    let config = config(&authority, None);
    let mut client = TlsClient::to(address, &config);
    assert_eq!(client.ask(order("first")).0, 201);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // A greeting, of which nothing is taken: the server does all the work.
                    let mut client = TlsClient::to(address, &config);
                    let mut hello = Vec::new();
                    client.0.conn.write_tls(&mut hello).unwrap();
                    let _ = client.0.sock.write_all(&hello);
                }
            });
        }
        let mut times: Vec<Duration> = (0..200)
            .map(|number| {
                let begun = Instant::now();
                assert_eq!(client.ask(order(&format!("o-{number}"))).0, 201);
                begun.elapsed()
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        times.sort_unstable();
        eprintln!("half within {:?}, all within {:?}", times[100], times[199]);
        assert!(times[100] < Duration::from_secs(1), "{:?}", times[100]);
    });
    assert_eq!(get(service.admin, "/healthz").status, 200);
    service.drain();
}

/// A client that reads nothing is given up on after `--write-timeout`.
#[test]
fn who_reads_nothing_is_closed() {
    let authority = Authority::new();
    let service = authority.service(&["--write-timeout", "300ms", "--max-body", "1MiB"]);
    let config = config(&authority, None);
    let mut client = TlsClient::to(service.http, &config);
    let note = "x".repeat(900 << 10);
    let large = format!(r#"{{"id":"large","value":1,"note":"{note}"}}"#);
    assert_eq!(client.ask(submit("", &large)).0, 201);
    let asks = "GET /orders/large HTTP/1.1\r\nHost: o\r\n\r\n".repeat(20);
    client.send(asks);
    until("closed", || {
        let sent = client.0.write_all(b"GET / HTTP/1.1\r\nHost: o\r\n\r\n");
        sent.and_then(|()| client.0.flush()).is_err()
    });
    let mut other = TlsClient::to(service.http, &config);
    assert_eq!(other.ask(order("b")).0, 201);
    service.drain();
}
