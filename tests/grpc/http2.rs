//! Connections that speak HTTP/2 frame by frame, as no client library would.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use order_processor::grpc::proto::SubmitRequest;

use crate::harness::{PATIENCE, Service};

/// What a client sends first: preface and an empty SETTINGS frame.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
pub(crate) const SUBMIT: &str = "/orders.v1.OrderService/Submit";
/// Type and flags of DATA, and of trailers (HEADERS with END_STREAM).
pub(crate) const DATA: (u8, u8) = (0, 0);
pub(crate) const TRAILERS: (u8, u8) = (1, 5);

pub(crate) fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.grpc.unwrap()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads to the end of a connection; a reset is one.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
        Err(error) => panic!("it was not closed: {error}"),
    }
}

/// Reads a frame: its type and flags.
pub(crate) fn read_frame(stream: &mut TcpStream) -> (u8, u8) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).expect("the connection lives");
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).expect("a whole frame");
    (head[3], head[4])
}

/// HEADERS that open a call, more to come, with literal fields (RFC 7541
/// section 6.2.2).
pub(crate) fn headers(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86]; // POST, http
    let mut field = |name: &str, value: &str| {
        block.extend([0, name.len() as u8]);
        block.extend(name.bytes());
        block.push(value.len() as u8);
        block.extend(value.bytes());
    };
    field(":path", path);
    field(":authority", "orders");
    field("content-type", "application/grpc");
    field("te", "trailers");
    frame(1, 4, &block)
}

/// DATA with a request in it, more to come.
pub(crate) fn data(request: &SubmitRequest) -> Vec<u8> {
    frame(0, 0, &message(request))
}

/// A request as gRPC frames it: a flag and its length, then the message.
pub(crate) fn message(request: &impl prost::Message) -> Vec<u8> {
    let message = request.encode_to_vec();
    [&[0, 0, 0, 0, message.len() as u8][..], &message].concat()
}

/// A frame of stream 1.
pub(crate) fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
    frame.extend(payload);
    frame
}

/// The same frame on another stream.
pub(crate) fn on(stream: u32, mut frame: Vec<u8>) -> Vec<u8> {
    frame[5..9].copy_from_slice(&stream.to_be_bytes());
    frame
}

/// SETTINGS_INITIAL_WINDOW_SIZE: so many bytes of each response are taken.
pub(crate) fn windows(bytes: u32) -> Vec<u8> {
    on(
        0,
        frame(4, 0, &[&[0, 4][..], &bytes.to_be_bytes()].concat()),
    )
}

/// A connection on which so many calls of a path are made with windows of so
/// many bytes for their responses; each sends `request`, an encoded message.
pub(crate) fn flood(
    service: &Service,
    window: u32,
    calls: usize,
    path: &str,
    request: Option<&impl prost::Message>,
) -> TcpStream {
    let message = request.map_or_else(|| vec![0; 5], message);
    let mut sent = [PREFACE, &windows(window)].concat();
    for number in 0..calls as u32 {
        let stream = 2 * number + 1;
        sent.extend(on(stream, headers(path)));
        sent.extend(on(stream, frame(0, 1, &message)));
    }
    let mut connection = connect(service);
    connection.write_all(&sent).unwrap();
    connection
}

/// A connection on which so many calls of a path are begun, and no request
/// comes.
pub(crate) fn begin_calls(service: &Service, calls: usize, path: &str) -> TcpStream {
    let mut sent = PREFACE.to_vec();
    for number in 0..calls as u32 {
        sent.extend(on(2 * number + 1, headers(path)));
    }
    let mut connection = connect(service);
    connection.write_all(&sent).unwrap();
    connection
}

/// Reads frames until one is as it should be, of `stream` (type and flags);
/// none may end the connection. Its payload.
pub(crate) fn read_until(connection: &mut TcpStream, stream: u32, wanted: (u8, u8)) -> Vec<u8> {
    loop {
        let (of, found, payload) = next_frame(connection);
        if (of, found) == (stream, wanted) {
            return payload;
        }
    }
}

/// Reads frames until each stream has had one as it should be, in any order.
pub(crate) fn read_until_each(
    connection: &mut TcpStream,
    streams: impl IntoIterator<Item = u32>,
    wanted: (u8, u8),
) {
    let mut missing = Vec::from_iter(streams);
    while !missing.is_empty() {
        let (of, found, _) = next_frame(connection);
        missing.retain(|&stream| (stream, wanted) != (of, found));
    }
}

/// Reads a frame that doesn't end the connection: its stream, its type and
/// flags, its payload.
fn next_frame(connection: &mut TcpStream) -> (u32, (u8, u8), Vec<u8>) {
    let mut head = [0; 9];
    connection
        .read_exact(&mut head)
        .expect("the connection lives");
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    connection.read_exact(&mut payload).expect("a whole frame");
    assert_ne!(head[3], 7, "GOAWAY: {payload:?}");
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    (stream, (head[3], head[4]), payload)
}

/// Sends a PING, and waits for its answer: all that was sent before has been
/// read by then.
pub(crate) fn ping(connection: &mut TcpStream) {
    connection
        .write_all(&on(0, frame(6, 0, b"a ping  ")))
        .unwrap();
    read_until(connection, 0, (6, 1));
}
