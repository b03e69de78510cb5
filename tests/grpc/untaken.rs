//! Responses that their clients don't take.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use order_processor::grpc::proto::{GetOrderRequest, OrderStatus};
use order_processor::internals::STALLED_CALLS_MAX;
use tonic::Code;

use crate::client::{client, in_the_end, refused, request, retry_delay, run, submit};
use crate::harness::{PATIENCE, Service, until};
use crate::http2::{
    PREFACE, SUBMIT, TRAILERS, connect, flood, frame, headers, message, on, read_to_end,
    read_until, read_until_each, windows,
};

const FOLLOW: &str = "/orders.v1.OrderService/Follow";
const GET_ORDER: &str = "/orders.v1.OrderService/GetOrder";
const STREAMS: usize = 256;
/// Bytes of records that are being sent.
const RECORDS_MAX: usize = 32 << 20;

/// More connections than all calls would take, each with as many calls as it
/// may have, whose windows take no byte, or one.
#[test]
fn clients_that_take_nothing_hinder_no_other() {
    // These connections answer no ping.
    let flags = ["--grpc-keepalive-interval", "10m", "--write-timeout", "10m"];
    let service = Service::with_grpc(&flags);
    run(async {
        let mut client = client(&service).await;
        submit(&mut client, request("w")).await.expect("taken");
        let answered = || {
            let figures = service.figures();
            figures.count("orders_duplicate") + figures.sum("orders_rejected")
        };
        let mut open = Vec::new();
        for connection in 0..66_u32 {
            let request = request("w");
            open.push(flood(
                &service,
                connection % 2,
                STREAMS,
                SUBMIT,
                Some(&request),
            ));
            if connection % 22 == 21 {
                let calls = (open.len() * STREAMS) as u64;
                until("all have their answer", || answered() >= calls);
                let id = format!("good-{connection}");
                let reply = submit(&mut client, crate::client::request(&id)).await;
                assert_eq!(reply.expect("it reads").status(), OrderStatus::Processed);
            }
        }
        // The stalled are bounded: those past the limit were ended with an
        // error, which may still be on its way.
        let mut arrived = vec![Vec::new(); open.len()];
        until("those past the limit are ended", || {
            let mut ended = 0;
            for (connection, bytes) in open.iter_mut().zip(&mut arrived) {
                connection.set_nonblocking(true).unwrap();
                let _ = connection.read_to_end(bytes); // it would block in the end
                ended += count_trailers(bytes);
            }
            ended >= 66 * STREAMS - STALLED_CALLS_MAX
        });
    });
}

/// Trailers among the frames that have arrived, the last one perhaps in part.
fn count_trailers(bytes: &[u8]) -> usize {
    let (mut at, mut trailers) = (0, 0);
    while let Some([a, b, c, kind, flags, ..]) = bytes.get(at..at + 9) {
        trailers += usize::from((*kind, *flags) == TRAILERS);
        at += 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
    }
    trailers
}

#[test]
fn a_response_that_is_not_taken_in_time_is_ended() {
    let service = Service::with_grpc(&["--write-timeout", "1s"]);
    for window in [0, 1] {
        let start = Instant::now();
        let mut connection = flood(&service, window, 2, SUBMIT, Some(&request("w")));
        read_until_each(&mut connection, [1, 3], TRAILERS);
        assert!(start.elapsed() >= Duration::from_secs(1));
        // The connection lives, and a response that is taken is whole.
        let order = on(5, frame(0, 1, &message(&request("w"))));
        let sent = [&windows(65_535)[..], &on(5, headers(SUBMIT)), &order].concat();
        connection.write_all(&sent).unwrap();
        read_until(&mut connection, 5, (0, 0));
        read_until(&mut connection, 5, TRAILERS);
    }
    assert_eq!(service.settled().orders(), (1, 1, 0));
}

/// A follower's window is open, but its socket takes nothing.
#[test]
fn a_client_whose_socket_takes_nothing_is_cut_off() {
    let flags = ["--write-timeout", "1s", "--grpc-keepalive-interval", "10m"];
    let service = Service::with_grpc(&flags);
    run(async {
        let mut client = client(&service).await;
        for number in 0..400 {
            let mut request = request(&format!("long-{number}"));
            let order = request.order.as_mut().expect("made with one");
            order.attributes_json = format!(r#"{{"x":"{}"}}"#, "x".repeat(50_000));
            submit(&mut client, request).await.expect("taken");
        }
    });
    let mut connection = connect(&service);
    let open = on(0, frame(8, 0, &0x4000_0000_u32.to_be_bytes()));
    let follow = [&headers(FOLLOW)[..], &frame(0, 1, &[0; 5])].concat();
    let sent = [PREFACE, &windows(0x7fff_ffff), &open, &follow].concat();
    connection.write_all(&sent).unwrap();
    until("it is cut off", || {
        // Pings are sent, and not taken either.
        let ping = on(0, frame(6, 0, b"a ping  "));
        connection.write_all(&ping).is_err()
    });
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    read_to_end(&mut connection);
}

/// Records that are being sent share a budget; small ones need none of it.
#[test]
fn records_that_are_not_taken_are_bounded() {
    const RECORD_BYTES: usize = 60_000;
    let flags = ["--write-timeout", "10m", "--grpc-keepalive-interval", "10m"];
    let service = Service::with_grpc(&flags);
    let lookup = |id: &str| GetOrderRequest { id: id.into() };
    run(async {
        let mut client = client(&service).await;
        let mut long = request("long");
        let order = long.order.as_mut().expect("made with one");
        order.attributes_json = format!(r#"{{"x":"{}"}}"#, "x".repeat(RECORD_BYTES));
        submit(&mut client, long).await.expect("taken");
        submit(&mut client, request("short")).await.expect("taken");
        assert!(client.get_order(lookup("long")).await.is_ok());
        // A byte of each is taken.
        let open: Vec<TcpStream> = (0..RECORDS_MAX / RECORD_BYTES / STREAMS + 1)
            .map(|_| flood(&service, 1, STREAMS, GET_ORDER, Some(&lookup("long"))))
            .collect();
        let busy = in_the_end(async || client.get_order(lookup("long")).await.err());
        let status = busy.await;
        let (reason, _) = refused(&status, Code::ResourceExhausted, true);
        assert_eq!(reason, "FEED_BUSY");
        retry_delay(&status);
        assert!(client.get_order(lookup("short")).await.is_ok());
        drop(open);
        in_the_end(async || client.get_order(lookup("long")).await.ok()).await;
    });
}
