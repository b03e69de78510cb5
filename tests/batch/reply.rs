//! Large replies.

use std::io::Read;
use std::io::Write;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::harness::{Client, PATIENCE, Service, order};
use crate::request::{batch, count, lines, results};

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

pub(crate) const MANY: [&str; 2] = ["--max-batch-orders", "300000"];
/// Bytes of the reply to so many invalid orders, at least.
const REPLY_MIN: usize = 20 << 20;

/// A batch whose reply is far larger than what sockets hold, sent by a client that takes
/// little at a time; and the reply's first byte.
pub(crate) fn large_reply(service: &Service) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.connect(&service.http.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = batch("Connection: close\r\n", &"{}\n".repeat(300_000));
    (&socket).write_all(request.as_bytes()).unwrap();
    assert_eq!((&socket).read(&mut [0]).expect("a reply"), 1);
    socket
}

#[test]
fn a_reply_may_not_be_read_slowly_for_ever() {
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
