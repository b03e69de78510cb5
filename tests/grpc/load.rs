//! Load by h2load, and by clients of both front ends that vanish.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use order_processor::grpc::proto::{OrderStatus, SubmitResult};
use tokio::task::JoinSet;

use crate::client::{
    Client, client, one_of_many, order, request, run, simulate, submit, submit_all,
};
use crate::harness;
use crate::harness::{Directory, PATIENCE, Service};

/// The number in front of these words in a line of h2load's report.
#[track_caller]
fn figure(report: &str, words: &str) -> u64 {
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
    assert_eq!(figure(&report, "2xx"), CALLS, "{report}");
    for bad in ["failed", "errored", "timeout"] {
        assert_eq!(figure(&report, bad), 0, "{report}");
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0), "one id, one outcome");
    let submitted = 1 + figures.count("orders_duplicate") + figures.sum("orders_rejected");
    assert_eq!(submitted, CALLS);
    service.drain();
}

const CLIENTS: usize = 24;
const ORDERS: usize = 40;

/// An id that four clients, one of each kind, submit.
fn id(client: usize, number: usize) -> String {
    format!("v-{}-{number}", client / 4)
}

/// Whether this one vanishes; the same in each run.
fn vanishes(number: usize) -> bool {
    number % 3 == 1
}

/// Calls one by one, some cancelled after a moment.
async fn cancelled_calls(mut client: Client, me: usize) {
    for number in 0..ORDERS {
        let call = submit(&mut client, request(&id(me, number)));
        if vanishes(number) {
            let _ = tokio::time::timeout(Duration::from_millis(1), call).await;
        } else {
            let _ = call.await; // whatever it is: the figures are checked
        }
    }
}

/// Calls one by one, some with a deadline.
async fn calls_with_deadlines(mut client: Client, me: usize) {
    for number in 0..ORDERS {
        let mut hurried = tonic::Request::new(request(&id(me, number)));
        if vanishes(number) {
            hurried.set_timeout(Duration::from_millis(1));
        }
        let _ = client.submit(hurried).await;
    }
}

/// A stream, for some cut off in the middle.
async fn stream(mut client: Client, me: usize) {
    let orders: Vec<_> = (0..ORDERS).map(|n| one_of_many(&id(me, n))).collect();
    let responses = client.submit_stream(tokio_stream::iter(orders));
    let mut responses = responses.await.unwrap().into_inner();
    let taken = if vanishes(me / 4) { 3 } else { ORDERS };
    for _ in 0..taken {
        responses.message().await.unwrap();
    }
}

/// HTTP requests, for some closed before the reply.
fn http_requests(http: SocketAddr, me: usize) {
    for number in 0..ORDERS {
        let mut client = harness::Client::to(http);
        client.send(harness::order(&id(me, number)));
        if !vanishes(number) {
            client.reply();
        }
    }
}

/// Clients of both front ends send the same orders, and every third goes away
/// without its answer.
#[test]
fn clients_that_vanish_leave_the_figures_consistent() {
    let flags = ["--workers", "2", "--queue-capacity", "64"];
    let service = Service::with_grpc(&[&simulate("0ms..3ms")[..], &flags].concat());
    run(async {
        let mut clients = JoinSet::new();
        for me in 0..CLIENTS {
            let (client, http) = (client(&service).await, service.http);
            match me % 4 {
                0 => clients.spawn(cancelled_calls(client, me)),
                1 => clients.spawn(calls_with_deadlines(client, me)),
                2 => clients.spawn(stream(client, me)),
                _ => clients.spawn_blocking(move || http_requests(http, me)),
            };
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("no client panics");
        }
    });
    // What the vanished have sent may still be on its way to the service.
    harness::until("all have gone", || {
        let figures = service.figures();
        let count = |name| figures.count(name);
        (count("grpc_connections"), count("http_connections")) == (0, 1)
    });
    // What was admitted has its one outcome, whether or not a client received
    // it.
    let (accepted, processed, failed) = service.settled().orders();
    let ids = CLIENTS / 4 * ORDERS;
    assert!(accepted == processed + failed && accepted <= ids as u64);
    let again = (0..CLIENTS)
        .step_by(4)
        .flat_map(|client| (0..ORDERS).map(move |number| one_of_many(&id(client, number))));
    let responses = run(async { submit_all(&mut client(&service).await, again).await });
    let known = responses
        .iter()
        .filter(|response| response.result() == SubmitResult::Duplicate);
    assert_eq!(
        known.count() as u64,
        accepted,
        "each has the outcome it had"
    );
    let seqs: HashSet<_> = responses.iter().map(|response| response.seq).collect();
    assert_eq!(
        (seqs.len(), responses.len()),
        (ids, ids),
        "no sequence twice"
    );
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
    let flags = ["--workers", "1"];
    let service = Service::with_grpc(&[&simulate("5s..5s")[..], &flags].concat());
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
