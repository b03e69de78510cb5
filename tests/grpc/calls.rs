//! Calls: how many, how large their requests and headers, and how slow.

use std::io::Write;
use std::net::TcpStream;

use order_processor::grpc::proto::{AckMode, OrderStatus, SubmitRequest};
use order_processor::internals::{
    CALLS_MAX, CONNECTION_SHARE, HEADER_LIST_BYTES_MAX, HEALTH_CHECKS_MAX,
};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::client::{
    channel, client, in_the_end, request, run, simulate, submit, too_many_streams,
};
use crate::harness::{Service, until};
use crate::http2::{
    DATA, PREFACE, SUBMIT, TRAILERS, begin_calls, connect, data, flood, frame, headers, message,
    on, ping, read_frame, read_until,
};

const SUBMIT_STREAM: &str = "/orders.v1.OrderService/SubmitStream";
const FOLLOW: &str = "/orders.v1.OrderService/Follow";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

#[test]
fn one_call_too_many_on_a_connection_waits_in_the_client() {
    let flags = ["--workers", "4", "--grpc-max-streams", "2"];
    let service = Service::with_grpc(&[&simulate("1s..1s")[..], &flags].concat());
    run(async {
        let mut client = client(&service).await;
        // So that the client knows the limit: calls made before are refused,
        // safe to retry.
        submit(&mut client, request("first")).await.unwrap();
        let calls: Vec<_> = (0..6)
            .map(|number| {
                let mut client = client.clone();
                tokio::spawn(
                    async move { submit(&mut client, request(&format!("c-{number}"))).await },
                )
            })
            .collect();
        let (mut most, mut before) = (0, None);
        until("all done", || {
            // A scrape reads one counter after the other: only of two that
            // agree is the difference what was inside between them.
            let figures = service.figures();
            if before.replace(figures.orders()) == before {
                most = most.max(figures.inside());
            }
            calls.iter().all(|call| call.is_finished())
        });
        assert_eq!(most, 2);
        for call in calls {
            assert_eq!(
                call.await.unwrap().unwrap().status(),
                OrderStatus::Processed
            );
        }
    });
}

#[test]
fn a_header_list_over_the_limit_is_refused() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let with = |bytes: usize| {
            let mut request = Request::new(request("a"));
            let value = "x".repeat(bytes).parse().expect("ASCII");
            request.metadata_mut().insert("filler", value);
            request
        };
        let limit = HEADER_LIST_BYTES_MAX as usize;
        assert!(client.submit(with(limit / 2)).await.is_ok());
        let status = client.submit(with(limit)).await.unwrap_err();
        assert_ne!(status.code(), Code::Ok);
        assert!(
            submit(&mut client, request("b")).await.is_ok(),
            "the next one is served"
        );
    });
    assert_eq!(service.settled().orders().0, 2);
}

#[test]
fn a_message_that_stalls_is_ended_and_its_memory_is_released() {
    // One body at a time.
    let flags = [
        "--max-body",
        "64KiB",
        "--body-bytes",
        "66000",
        "--body-timeout",
        "300ms",
    ];
    let service = Service::with_grpc(&flags);
    let mut stream = connect(&service);
    // The head of a message of 65,535 bytes and nothing more.
    let head = frame(0, 0, &[0, 0, 0, 0xff, 0xff]);
    let sent = [PREFACE, &headers(SUBMIT), &head].concat();
    stream.write_all(&sent).unwrap();
    until("it was ended", || {
        service.figures().rejected("timeout") == 1
    });
    run(async {
        let mut request = request("a");
        let text = "x".repeat(60_000);
        request.order.as_mut().unwrap().attributes_json = format!(r#"{{"x":"{text}"}}"#);
        let mut client = client(&service).await;
        // It fits the budget again. That it, too, comes too slowly for such a
        // timeout shows nothing.
        let reply = in_the_end(async || match submit(&mut client, request.clone()).await {
            Err(status) if status.code() == Code::DeadlineExceeded => None,
            reply => Some(reply),
        });
        assert_eq!(reply.await.expect("taken").status(), OrderStatus::Processed);
    });
}

/// A call has one message to send, and no longer than that for it; a stream is
/// as long as it is.
#[test]
fn a_call_whose_request_never_ends_is_ended() {
    let service = Service::with_grpc(&["--body-timeout", "300ms"]);
    let message = data(&request("w"));
    let mut idle = connect(&service);
    idle.write_all(&[PREFACE, &headers(SUBMIT_STREAM)].concat())
        .unwrap();
    let mut open = Vec::new();
    for sent in [
        headers(SUBMIT),
        [headers(SUBMIT), message.clone()].concat(),
        headers(FOLLOW),
        headers(WATCH),
    ] {
        let mut stream = connect(&service);
        stream.write_all(&[PREFACE, &sent].concat()).unwrap();
        while read_frame(&mut stream) != TRAILERS {}
        open.push(stream);
    }
    let figures = service.settled();
    assert_eq!((figures.orders().0, figures.rejected("timeout")), (0, 2));
    // The stream was silent for longer than that.
    idle.write_all(&message).unwrap();
    while read_frame(&mut idle) != DATA {}
    assert_eq!(service.settled().orders().0, 1);
}

#[test]
fn one_call_too_many_over_all_connections_is_refused() {
    const SHARE: usize = CALLS_MAX / CONNECTION_SHARE;
    let flags = ["--drain-timeout", "10ms", "--grpc-max-streams", "5000"];
    let service = Service::with_grpc(&[&simulate("10m..10m")[..], &flags].concat());
    let queued = |id: &str| SubmitRequest {
        ack_mode: AckMode::Queued.into(),
        ..request(id)
    };
    run(async {
        // In flight, so that the others wait for it.
        let mut client = client(&service).await;
        submit(&mut client, queued("w")).await.expect("taken");
        let open: Vec<TcpStream> = (0..CONNECTION_SHARE)
            .map(|_| flood(&service, 65_535, SHARE, SUBMIT, Some(&request("w"))))
            .collect();
        let duplicates = || service.figures().count("orders_duplicate");
        until("all wait", || duplicates() == CALLS_MAX as u64);
        let status = submit(&mut client, queued("late")).await.unwrap_err();
        too_many_streams(&status);
        assert_eq!(service.figures().rejected("full"), 1);
        // A probe is not an order.
        let mut health = HealthClient::new(channel(&service).await);
        let healthy = health.check(HealthCheckRequest::default()).await;
        assert_eq!(healthy.unwrap().get_ref().status(), ServingStatus::Serving);
        drop(open);
        in_the_end(async || submit(&mut client, queued("late")).await.ok()).await;
    });
}

/// One connection's client learns its share, and holds more back.
#[test]
fn a_connection_may_have_a_share_of_the_calls() {
    let service = Service::with_grpc(&["--grpc-max-streams", "5000"]);
    let mut stream = connect(&service);
    stream.write_all(PREFACE).unwrap();
    let settings = read_until(&mut stream, 0, (4, 0));
    let share = (CALLS_MAX / CONNECTION_SHARE) as u32;
    let wanted = [&[0, 3][..], &share.to_be_bytes()].concat();
    assert!(settings.chunks(6).any(|it| it == wanted), "{settings:?}");
}

#[test]
fn one_check_of_health_too_many_is_refused() {
    const SHARE: usize = HEALTH_CHECKS_MAX / CONNECTION_SHARE;
    let service = Service::with_grpc(&["--grpc-keepalive-interval", "10m"]);
    let mut open: Vec<_> = (0..CONNECTION_SHARE)
        .map(|_| begin_calls(&service, SHARE, CHECK))
        .collect();
    open.iter_mut().for_each(ping);
    // A PING is answered before the calls that came ahead of it have begun.
    until("all have begun", || {
        let open = service.figures().get(r#"grpc_open_calls{method="health"}"#);
        open == HEALTH_CHECKS_MAX as f64
    });
    run(async {
        let mut health = HealthClient::new(channel(&service).await);
        let status = in_the_end(async || health.check(HealthCheckRequest::default()).await.err());
        too_many_streams(&status.await);
        // Orders have permits of their own.
        let mut client = client(&service).await;
        assert!(submit(&mut client, request("a")).await.is_ok());
        drop(open);
        in_the_end(async || health.check(HealthCheckRequest::default()).await.ok()).await;
    });
}

/// As many calls as may be open, taken back before they have begun; again and
/// again, while another call waits on the same connection.
#[test]
fn calls_that_are_cancelled_together_harm_no_other() {
    let service = Service::with_grpc(&simulate("300ms..300ms"));
    let mut connection = connect(&service);
    let waiting = on(1, frame(0, 1, &message(&request("waits"))));
    let sent = [PREFACE, &headers(SUBMIT), &waiting].concat();
    connection.write_all(&sent).unwrap();
    let mut stream = 1;
    for _ in 0..10 {
        let mut sent = Vec::new();
        for _ in 0..255 {
            stream += 2;
            sent.extend(on(stream, headers(FOLLOW)));
            sent.extend(on(stream, frame(0, 1, &[0; 5])));
            sent.extend(on(stream, frame(3, 0, &[0, 0, 0, 8])));
        }
        connection.write_all(&sent).unwrap();
        ping(&mut connection);
    }
    let again = [
        on(stream + 2, headers(SUBMIT)),
        on(stream + 2, frame(0, 1, &message(&request("waits")))),
    ];
    connection.write_all(&again.concat()).unwrap();
    read_until(&mut connection, stream + 2, TRAILERS);
    assert_eq!(service.settled().orders(), (1, 1, 0));
}
