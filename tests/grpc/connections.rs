//! Connections: how many, and silent ones.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use tonic::Code;
use tonic::transport::Channel;

use crate::client::{Client, client, in_the_end, refused, request, run, submit};
use crate::harness::{Service, until};
use crate::http2::{PREFACE, connect, read_to_end};

#[test]
fn a_page_is_refused() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let mut call = tonic::Request::new(request("a"));
        let origin = format!("http://{}", service.grpc.unwrap());
        call.metadata_mut()
            .insert("origin", origin.parse().unwrap());
        let status = client.submit(call).await.unwrap_err();
        let (reason, _) = refused(&status, Code::PermissionDenied, false);
        assert_eq!(reason, "OTHER_SITE");
    });
    // What a browser itself can send is no HTTP/2.
    let mut stream = connect(&service);
    let path = "/orders.v1.OrderService/Submit";
    let sent = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(sent.as_bytes()).unwrap();
    let received = read_to_end(&mut stream);
    assert!(!received.starts_with(b"HTTP/1"), "{received:?}");
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("unauthorized")),
        ((0, 0, 0), 1)
    );
}

#[test]
fn one_connection_too_many_is_refused() {
    let service = Service::with_grpc(&["--grpc-max-connections", "2"]);
    let mut open: Vec<_> = (0..2).map(|_| connect(&service)).collect();
    for stream in &mut open {
        stream.write_all(PREFACE).unwrap();
        let mut head = [0; 9];
        stream
            .read_exact(&mut head)
            .expect("SETTINGS of the server");
        assert_eq!(head[3], 4);
    }
    let descriptors = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", service.pid()));
        open.expect("it runs").count()
    };
    let before = descriptors();
    for _ in 0..50 {
        // With bytes that the server doesn't want: it gets the refusal all the
        // same, and no reset.
        let mut stream = connect(&service);
        let sent = [PREFACE, &[0; 9].repeat(100)].concat();
        stream.write_all(&sent).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("a clean end");
        assert!(
            received.ends_with(b"\x0btoo many connections"),
            "{received:?}"
        );
        // Only a few are refused in this way at a time.
        drop(stream);
        until("it is closed", || descriptors() <= before);
    }
    // No more than those linger, and not for long.
    let silent: Vec<_> = (0..100).map(|_| connect(&service)).collect();
    silent
        .into_iter()
        .for_each(|mut stream| drop(read_to_end(&mut stream)));
    // A permit that is released is there for the next.
    drop(open);
    run(in_the_end(async || {
        let endpoint = format!("http://{}", service.grpc.unwrap());
        let channel = Channel::from_shared(endpoint)
            .unwrap()
            .connect()
            .await
            .ok()?;
        submit(&mut Client::new(channel), request("a")).await.ok()
    }));
}

#[test]
fn a_connection_without_a_preface_is_closed() {
    let service = Service::with_grpc(&["--head-timeout", "200ms"]);
    for sent in [&b""[..], &PREFACE[..10], &PREFACE[..24]] {
        let mut stream = connect(&service);
        stream.write_all(sent).unwrap();
        read_to_end(&mut stream);
    }
    // Nor is one that speaks another protocol served.
    let mut stream = connect(&service);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: orders\r\n\r\n")
        .unwrap();
    let received = read_to_end(&mut stream);
    assert!(!received.starts_with(b"HTTP/1.1 200"), "{received:?}");
}

#[test]
fn a_connection_that_answers_no_ping_is_closed() {
    let service = Service::with_grpc(&[
        "--grpc-keepalive-interval",
        "1s",
        "--grpc-keepalive-timeout",
        "100ms",
    ]);
    let start = Instant::now();
    let mut stream = connect(&service);
    stream.write_all(PREFACE).unwrap();
    read_to_end(&mut stream);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn without_the_port_there_is_no_runtime() {
    let runs = |service: &Service| {
        let names = service.thread_names();
        names
            .iter()
            .any(|name| name.starts_with("grpc-") || name.starts_with("tokio"))
    };
    assert!(!runs(&Service::start(&[])));
    // A new thread has its parent's name until it runs.
    let with_grpc = Service::with_grpc(&[]);
    until("the runtime's threads are there", || runs(&with_grpc));
}
