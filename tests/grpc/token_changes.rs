//! Calls that are open while the token file changes.

use std::fs;

use order_processor::grpc::proto::{
    AckMode, FollowRequest, FollowResponse, SubmitResult, SubmitStreamRequest, SubmitStreamResponse,
};
use rustix::process::Signal;
use tokio::sync::mpsc::Sender;
use tonic::{Code, Status, Streaming};

use crate::client::{Client, client, fed_stream, one_of_many, refused, request, run, simulate};
use crate::harness::{Directory, Service, until};
use crate::tokens::with;

const SHOP: &str = "token-that-changes";
const OTHER: &str = "token-that-stays-as-it-is";

/// A service, and its token file: the line of the shop, if it has one, and that
/// of another client.
struct Guarded {
    service: Service,
    directory: Directory,
}

impl Guarded {
    fn start(shop: &str, flags: &[&str]) -> Self {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        write(&directory, shop);
        let path = directory.0.join("tokens");
        let file = ["--token-file", path.to_str().unwrap()];
        let service = Service::with_grpc(&[&file[..], flags].concat());
        Self { service, directory }
    }

    /// Changes the file, and waits until that holds.
    fn reload(&self, shop: &str) {
        let read_again = || {
            let log = self.service.log();
            log.matches("the token file was read again").count()
        };
        let before = read_again();
        write(&self.directory, shop);
        self.service.signal(Signal::HUP);
        until("the tokens hold", || read_again() > before);
    }

    /// Ends the service; tokens are not in its log.
    fn end(self) {
        let log = self.service.drain().log;
        assert!(!log.contains("token-that"), "{log}");
    }
}

fn write(directory: &Directory, shop: &str) {
    let new = directory.0.join("new");
    fs::write(&new, format!("{shop}\ndesk:{OTHER}\n")).unwrap();
    fs::rename(new, directory.0.join("tokens")).unwrap();
}

fn of(token: &str) -> String {
    format!("Bearer {token}")
}

async fn open(
    client: &mut Client,
) -> Result<(Sender<SubmitStreamRequest>, Streaming<SubmitStreamResponse>), Status> {
    let (sender, requests) = fed_stream();
    let responses = client.submit_stream(with(requests, &[&of(SHOP)])).await?;
    Ok((sender, responses.into_inner()))
}

async fn follow(client: &mut Client, token: &str) -> Result<Streaming<FollowResponse>, Status> {
    let request = with(FollowRequest::default(), &[&of(token)]);
    Ok(client.follow(request).await?.into_inner())
}

/// The next outcome's id and client.
async fn next(outcomes: &mut Streaming<FollowResponse>) -> (String, String) {
    let record = outcomes.message().await.unwrap().unwrap().record.unwrap();
    (record.order.unwrap().id, record.client)
}

/// Sends an order, which is processed.
async fn processed(
    sender: &Sender<SubmitStreamRequest>,
    responses: &mut Streaming<SubmitStreamResponse>,
    id: &str,
) {
    sender.send(one_of_many(id)).await.unwrap();
    let response = responses.message().await.unwrap().unwrap();
    assert_eq!(response.result(), SubmitResult::Processed, "{response:?}");
}

/// A status that ends an open call is that of a call that begins.
#[track_caller]
fn same(ended: &Status, begun: &Status) {
    assert_eq!(
        (ended.code(), ended.message(), ended.details()),
        (begun.code(), begun.message(), begun.details())
    );
}

#[test]
fn a_stream_ends_once_its_token_is_removed() {
    let guarded = Guarded::start(&format!("shop:{SHOP}"), &[]);
    run(async {
        let mut client = client(&guarded.service).await;
        let (sender, mut responses) = open(&mut client).await.unwrap();
        processed(&sender, &mut responses, "a").await;
        guarded.reload("");
        // Although no order comes that could be refused.
        let status = responses.message().await.unwrap_err();
        let figures = guarded.service.settled();
        assert_eq!(figures.orders(), (1, 1, 0));
        assert_eq!(figures.rejected("unauthorized"), 1);
        assert_eq!(figures.denied("bad_token"), 1);
        let ended = "grpc_calls{method=\"submit_stream\",code=\"unauthenticated\"}";
        // When the client has the status already.
        until("the call has ended", || {
            guarded.service.figures().count(ended) == 1
        });
        let (reason, _) = refused(&status, Code::Unauthenticated, false);
        assert_eq!(reason, "UNAUTHENTICATED");
        same(&status, &open(&mut client).await.unwrap_err());
    });
    guarded.end();
}

#[test]
fn orders_that_were_taken_get_their_responses_first() {
    let slow = simulate("2s..2s");
    let flags = [&slow[..], &["--workers", "4"]].concat();
    let guarded = Guarded::start(&format!("shop:{SHOP}"), &flags);
    run(async {
        let mut client = client(&guarded.service).await;
        let (sender, mut responses) = open(&mut client).await.unwrap();
        for number in 0..4 {
            let order = one_of_many(&format!("t-{number}"));
            sender.send(order).await.unwrap();
        }
        until("taken", || guarded.service.figures().orders().0 == 4);
        guarded.reload(&format!("shop:{SHOP} scope=read"));
        // The service doesn't read it any more.
        let _ = sender.send(one_of_many("t-4")).await;
        for number in 1..=4 {
            let response = responses.message().await.unwrap().expect("an outcome");
            assert_eq!(
                (response.index, response.result()),
                (number, SubmitResult::Processed)
            );
        }
        let status = responses.message().await.unwrap_err();
        let figures = guarded.service.settled();
        assert_eq!(figures.orders(), (4, 4, 0));
        assert_eq!(figures.rejected("unauthorized"), 1);
        assert_eq!(figures.denied("scope"), 1);
        let (reason, _) = refused(&status, Code::PermissionDenied, false);
        assert_eq!(reason, "INSUFFICIENT_SCOPE");
        same(&status, &open(&mut client).await.unwrap_err());
    });
    guarded.end();
}

/// One behind a full queue is not admitted when there is space again.
#[test]
fn an_order_that_waits_for_the_queue_is_rejected() {
    let slow = simulate("10m..10m");
    let flags = ["--workers", "1", "--queue-capacity", "4"];
    let flags = [&slow[..], &flags, &["--drain-timeout", "10ms"]].concat();
    let guarded = Guarded::start(&format!("shop:{SHOP}"), &flags);
    let queued = |number: u32| SubmitStreamRequest {
        ack_mode: AckMode::Queued.into(),
        ..one_of_many(&format!("w-{number}"))
    };
    run(async {
        let mut client = client(&guarded.service).await;
        let (sender, mut responses) = open(&mut client).await.unwrap();
        // One with the worker, two in the half of the queue that is for
        // streams.
        for number in 0..3 {
            sender.send(queued(number)).await.unwrap();
            let response = responses.message().await.unwrap().unwrap();
            assert_eq!(response.result(), SubmitResult::Queued);
            if number == 0 {
                until("the worker has it", || {
                    guarded.service.figures().count("queue_depth") == 0
                });
            }
        }
        sender.send(queued(3)).await.unwrap();
        // It is charged before it finds the queue full.
        let charged = "client_requests{client=\"shop\"}";
        until("it waits", || guarded.service.figures().count(charged) == 4);
        guarded.reload("");
        let response = responses.message().await.unwrap().expect("a response");
        assert_eq!((response.index, &*response.id), (4, "w-3"));
        assert_eq!(response.result(), SubmitResult::Rejected);
        assert!(!response.retry_safe && response.detail.contains("token"));
        let status = responses.message().await.unwrap_err();
        refused(&status, Code::Unauthenticated, false);
        let figures = guarded.service.figures();
        assert_eq!(figures.orders().0, 3);
        assert_eq!(figures.rejected("unauthorized"), 1);
        assert_eq!(figures.denied("bad_token"), 1);
    });
}

#[test]
fn a_follower_that_waits_ends_once_its_token_is_removed() {
    let guarded = Guarded::start(&format!("shop:{SHOP}"), &[]);
    run(async {
        let mut client = client(&guarded.service).await;
        let mut of_shop = follow(&mut client, SHOP).await.unwrap();
        let mut of_other = follow(&mut client, OTHER).await.unwrap();
        let submit = with(request("a"), &[&of(OTHER)]);
        client.submit(submit).await.unwrap();
        for outcomes in [&mut of_shop, &mut of_other] {
            assert_eq!(next(outcomes).await.0, "a");
        }
        guarded.reload("");
        let status = of_shop.message().await.unwrap_err();
        let figures = guarded.service.figures();
        assert_eq!(figures.denied("bad_token"), 1);
        assert_eq!(figures.rejected("unauthorized"), 0);
        let (reason, _) = refused(&status, Code::Unauthenticated, false);
        assert_eq!(reason, "UNAUTHENTICATED");
        same(&status, &follow(&mut client, SHOP).await.unwrap_err());

        // Its scope ends it as well, and no other.
        guarded.reload(&format!("shop:{SHOP}"));
        let mut of_shop = follow(&mut client, SHOP).await.unwrap();
        next(&mut of_shop).await;
        guarded.reload(&format!("shop:{SHOP} scope=submit"));
        let status = of_shop.message().await.unwrap_err();
        let (reason, _) = refused(&status, Code::PermissionDenied, false);
        assert_eq!(reason, "INSUFFICIENT_SCOPE");
        let submit = with(request("b"), &[&of(SHOP)]);
        client.submit(submit).await.unwrap();
        assert_eq!(next(&mut of_other).await.0, "b");
    });
    guarded.end();
}

/// A new name and another rate hold from the next order on.
#[test]
fn calls_go_on_with_what_their_token_has_now() {
    let guarded = Guarded::start(&format!("shop:{SHOP} rate=1/h burst=1"), &[]);
    run(async {
        let mut client = client(&guarded.service).await;
        let mut outcomes = follow(&mut client, OTHER).await.unwrap();
        let (sender, mut responses) = open(&mut client).await.unwrap();
        processed(&sender, &mut responses, "a").await;
        assert_eq!(next(&mut outcomes).await, ("a".into(), "shop".into()));
        for round in 0..3 {
            guarded.reload(&format!("shop-{round}:{SHOP}"));
            for number in 0..2 {
                let id = format!("r-{round}-{number}");
                processed(&sender, &mut responses, &id).await;
                let client = format!("shop-{round}");
                assert_eq!(next(&mut outcomes).await, (id, client));
            }
        }
        // A file that can't be used changes nothing.
        write(&guarded.directory, "short");
        guarded.service.signal(Signal::HUP);
        until("logged", || {
            guarded.service.log().contains("remain in force")
        });
        processed(&sender, &mut responses, "z").await;
        assert_eq!(next(&mut outcomes).await.0, "z");
        drop(sender);
        assert!(responses.message().await.unwrap().is_none(), "OK");
    });
    let figures = guarded.service.settled();
    assert_eq!(figures.orders(), (8, 8, 0));
    assert_eq!(figures.rejected("unauthorized"), 0);
    assert_eq!(figures.denied("bad_token") + figures.denied("scope"), 0);
    guarded.end();
}
