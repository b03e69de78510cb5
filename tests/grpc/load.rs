//! Load by a client that is not ours, and by clients of both doors that vanish.

use std::process::Command;
use std::time::Duration;

use order_processor::grpc::proto::{OrderStatus, SubmitResult};
use tokio::task::JoinSet;

use crate::client::{client, one_of_many, order, request, run, submit};
use crate::harness;
use crate::harness::{Directory, PATIENCE, Service};

/// The number in front of these words in a line of h2load's report.
#[track_caller]
fn told(report: &str, words: &str) -> u64 {
    let numbers = report.lines().flat_map(|line| line.split([',', ':']));
    let mut found = numbers.filter_map(|part| part.trim().strip_suffix(words)?.trim().parse().ok());
    found
        .next()
        .unwrap_or_else(|| panic!("no {words:?} in {report}"))
}

#[test]
fn h2load_breaks_nothing() {
    const CALLS: u64 = 5_000;
    let directory = Directory::new();
    let service = directory.start_with_grpc(&[]);
    let body = std::env::temp_dir().join(format!("orders-h2load-{}", std::process::id()));
    let message = prost::Message::encode_to_vec(&request("h2load"));
    let head = [&[0][..], &(message.len() as u32).to_be_bytes()].concat();
    std::fs::write(&body, [head, message].concat()).unwrap();
    let address = service.grpc.unwrap();
    let output = Command::new("h2load")
        .args(["-n", &CALLS.to_string(), "-c", "10", "-m", "50", "-d"])
        .arg(&body)
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .arg(format!("http://{address}/orders.v1.OrderService/Submit"))
        .output()
        .expect("h2load is there, see tests/run");
    std::fs::remove_file(&body).unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
    assert_eq!(told(&report, "2xx"), CALLS, "{report}");
    for bad in ["failed", "errored", "timeout"] {
        assert_eq!(told(&report, bad), 0, "{report}");
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0), "one id, one outcome");
    let submitted = 1 + figures.count("orders_duplicate") + figures.sum("orders_rejected");
    assert_eq!(submitted, CALLS);
    service.drain();
}

/// Whether this one vanishes; the same in each run.
fn vanishes(number: usize) -> bool {
    number % 3 == 1
}

/// Clients of both doors send the same orders, and every third goes away without its answer.
#[test]
fn clients_that_vanish_leave_the_books_in_order() {
    const CLIENTS: usize = 24;
    const ORDERS: usize = 40;
    let flags = ["--processor", "simulate", "--simulate", "0ms..3ms"];
    let small = ["--workers", "2", "--queue-capacity", "64"];
    let service = Service::with_grpc(&[&flags[..], &small].concat());
    let id = |client: usize, number: usize| format!("v-{}-{number}", client / 4);
    run(async {
        let mut clients = JoinSet::new();
        for me in 0..CLIENTS {
            let mut channel = client(&service).await;
            let http = service.http;
            match me % 4 {
                // Calls one by one, some cancelled after a moment.
                0 => clients.spawn(async move {
                    for number in 0..ORDERS {
                        let call = submit(&mut channel, request(&id(me, number)));
                        if vanishes(number) {
                            let _ = tokio::time::timeout(Duration::from_millis(1), call).await;
                        } else {
                            let _ = call.await; // whatever: the books are looked at
                        }
                    }
                }),
                // Calls with a deadline.
                1 => clients.spawn(async move {
                    for number in 0..ORDERS {
                        let mut hurried = tonic::Request::new(request(&id(me, number)));
                        if vanishes(number) {
                            hurried.set_timeout(Duration::from_millis(1));
                        }
                        let _ = channel.submit(hurried).await;
                    }
                }),
                // A stream, some cut off in the middle.
                2 => clients.spawn(async move {
                    let orders: Vec<_> = (0..ORDERS).map(|n| one_of_many(&id(me, n))).collect();
                    let responses = channel.submit_stream(tokio_stream::iter(orders));
                    let mut responses = responses.await.unwrap().into_inner();
                    let taken = if vanishes(me / 4) { 3 } else { ORDERS };
                    for _ in 0..taken {
                        responses.message().await.unwrap();
                    }
                }),
                // HTTP, some closed before the reply.
                _ => clients.spawn_blocking(move || {
                    for number in 0..ORDERS {
                        let mut client = harness::Client::to(http);
                        client.send(harness::order(&id(me, number)));
                        if !vanishes(number) {
                            client.reply();
                        }
                    }
                }),
            };
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("no client panics");
        }
    });
    // What was admitted has its one outcome, whoever is left to hear of it.
    let (accepted, processed, failed) = service.settled().orders();
    let ids = CLIENTS / 4 * ORDERS;
    assert!(accepted == processed + failed && accepted <= ids as u64);
    run(async {
        let again = (0..CLIENTS / 4)
            .flat_map(|client| (0..ORDERS).map(move |number| one_of_many(&id(client * 4, number))));
        let again: Vec<_> = again.collect();
        let responses = client(&service)
            .await
            .submit_stream(tokio_stream::iter(again))
            .await;
        let mut responses = responses.unwrap().into_inner();
        let mut known = 0;
        let mut seqs = std::collections::HashSet::new();
        while let Some(response) = responses.message().await.unwrap() {
            known += u64::from(response.result() == SubmitResult::Duplicate);
            assert!(seqs.insert(response.seq), "a sequence twice: {response:?}");
        }
        assert_eq!(known, accepted, "each has the outcome it had");
        assert_eq!(seqs.len(), ids);
    });
    let figures = service.settled();
    let (accepted, processed, failed) = figures.orders();
    assert_eq!((accepted, processed + failed), (ids as u64, ids as u64));
    assert_eq!(figures.sum("orders_withdrawn"), 0);
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// An order admitted just before its call is cancelled has one outcome.
#[test]
fn a_call_cancelled_while_its_order_waits_takes_nothing_back() {
    let slow = ["--processor", "simulate", "--simulate", "5s..5s"];
    let service = Service::with_grpc(&[&slow[..], &["--workers", "1"]].concat());
    run(async {
        let mut client = client(&service).await;
        let call = tokio::spawn({
            let mut client = client.clone();
            async move { submit(&mut client, request("c")).await }
        });
        harness::until("admitted", || service.figures().orders().0 == 1);
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        let mut other = request("c");
        other.order = Some(order("c", "2"));
        let status = submit(&mut client, other).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::AlreadyExists);
        let reply = submit(&mut client, request("c")).await.unwrap();
        assert_eq!(
            (reply.status(), reply.seq, reply.duplicate),
            (OrderStatus::Processed, 1, true)
        );
    });
    assert_eq!(service.settled().orders(), (1, 1, 0));
}
