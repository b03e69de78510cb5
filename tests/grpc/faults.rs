//! A ledger that recovers, is full, or dies; outcomes dropped under a follower.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use order_processor::grpc::proto::{
    FollowRequest, FollowResponse, GetOrderRequest, OrderStatus, SubmitRequest, SubmitResult,
    SubmitStreamRequest,
};
use order_processor::internals::Rules;
use order_processor::{Config, Server};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::client::{
    Client, channel, client, one_of_many, open_stream, refused, request, retry_delay, run, submit,
};
use crate::harness::{BASE_FLAGS, Directory, Injected, PATIENCE, Small, get, post};

/// Watches health on a connection of its own.
async fn watch(channel: Channel) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest::default();
    let watching = HealthClient::new(channel).watch(request).await;
    watching.expect("health answers always").into_inner()
}

/// The next status of health.
async fn health(watching: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    let next = watching.message().await.expect("not ended");
    next.expect("not ended").status()
}

async fn follow(client: &mut Client, after: u64) -> Streaming<FollowResponse> {
    let request = FollowRequest {
        after,
        ..FollowRequest::default()
    };
    client.follow(request).await.expect("a feed").into_inner()
}

#[test]
fn before_recovery_ends_every_call_says_so() {
    let flags = BASE_FLAGS.map(|flag| match flag {
        "off" => "127.0.0.1:0",
        flag => flag,
    });
    let flags = ["order-processor"].into_iter().chain(flags);
    let config = Config::parse_from(
        flags,
        [("ORDERS_WORKERS", "1"), ("ORDERS_ALLOWED_HOSTS", "orders")],
    )
    .unwrap();
    let rules = Arc::new(Rules { max_value: None });
    let mut server = Server::start_with(&config, rules, |fault| panic!("{fault}")).unwrap();
    let address = format!("http://{}", server.grpc().unwrap());
    run(async {
        let channel = Channel::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap();
        let mut client = Client::new(channel.clone());
        let mut watching = watch(channel).await;
        assert_eq!(health(&mut watching).await, ServingStatus::NotServing);
        let recovering = |status: &Status| {
            assert_eq!(refused(status, Code::Unavailable, true).0, "RECOVERING");
            retry_delay(status);
        };
        recovering(&submit(&mut client, request("early")).await.unwrap_err());
        recovering(&client.follow(FollowRequest::default()).await.unwrap_err());
        // It may be committed, and not recovered yet.
        let early = GetOrderRequest { id: "early".into() };
        recovering(&client.get_order(early).await.unwrap_err());
        let problem = get(server.http(), "/orders/early").problem(503);
        assert_eq!(problem["type"], "/problems/recovering");
        // A stream lives through it.
        let (orders, mut responses) = open_stream(&mut client).await.unwrap();
        orders.send(one_of_many("early")).await.unwrap();
        let response = responses.message().await.unwrap().unwrap();
        assert_eq!(
            (response.result(), response.retry_safe),
            (SubmitResult::Rejected, true)
        );

        server.open().unwrap();
        assert_eq!(health(&mut watching).await, ServingStatus::Serving);
        orders.send(one_of_many("early")).await.unwrap();
        let response = responses.message().await.unwrap().unwrap();
        assert_eq!(
            (response.result(), response.seq),
            (SubmitResult::Processed, 1)
        );
    });
    server.drain(PATIENCE);
}

#[test]
fn a_dead_ledger_ends_every_call_and_claims_nothing() {
    let directory = Directory::new();
    let service = directory.start_with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let mut watching = watch(channel(&service).await).await;
        assert_eq!(health(&mut watching).await, ServingStatus::Serving);
        let (orders, mut responses) = open_stream(&mut client).await.unwrap();
        orders.send(one_of_many("before")).await.unwrap();
        assert_eq!(responses.message().await.unwrap().unwrap().seq, 1);
        let mut outcomes = follow(&mut client, 0).await;
        assert!(outcomes.message().await.unwrap().is_some());

        let _failing = Injected::into(&service, "fdatasync", "error=EIO");
        let down = |status: &Status| {
            assert_eq!(refused(status, Code::Unavailable, true).0, "LEDGER_DOWN");
            retry_delay(status);
        };
        down(&submit(&mut client, request("doubtful")).await.unwrap_err());
        assert_eq!(health(&mut watching).await, ServingStatus::NotServing);
        down(&watching.message().await.unwrap_err());
        down(&responses.message().await.unwrap_err());
        down(&outcomes.message().await.unwrap_err());
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    let again = directory.start_with_grpc(&[]);
    run(async {
        let mut client = client(&again).await;
        let first = submit(&mut client, request("before")).await.unwrap();
        assert_eq!((first.seq, first.duplicate), (1, true));
    });
    again.drain();
}

/// Flags for a service that takes long orders.
const LONG: [&str; 2] = ["--max-body", "1MiB"];

/// An order of some 600 KB.
fn long(id: &str) -> SubmitRequest {
    let mut long = request(id);
    let order = long.order.as_mut().expect("made with one");
    order.attributes_json = format!(r#"{{"x":"{}"}}"#, "x".repeat(600_000));
    long
}

#[test]
fn a_full_ledger_refuses_and_goes_on_when_there_is_space() {
    let Some(small) = Small::mount(100) else {
        return;
    };
    let data = small.directory();
    let service = data.start_with_grpc(&LONG);
    run(async {
        let mut client = client(&service).await;
        let mut watching = watch(channel(&service).await).await;
        assert_eq!(health(&mut watching).await, ServingStatus::Serving);
        let (orders, mut responses) = open_stream(&mut client).await.unwrap();
        let mut acknowledged = 0;
        for number in 0.. {
            let mut request = long(&format!("long-{number}"));
            request.wait = Some(Duration::from_secs(2).try_into().unwrap());
            match submit(&mut client, request).await {
                Ok(reply) if reply.status() == OrderStatus::Processed => acknowledged = reply.seq,
                // Admitted, and waits for space; or there was none by then.
                Ok(_) => break,
                Err(status) => {
                    refused(&status, Code::Unavailable, true);
                    break;
                }
            }
        }
        assert!(acknowledged > 100, "the first segment was used up");
        assert_eq!(health(&mut watching).await, ServingStatus::NotServing);
        let status = submit(&mut client, request("refused")).await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "LEDGER_DOWN");
        assert!(status.message().contains("full"), "{status}");
        retry_delay(&status);
        // A stream lives through it, and what there is can be read.
        orders.send(one_of_many("refused")).await.unwrap();
        let response = responses.message().await.unwrap().unwrap();
        assert_eq!(
            (response.result(), response.retry_safe),
            (SubmitResult::Rejected, true)
        );
        let first = GetOrderRequest {
            id: "long-0".into(),
        };
        let known = client.get_order(first).await.unwrap().into_inner();
        assert_eq!(known.record.unwrap().seq, 1);

        small.resize(300);
        assert_eq!(health(&mut watching).await, ServingStatus::Serving);
        orders.send(one_of_many("after")).await.unwrap();
        let response = responses.message().await.unwrap().unwrap();
        assert_eq!(response.result(), SubmitResult::Processed);
        let reply = submit(&mut client, request("refused")).await.unwrap();
        assert_eq!(reply.seq, response.seq + 1);
    });
    let (accepted, processed, _) = service.settled().orders();
    assert_eq!(accepted, processed);
    service.drain();
}

/// Segments of the journal there are.
fn segments(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".seg")).count()
}

#[test]
fn a_follower_whose_outcomes_are_pruned_learns_where_to_go_on() {
    let directory = Directory::new();
    let flags = [
        "--retain-bytes",
        "1MiB",
        "--dedupe-window",
        "10",
        "--write-timeout",
        "10m",
    ];
    let service = directory.start_with_grpc(&[&flags[..], &LONG].concat());
    run(async {
        // It takes the first outcomes and then doesn't read.
        let mut stuck = client(&service).await;
        let mut outcomes = follow(&mut stuck, 0).await;
        let mut client = client(&service).await;
        let (orders, mut responses) = open_stream(&mut client).await.unwrap();
        let mut last = 0;
        for number in 0.. {
            let SubmitRequest { order, .. } = long(&format!("p-{number}"));
            let request = SubmitStreamRequest {
                order,
                ..SubmitStreamRequest::default()
            };
            orders.send(request).await.unwrap();
            last = responses.message().await.unwrap().unwrap().seq;
            let name = directory.0.join("journal-0000000001.seg");
            if number % 10 == 9 && !name.exists() {
                break;
            }
            assert!(
                number < 1000,
                "nothing is pruned: {} segments",
                segments(&directory.0)
            );
        }
        let mut taken = 0;
        let status = loop {
            match outcomes.message().await {
                Ok(outcome) => {
                    let seq = outcome.unwrap().record.unwrap().seq;
                    assert_eq!(seq, taken + 1, "no gap before the end");
                    taken = seq;
                }
                Err(status) => break status,
            }
        };
        let (reason, metadata) = refused(&status, Code::OutOfRange, false);
        assert_eq!(reason, "FEED_PRUNED");
        let number = |name: &str| metadata[name].parse::<u64>().unwrap();
        assert!(
            number("oldest_seq") > taken + 1,
            "{metadata:?} after {taken}"
        );
        assert_eq!(number("last_seq"), last);
        let mut outcomes = follow(&mut client, number("oldest_seq") - 1).await;
        let next = outcomes.message().await.unwrap().unwrap().record.unwrap();
        assert_eq!(next.seq, number("oldest_seq"));
    });
    // As over HTTP.
    let gone = get(service.http, "/orders?after=0").problem(410);
    assert!(gone["oldest_seq"].as_u64() > Some(1), "{gone}");
    post(service.http, "", r#"{"id":"on","value":1}"#);
    service.drain();
}

/// A bit flips in a committed record: a follower gets what comes before it, and
/// then, as whoever looks it up, an error that asks for no retry.
#[test]
fn a_damaged_record_is_data_loss() {
    let directory = Directory::new();
    let service = directory.start_with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        for number in 1..=4 {
            let submitted = submit(&mut client, request(&format!("order-{number}"))).await;
            assert_eq!(submitted.unwrap().seq, number);
        }
        let segment = directory.0.join("journal-0000000001.seg");
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(segment)
            .unwrap();
        let mut bytes = [0; 4096];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let third = bytes.windows(7).position(|text| text == b"order-3");
        file.write_all_at(b"X", third.unwrap() as u64).unwrap();

        let mut outcomes = follow(&mut client, 0).await;
        for seq in 1..=2 {
            let next = outcomes.message().await.unwrap().unwrap().record.unwrap();
            assert_eq!(next.seq, seq);
        }
        let id = "order-3".to_owned();
        for status in [
            outcomes.message().await.unwrap_err(),
            client.get_order(GetOrderRequest { id }).await.unwrap_err(),
        ] {
            let (reason, metadata) = refused(&status, Code::DataLoss, false);
            assert_eq!((&*reason, &*metadata["seq"]), ("JOURNAL_DAMAGED", "3"));
            assert!(status.message().contains("journal-0000000001.seg"));
        }
    });
    assert_eq!(service.figures().get("journal_read_errors"), 2.0);
    service.drain();
}
