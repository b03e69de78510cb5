//! A storm of new connections while the process drains: a client that has
//! connected gets a whole reply, and nobody gets a reset.

mod harness;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use harness::{PATIENCE, Service, until};

const CLIENTS: usize = 32;

/// How one client's connections came out.
#[derive(Default)]
struct Connections {
    processed: usize,
    draining: usize,
    lost: Vec<String>,
}

/// Sends an order on each of its connections, one after the other, until it is
/// refused.
fn connect_until_refused(client: usize, address: SocketAddr, replies: &AtomicUsize) -> Connections {
    let mut came_out = Connections::default();
    for number in 0.. {
        let Ok(stream) = TcpStream::connect(address) else {
            break;
        };
        // Once the port is closed, TCP may connect a socket with itself.
        if stream.local_addr().ok() == Some(address) {
            break;
        }
        match ask(stream, &format!("s{client}-{number}")) {
            Ok(reply) if reply.starts_with("HTTP/1.1 201") => came_out.processed += 1,
            Ok(reply) if reply.starts_with("HTTP/1.1 503") => came_out.draining += 1,
            Ok(reply) => came_out.lost.push(reply),
            Err(error) => came_out.lost.push(error.to_string()),
        }
        replies.fetch_add(1, Ordering::Relaxed);
    }
    came_out
}

/// The reply, up to the end of the connection; the end of a whole one.
fn ask(mut stream: TcpStream, id: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = format!(r#"{{"id":"{id}","value":1}}"#);
    let request = format!(
        "POST /submit HTTP/1.1\r\nHost: orders\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
    if length == Some(body.len()) && head.contains("connection: close") {
        Ok(reply)
    } else {
        Err(io::Error::other(format!("not a whole reply: {reply:?}")))
    }
}

#[test]
fn a_drain_answers_all_that_have_connected() {
    let service = Service::start(&[]);
    let (address, replies) = (service.http, AtomicUsize::new(0));
    let (ended, all) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let replies = &replies;
                scope.spawn(move || connect_until_refused(client, address, replies))
            })
            .collect();
        until("under load", || {
            replies.load(Ordering::Relaxed) > 20 * CLIENTS
        });
        service.terminate();
        let ended = service.wait(PATIENCE);
        let all: Vec<Connections> = clients
            .into_iter()
            .map(|client| client.join().expect("no client panics"))
            .collect();
        (ended, all)
    });
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let lost: Vec<&String> = all.iter().flat_map(|client| &client.lost).collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    let processed: usize = all.iter().map(|client| client.processed).sum();
    assert!(processed > 20 * CLIENTS, "{processed} processed");
}
