//! Limits crossed, below and above HTTP/2, and both doors at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use order_processor::grpc::proto::OrderStatus;
use order_processor::internals::{CALLS_MAX, HEADER_LIST_BYTES_MAX, HEALTH_CHECKS_MAX};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::client::{channel, client, one_of_many, refused, request, retry_delay, run, submit};
use crate::harness;
use crate::harness::{Crowd, PATIENCE, Service, until};

/// What a client sends first: preface and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.grpc.unwrap()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads to the end of a connection; a reset is one.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
        Err(error) => panic!("it was not closed: {error}"),
    }
}

#[test]
fn one_connection_too_many_is_turned_away() {
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
        // With bytes that nobody reads: it is told all the same, and not reset.
        let mut stream = connect(&service);
        let sent = [PREFACE, &[0; 9].repeat(100)].concat();
        stream.write_all(&sent).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).expect("a clean end");
        assert!(said.ends_with(b"\x0btoo many connections"), "{said:?}");
        // Only so many are seen out at a time.
        drop(stream);
        until("it is out", || descriptors() <= before);
    }
    // No more than a few wait for their end, and those not for long.
    let silent: Vec<_> = (0..100).map(|_| connect(&service)).collect();
    silent
        .into_iter()
        .for_each(|mut stream| drop(rest(&mut stream)));
    // A place that is given back is there for the next.
    drop(open);
    run(async {
        let again = async {
            loop {
                let endpoint = format!("http://{}", service.grpc.unwrap());
                let channel = tonic::transport::Channel::from_shared(endpoint).unwrap();
                if let Ok(channel) = channel.connect().await {
                    let mut client = crate::client::Client::new(channel);
                    if submit(&mut client, request("a")).await.is_ok() {
                        return;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, again)
            .await
            .expect("a place is free");
    });
}

#[test]
fn a_connection_without_a_preface_is_closed() {
    let service = Service::with_grpc(&["--head-timeout", "200ms"]);
    for sent in [&b""[..], &PREFACE[..10], &PREFACE[..24]] {
        let mut stream = connect(&service);
        stream.write_all(sent).unwrap();
        rest(&mut stream);
    }
    // Nor is one that speaks another protocol served.
    let mut stream = connect(&service);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: orders\r\n\r\n")
        .unwrap();
    let said = rest(&mut stream);
    assert!(!said.starts_with(b"HTTP/1.1 200"), "{said:?}");
}

#[test]
fn a_connection_that_answers_no_ping_is_closed() {
    let service = Service::with_grpc(&[
        "--grpc-keepalive-interval",
        "1s",
        "--grpc-keepalive-timeout",
        "100ms",
    ]);
    let mut stream = connect(&service);
    stream.write_all(PREFACE).unwrap();
    let start = Instant::now();
    rest(&mut stream);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn one_call_too_many_waits_in_the_client() {
    let slow = [
        "--processor",
        "simulate",
        "--simulate",
        "200ms..200ms",
        "--workers",
        "4",
    ];
    let service = Service::with_grpc(&[&slow[..], &["--grpc-max-streams", "2"]].concat());
    run(async {
        let mut client = client(&service).await;
        // So that the client knows the limit: calls made before are refused, safe to retry.
        submit(&mut client, request("first")).await.unwrap();
        let calls: Vec<_> = (0..6)
            .map(|number| {
                let mut client = client.clone();
                tokio::spawn(
                    async move { submit(&mut client, request(&format!("c-{number}"))).await },
                )
            })
            .collect();
        let mut most = 0;
        until("all done", || {
            most = most.max(service.figures().inside());
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
        assert!(
            client
                .submit(with(HEADER_LIST_BYTES_MAX as usize / 2))
                .await
                .is_ok()
        );
        let status = client
            .submit(with(HEADER_LIST_BYTES_MAX as usize))
            .await
            .unwrap_err();
        assert_ne!(status.code(), Code::Ok);
        assert!(
            submit(&mut client, request("b")).await.is_ok(),
            "the next one is served"
        );
    });
    assert_eq!(service.settled().orders().0, 2);
}

#[test]
fn a_message_that_stalls_is_ended_and_gives_its_room_back() {
    // Room for one body at a time.
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
    stream.write_all(PREFACE).unwrap();
    // Then the head of a message of 65,535 bytes and nothing more.
    let mut frames = opened("/orders.v1.OrderService/Submit");
    frames.extend([0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff]);
    stream.write_all(&frames).unwrap();
    until("it was ended", || {
        service.figures().rejected("timeout") == 1
    });
    run(async {
        let mut request = request("a");
        let text = "x".repeat(60_000);
        request.order.as_mut().unwrap().attributes_json = format!(r#"{{"x":"{text}"}}"#);
        let mut client = client(&service).await;
        assert!(
            submit(&mut client, request).await.is_ok(),
            "there is room again"
        );
    });
}

/// Reads a frame: its type and flags.
fn frame(stream: &mut TcpStream) -> (u8, u8) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).expect("the connection lives");
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).expect("a whole frame");
    (head[3], head[4])
}

/// A call that is opened as a frame: HEADERS with literal fields (RFC 7541 section 6.2.2), more to
/// come.
fn opened(path: &str) -> Vec<u8> {
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
    let mut frame = vec![0, 0, block.len() as u8, 1, 4, 0, 0, 0, 1];
    frame.extend(block);
    frame
}

/// A call has one message to send, and no longer than that for it; a stream is as long as it is.
#[test]
fn a_call_whose_request_never_ends_is_ended() {
    let service = Service::with_grpc(&["--body-timeout", "300ms"]);
    let message = prost::Message::encode_to_vec(&request("w"));
    let whole = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
    let mut message = vec![0, 0, whole.len() as u8, 0, 0, 0, 0, 0, 1];
    message.extend(whole);
    let follow = "/orders.v1.OrderService/Follow";
    let watch = "/grpc.health.v1.Health/Watch";
    let mut idle = connect(&service);
    let stream = opened("/orders.v1.OrderService/SubmitStream");
    idle.write_all(&[PREFACE, &stream].concat()).unwrap();
    let mut open = Vec::new();
    for sent in [
        opened("/orders.v1.OrderService/Submit"),
        [opened("/orders.v1.OrderService/Submit"), message.clone()].concat(),
        opened(follow),
        opened(watch),
    ] {
        let mut stream = connect(&service);
        stream.write_all(&[PREFACE, &sent].concat()).unwrap();
        // Trailers: HEADERS with END_STREAM.
        while frame(&mut stream) != (1, 5) {}
        open.push(stream);
    }
    let figures = service.settled();
    assert_eq!((figures.orders().0, figures.rejected("timeout")), (0, 2));
    // The stream was silent for longer than that.
    idle.write_all(&message).unwrap();
    while frame(&mut idle) != (0, 0) {}
    assert_eq!(service.settled().orders().0, 1);
}

/// A call counts until its response is taken, which no window lets this client do.
#[test]
fn one_call_too_many_over_all_connections_is_told_so() {
    holds_all_places(0);
}

/// Nor does one that takes a byte of it.
#[test]
fn a_response_that_is_begun_counts_to_its_end() {
    holds_all_places(1);
}

/// Calls with windows of so many bytes, as many as there may be.
fn holds_all_places(window: u8) {
    const STREAMS: usize = 4096;
    // These connections answer no ping.
    let flags = [
        "--grpc-max-streams",
        "5000",
        "--grpc-keepalive-interval",
        "10m",
    ];
    let service = Service::with_grpc(&flags);
    // Known before the flood, or some would meet it undecided and be refused.
    run(async {
        let mut client = client(&service).await;
        submit(&mut client, request("w")).await.expect("taken");
    });
    let message = prost::Message::encode_to_vec(&request("w"));
    let whole = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
    let mut order = opened("/orders.v1.OrderService/Submit");
    order.extend([0, 0, whole.len() as u8, 0, 1, 0, 0, 0, 1]);
    order.extend(whole);
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let windows = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, window];
    let block = order[2] as usize;
    let open: Vec<TcpStream> = (0..CALLS_MAX / STREAMS)
        .map(|_| {
            let mut stream = connect(&service);
            let mut sent = [PREFACE, &windows].concat();
            for number in 0..STREAMS as u32 {
                let id = (2 * number + 1).to_be_bytes();
                order[5..9].copy_from_slice(&id);
                order[9 + block + 5..9 + block + 9].copy_from_slice(&id);
                sent.extend(&order);
            }
            stream.write_all(&sent).unwrap();
            stream
        })
        .collect();
    let known = || {
        let figures = service.figures();
        figures.orders().0 + figures.count("orders_duplicate") + figures.sum("orders_rejected")
    };
    until("all have their answer", || known() > CALLS_MAX as u64);
    run(async {
        let mut client = client(&service).await;
        let status = submit(&mut client, request("late")).await.unwrap_err();
        let (reason, _) = refused(&status, Code::ResourceExhausted, true);
        assert_eq!(reason, "TOO_MANY_STREAMS");
        retry_delay(&status);
        assert_eq!(service.figures().rejected("full"), 1);
        // A probe is not an order.
        let mut health = HealthClient::new(channel(&service).await);
        let healthy = health.check(HealthCheckRequest::default()).await;
        assert_eq!(healthy.unwrap().get_ref().status(), ServingStatus::Serving);
        drop(open);
        let again = async { while submit(&mut client, request("late")).await.is_err() {} };
        tokio::time::timeout(PATIENCE, again)
            .await
            .expect("a place is free");
    });
    let figures = service.settled();
    assert_eq!(figures.orders(), (2, 2, 0));
}

#[test]
fn one_check_of_health_too_many_is_told_so() {
    let service = Service::with_grpc(&["--grpc-keepalive-interval", "10m"]);
    let mut stream = connect(&service);
    // SETTINGS_INITIAL_WINDOW_SIZE of 0.
    let no_window = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    let mut sent = [PREFACE, &no_window].concat();
    let mut check = opened("/grpc.health.v1.Health/Check");
    // An empty message, and the end.
    check.extend([0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    let data = check.len() - 14;
    for number in 0..HEALTH_CHECKS_MAX as u32 {
        let id = (2 * number + 1).to_be_bytes();
        check[5..9].copy_from_slice(&id);
        check[data + 5..data + 9].copy_from_slice(&id);
        sent.extend(&check);
    }
    stream.write_all(&sent).unwrap();
    // Each has its HEADERS.
    let mut begun = 0;
    while begun < HEALTH_CHECKS_MAX {
        begun += usize::from(frame(&mut stream) == (1, 4));
    }
    run(async {
        let mut health = HealthClient::new(channel(&service).await);
        let status = health.check(HealthCheckRequest::default()).await;
        let (reason, _) = refused(&status.unwrap_err(), Code::ResourceExhausted, true);
        assert_eq!(reason, "TOO_MANY_STREAMS");
        // Orders have their own places.
        let mut client = client(&service).await;
        assert!(submit(&mut client, request("a")).await.is_ok());
        drop(stream);
        let again = async { while health.check(HealthCheckRequest::default()).await.is_err() {} };
        tokio::time::timeout(PATIENCE, again)
            .await
            .expect("a place is free");
    });
}

#[test]
fn both_doors_at_once_add_up() {
    let service = Service::with_grpc(&["--queue-capacity", "256", "--max-value", "0.5"]);
    let crowd = Crowd::named("both", service.http, 4);
    let mut answered = 0;
    run(async {
        // The same orders from the other side: whoever is first has the outcome.
        for round in 0..20 {
            let requests: Vec<_> = (0..200)
                .map(|number| {
                    let number = round * 50 + number % 50;
                    one_of_many(&format!("both-{}-{number}", number % 4))
                })
                .collect();
            let mut client = client(&service).await;
            let responses = client.submit_stream(tokio_stream::iter(requests)).await;
            let mut responses = responses.unwrap().into_inner();
            while responses.message().await.unwrap().is_some() {
                answered += 1;
            }
        }
    });
    until("HTTP has had its part", || crowd.replies() > 200);
    let replies = crowd.end();
    let figures = service.settled();
    let submitted =
        figures.orders().0 + figures.count("orders_duplicate") + figures.sum("orders_rejected");
    assert_eq!(submitted, answered + replies.len() as u64);
    assert!(figures.count("orders_duplicate") > 0);
}

#[test]
fn a_drain_closes_idle_connections_and_refuses_new_ones() {
    let slow = ["--processor", "simulate", "--simulate", "500ms..500ms"];
    let service = Service::with_grpc(&slow);
    let address = service.grpc.unwrap();
    run(async {
        let mut open = client(&service).await;
        let waiting = tokio::spawn({
            let mut client = client(&service).await;
            async move { submit(&mut client, request("w")).await }
        });
        until("inside", || service.figures().inside() == 1);
        service.terminate();
        let refused =
            thread::spawn(move || until("refused", || TcpStream::connect(address).is_err()));
        assert_eq!(
            waiting.await.unwrap().unwrap().status(),
            OrderStatus::Processed
        );
        refused.join().unwrap();
        let status = submit(&mut open, request("late")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn without_the_port_there_is_no_runtime() {
    let threads = |service: &Service| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap();
        let names =
            tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap());
        names
            .filter(|name| name.starts_with("grpc-") || name.starts_with("tokio"))
            .count()
    };
    assert_eq!(threads(&Service::start(&[])), 0);
    assert!(threads(&Service::with_grpc(&[])) > 0);
}

/// MemoryBudget that HTTP clients don't finish take most of the budget, and leave messages room.
#[test]
fn one_door_leaves_body_bytes_to_the_other() {
    let service = Service::with_grpc(&["--max-body", "64KiB", "--body-bytes", "512KiB"]);
    let body = |id: &str| {
        let note = "x".repeat(60_000);
        format!(r#"{{"id":"{id}","value":1,"note":"{note}"}}"#)
    };
    let mut holders = Vec::new();
    until("HTTP is out of room", || {
        let whole = harness::submit("", &body(&format!("h-{}", holders.len())));
        let mut holder = harness::Client::to(service.http);
        let _ = holder.try_send(&whole[..whole.len() - 1]); // it may be refused by then
        holders.push(holder);
        let full = "http_requests{route=\"submit\",status=\"503\"}";
        service.figures().count(full) > 0
    });
    run(async {
        let mut client = client(&service).await;
        let mut large = request("large");
        let order = large.order.as_mut().expect("made with one");
        order.attributes_json = format!(r#"{{"note":"{}"}}"#, "x".repeat(60_000));
        let response = submit(&mut client, large).await.expect("its share is free");
        assert_eq!(response.status(), OrderStatus::Processed);
    });
    drop(holders);
}
