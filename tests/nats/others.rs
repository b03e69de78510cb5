//! Messages of others at the stream's end, which are no outcomes: readers wait
//! behind them, and don't ask for them again and again.
//!
//! The requests are counted where the server gets them. A reader that waits is
//! known by the questions where the stream ends, ten a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use async_nats::HeaderMap;
use futures_util::StreamExt;
use order_processor::grpc::proto::FollowRequest;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tonic::Code;

use crate::client::{client, in_the_end, refused, request, run, submit};
use crate::harness::{get, post, until};
use crate::servers::NatsServer;

/// Reads of a reader that waits, at most: at the end as it knows it, at the end
/// as the leader knows it, and once more for each message that has come.
const READS_MAX: usize = 6;

/// Another client of the server.
struct Other {
    runtime: Runtime,
    client: async_nats::Client,
    /// Pages that were read.
    reads: Arc<AtomicUsize>,
    /// Questions where the stream ends.
    questions: Arc<AtomicUsize>,
}

impl Other {
    fn on(server: &NatsServer) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (reads, questions) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let client = runtime.block_on(async {
            let client = async_nats::connect(server.address()).await.unwrap();
            for (request, count) in [("DIRECT.GET", &reads), ("STREAM.INFO", &questions)] {
                let subject = format!("$JS.API.{request}.ORDERS");
                let mut requests = client.subscribe(subject).await.unwrap();
                let count = count.clone();
                tokio::spawn(async move {
                    while requests.next().await.is_some() {
                        count.fetch_add(1, Relaxed);
                    }
                });
            }
            client.flush().await.unwrap();
            client
        });
        Self {
            runtime,
            client,
            reads,
            questions,
        }
    }

    /// Publishes a message, which the stream keeps so long.
    async fn publish(&self, subject: &str, ttl: Option<&str>) {
        let mut headers = HeaderMap::new();
        if let Some(ttl) = ttl {
            headers.insert("Nats-TTL", ttl);
        }
        let (subject, payload) = (subject.to_owned(), "no order".into());
        let sent = self
            .client
            .request_with_headers(subject, headers, payload)
            .await;
        let reply: Value = serde_json::from_slice(&sent.unwrap().payload).unwrap();
        assert!(reply["error"].is_null(), "{reply}");
    }

    /// The pages that are read until a reader has waited for a second.
    fn reads_while_waiting(&self, before: usize) -> Option<usize> {
        (self.questions.load(Relaxed) >= before + 10).then(|| self.reads.load(Relaxed))
    }
}

/// A stream whose last message is no outcome; with `expires`, one that has been
/// deleted since.
fn server_with_foreign_end(expires: bool) -> (NatsServer, Other) {
    let server = NatsServer::start("");
    let service = server.instance(&[]);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    service.drain();
    let other = Other::on(&server);
    if expires {
        let mut config = server.api("STREAM.INFO.ORDERS", &json!({}))["config"].clone();
        config["allow_msg_ttl"] = json!(true);
        let updated = server.api("STREAM.UPDATE.ORDERS", &config);
        assert!(updated["error"].is_null(), "{updated}");
    }
    let ttl = expires.then_some("1s");
    other.runtime.block_on(other.publish("orders.x", ttl));
    if expires {
        until("it is deleted", || server.state()["messages"] == 1);
    }
    assert_eq!(server.state()["last_seq"], 2);
    (server, other)
}

#[test]
fn a_long_poll_waits_behind_a_message_of_others() {
    for expires in [false, true] {
        let (server, other) = server_with_foreign_end(expires);
        let service = server.instance(&[]);
        // Who doesn't wait has an empty page.
        assert!(get(service.http, "/orders?after=1").body.is_empty());
        other.reads.store(0, Relaxed);
        let before = other.questions.load(Relaxed);
        let http = service.http;
        let waiting = thread::spawn(move || get(http, "/orders?after=1&wait=30"));
        let mut reads = 0;
        until("it waits, or has its reply", || {
            reads = other.reads_while_waiting(before).unwrap_or_default();
            reads > 0 || waiting.is_finished()
        });
        assert!(!waiting.is_finished(), "it waits for the next outcome");
        assert!(reads <= READS_MAX, "{reads} reads");
        assert_eq!(
            post(service.http, "", r#"{"id":"b","value":1}"#).status,
            201
        );
        let page = waiting.join().unwrap();
        let line: Value = serde_json::from_str(page.text()).unwrap();
        assert_eq!((&line["seq"], &line["id"]), (&json!(3), &json!("b")));
        service.drain();
    }
}

#[test]
fn a_follower_waits_behind_a_message_of_others() {
    for expires in [false, true] {
        let (server, other) = server_with_foreign_end(expires);
        let service = server.instance_with_grpc(&[]);
        run(async {
            let mut client = client(&service).await;
            let request_all = FollowRequest::default();
            let followed = client.follow(request_all).await.unwrap();
            let mut outcomes = followed.into_inner();
            let record = outcomes.message().await.unwrap().unwrap().record.unwrap();
            assert_eq!(record.seq, 1);
            let next = tokio::spawn(async move { outcomes.message().await });
            // At the end that it finds, and at the one that comes.
            for more in [false, true] {
                if more {
                    other.publish("orders.y", None).await;
                }
                other.reads.store(0, Relaxed);
                let before = other.questions.load(Relaxed);
                let reads = in_the_end(async || other.reads_while_waiting(before)).await;
                assert!(reads <= READS_MAX, "{reads} reads");
            }
            submit(&mut client, request("b")).await.unwrap();
            let response = next.await.unwrap().unwrap().unwrap();
            assert_eq!(response.record.unwrap().seq, 4);
        });
        drop(other);
        service.drain();
    }
}

/// More of them than a page has lines.
#[test]
fn outcomes_behind_many_messages_of_others_are_found() {
    let (server, other) = server_with_foreign_end(false);
    other.runtime.block_on(async {
        for number in 0..30 {
            other.publish(&format!("orders.x-{number}"), None).await;
        }
    });
    let (one, two) = (server.instance(&[]), server.instance(&[]));
    assert_eq!(post(one.http, "", r#"{"id":"b","value":1}"#).status, 201);
    for service in [&one, &two] {
        let page = get(service.http, "/orders?after=1&limit=3");
        let line: Value = serde_json::from_str(page.text()).unwrap();
        assert_eq!(line["seq"], 33, "{line}");
    }
    // One that the other instance has not heard of.
    other.runtime.block_on(other.publish("orders.z", None));
    assert!(get(two.http, "/orders?after=33").body.is_empty());
    assert_eq!(post(one.http, "", r#"{"id":"c","value":1}"#).status, 201);
    let page = get(two.http, "/orders?after=33&limit=1");
    let line: Value = serde_json::from_str(page.text()).unwrap();
    assert_eq!(line["seq"], 35, "{line}");
    one.drain();
    two.drain();
}

/// A stream whose messages have all expired, which an instance that nobody reads
/// from learns when it reads.
#[test]
fn a_reader_of_what_has_expired_hears_so_and_does_not_wait() {
    let server = NatsServer::start("");
    let flags = ["--ack-timeout", "1s", "--nats-dedupe-window", "2s"];
    let service = server.instance_with_grpc(&flags);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    until("it has expired", || server.state()["messages"] == 0);
    run(async {
        let mut client = client(&service).await;
        let status = match client.follow(FollowRequest::default()).await {
            Ok(outcomes) => outcomes.into_inner().message().await.unwrap_err(),
            Err(status) => status, // it had heard already
        };
        let (reason, metadata) = refused(&status, Code::OutOfRange, false);
        assert_eq!((&*reason, &*metadata["oldest_seq"]), ("FEED_PRUNED", "2"));
    });
    let problem = get(service.http, "/orders?after=0&wait=30").problem(410);
    assert_eq!(problem["oldest_seq"], 2, "{problem}");
    service.drain();
}
