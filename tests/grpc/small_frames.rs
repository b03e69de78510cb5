//! Streams that are held back, full of frames as small as there are: flow
//! control holds their client, and nothing else on the connection.

use std::io::Write;
use std::net::TcpStream;

use order_processor::grpc::proto::SubmitStreamRequest;
use prost::Message;

use crate::client::{one_of_many, simulate};
use crate::harness::Service;
use crate::http2::{
    DATA, PREFACE, TRAILERS, connect, frame, headers, on, ping, read_frame, read_until, windows,
};

const SUBMIT_STREAM: &str = "/orders.v1.OrderService/SubmitStream";
const GET_ORDER: &str = "/orders.v1.OrderService/GetOrder";
/// What a call may send unread.
const WINDOW: usize = 64 << 10;

/// Opens a stream and sends so much on it, in frames of so many bytes.
fn fill(connection: &mut TcpStream, stream: u32, bytes: &[u8], frame_bytes: usize) {
    let mut sent = on(stream, headers(SUBMIT_STREAM));
    for piece in bytes.chunks(frame_bytes) {
        sent.extend(on(stream, frame(0, 0, piece)));
    }
    connection.write_all(&sent).unwrap();
}

/// As many of one message as the window takes.
fn window_of(message: &[u8]) -> Vec<u8> {
    message.repeat(WINDOW / message.len())
}

fn framed(request: &SubmitStreamRequest) -> Vec<u8> {
    let message = request.encode_to_vec();
    [&[0, 0, 0, 0, message.len() as u8][..], &message].concat()
}

/// So many streams, on one connection, of a processor that does nothing: the
/// first orders of each are taken, and then nothing is read.
fn held_back(streams: u32, id: &str, frame_bytes: usize) {
    let flags = ["--drain-timeout", "10ms", "--queue-capacity", "64"];
    let service = Service::with_grpc(&[&simulate("10m..10m")[..], &flags].concat());
    let mut connection = connect(&service);
    connection
        .write_all(&[PREFACE, &windows(1 << 20)].concat())
        .unwrap();
    let message = framed(&one_of_many(id));
    let frame_bytes = frame_bytes.min(message.len());
    for number in 0..streams {
        fill(
            &mut connection,
            2 * number + 1,
            &window_of(&message),
            frame_bytes,
        );
        ping(&mut connection);
    }
    // Another call of the same connection is served.
    let stream = 2 * streams + 1;
    let lookup = [
        on(stream, headers(GET_ORDER)),
        on(stream, frame(0, 1, &[0; 5])),
    ];
    connection.write_all(&lookup.concat()).unwrap();
    read_until(&mut connection, stream, TRAILERS);
}

#[test]
fn six_streams_of_small_orders_are_held_back() {
    held_back(6, "order-0001", usize::MAX);
}

#[test]
fn a_connection_of_streams_is_held_back() {
    held_back(64, "order-0001", usize::MAX);
}

#[test]
fn streams_of_the_smallest_orders_are_held_back() {
    held_back(12, "1", usize::MAX);
}

#[test]
fn streams_in_frames_of_one_byte_are_held_back() {
    held_back(3, "1", 1);
}

/// Small frames that were on their way when their stream ended, of more streams
/// than one would remember, are no violation.
#[test]
fn streams_that_end_while_their_client_sends_harm_no_other() {
    let service = Service::with_grpc(&[]);
    let mut connection = connect(&service);
    connection.write_all(PREFACE).unwrap();
    // No message of its type: it ends its stream.
    let broken = [&[0, 0, 0, 0, 35][..], &[0xff; 35]].concat();
    for number in 0..100 {
        fill(
            &mut connection,
            2 * number + 1,
            &window_of(&broken),
            broken.len(),
        );
    }
    ping(&mut connection);
    connection
        .write_all(&on(201, headers(SUBMIT_STREAM)))
        .unwrap();
    let order = framed(&one_of_many("after"));
    connection.write_all(&on(201, frame(0, 1, &order))).unwrap();
    read_until(&mut connection, 201, TRAILERS);
    assert_eq!(service.settled().orders(), (1, 1, 0));
}

/// What was held back is served once its client takes the responses.
#[test]
fn what_was_collected_is_read_in_order() {
    let service = Service::with_grpc(&[]);
    let mut connection = connect(&service);
    // No response can be sent, so requests are not read in the end.
    connection
        .write_all(&[PREFACE, &windows(0)].concat())
        .unwrap();
    let (mut requests, mut orders) = (Vec::new(), 0);
    while requests.len() < WINDOW - 100 {
        requests.extend(framed(&one_of_many(&format!("c-{orders}"))));
        orders += 1;
    }
    fill(&mut connection, 1, &requests, 7);
    ping(&mut connection);
    connection.write_all(&on(1, frame(0, 1, &[]))).unwrap();
    // The connection's own window, too.
    let open = on(0, frame(8, 0, &(1_u32 << 20).to_be_bytes()));
    let sent = [open, windows(1 << 20)].concat();
    connection.write_all(&sent).unwrap();
    while read_frame(&mut connection) != DATA {}
    read_until(&mut connection, 1, TRAILERS);
    assert_eq!(service.settled().orders(), (orders, orders, 0));
}
