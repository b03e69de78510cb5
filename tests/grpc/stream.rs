//! `SubmitStream`: order, every kind of result, backpressure, and clients that behave badly.

use std::time::Duration;

use order_processor::grpc::proto::{
    AckMode, Order, OrderStatus, SubmitResult, SubmitStreamRequest, SubmitStreamResponse,
};
use order_processor::internals::{STREAM_ORDER_BYTES_MAX, STREAM_ORDERS_MAX, SUBMIT_STREAMS_MAX};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, iter};
use tonic::{Code, Status, Streaming};

use crate::client::{client, one_of_many, order, refused, request, retry_delay, run, submit};
use crate::harness::{PATIENCE, Service, until};

/// What a test sends with, one request at a time.
type Sender = mpsc::Sender<SubmitStreamRequest>;

/// Opens a stream that is fed by hand.
async fn open(service: &Service) -> (Sender, Streaming<SubmitStreamResponse>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let requests = async_stream(move |cx| receiver.poll_recv(cx));
    let responses = client(service).await.submit_stream(requests).await;
    (sender, responses.expect("a stream").into_inner())
}

/// A stream from a poll function.
fn async_stream<T: Send + 'static>(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Send + 'static,
) -> impl tokio_stream::Stream<Item = T> + Send + 'static {
    futures_util::stream::poll_fn(poll)
}

async fn all(service: &Service, requests: Vec<SubmitStreamRequest>) -> Vec<SubmitStreamResponse> {
    let responses = client(service).await.submit_stream(iter(requests)).await;
    let responses = responses.expect("a stream").into_inner();
    let responses: Result<Vec<_>, Status> = responses.collect().await;
    responses.expect("all responses, then OK")
}

#[test]
fn responses_come_in_the_order_of_requests() {
    let service = Service::with_grpc(&[]);
    let ids: Vec<String> = (0..5000).map(|number| format!("s-{number}")).collect();
    run(async {
        let responses = all(&service, ids.iter().map(|id| one_of_many(id)).collect()).await;
        assert_eq!(responses.len(), ids.len());
        for (number, (response, id)) in responses.iter().zip(&ids).enumerate() {
            assert_eq!((response.index, &response.id), (number as u64 + 1, id));
            assert_eq!(response.result(), SubmitResult::Processed);
            assert_eq!(response.seq, number as u64 + 1);
        }
    });
    assert_eq!(service.settled().orders(), (5000, 5000, 0));
}

#[test]
fn one_bad_order_ends_nothing() {
    let service = Service::with_grpc(&["--max-value", "10", "--max-body", "1KiB"]);
    run(async {
        submit(&mut client(&service).await, request("known"))
            .await
            .unwrap();
        let with = |id: &str, value: &str, others: &str| SubmitStreamRequest {
            order: Some(Order {
                attributes_json: others.into(),
                ..order(id, value)
            }),
            ..SubmitStreamRequest::default()
        };
        let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(4000));
        let mut strange = one_of_many("strange");
        strange.ack_mode = 7;
        let responses = all(
            &service,
            vec![
                with("new", "1", ""),
                with("failed", "11", ""),
                with("known", "1.0", ""),
                with("known", "2", ""),
                with("failed", "11", "{}"),
                with("bad id", "1", ""),
                with(&"x".repeat(65), "1", ""),
                with("large", "1", &large),
                SubmitStreamRequest::default(),
                strange,
                with("last", "1", r#"{"a":1}"#),
            ],
        )
        .await;
        use SubmitResult::{Conflict, Duplicate, Failed, Invalid, Processed};
        let results: Vec<_> = responses
            .iter()
            .map(|r| (&*r.id, r.result(), r.seq))
            .collect();
        assert_eq!(
            results,
            [
                ("new", Processed, 2),
                ("failed", Failed, 3),
                ("known", Duplicate, 1),
                ("known", Conflict, 0),
                ("failed", Duplicate, 3),
                ("bad id", Invalid, 0),
                ("", Invalid, 0),
                ("", Invalid, 0),
                ("", Invalid, 0),
                ("strange", Invalid, 0),
                ("last", Processed, 4),
            ]
        );
        let outcomes: Vec<_> = responses.iter().map(|r| r.outcome()).collect();
        assert_eq!(
            (outcomes[2], outcomes[4]),
            (OrderStatus::Processed, OrderStatus::Failed)
        );
        assert_eq!(
            responses[1].detail, responses[4].detail,
            "the same reason again"
        );
        for (at, field) in [
            (5, "order.id"),
            (6, "order.id"),
            (7, ""),
            (8, "order"),
            (9, "ack_mode"),
        ] {
            assert_eq!(responses[at].field, field);
            assert!(!responses[at].detail.is_empty() && !responses[at].retry_safe);
        }
    });
    let figures = service.settled();
    assert_eq!(figures.orders(), (4, 3, 1));
    assert_eq!(figures.count("orders_duplicate"), 2);
    let rejected = ["conflict", "invalid", "too_large"].map(|reason| figures.rejected(reason));
    assert_eq!(rejected, [1, 4, 1]);
}

#[test]
fn orders_wait_for_room_and_are_rejected_when_there_is_none() {
    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "2ms..2ms",
        "--workers",
        "1",
        "--queue-capacity",
        "4",
    ];
    let service = Service::with_grpc(&flags);
    run(async {
        let requests = (0..300)
            .map(|number| one_of_many(&format!("r-{number}")))
            .collect();
        let responses = all(&service, requests).await;
        let processed = responses
            .iter()
            .filter(|r| r.result() == SubmitResult::Processed);
        assert_eq!(processed.count(), 300, "none was refused for want of room");
    });
    assert_eq!(service.settled().orders(), (300, 300, 0));
    drop(service);

    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "10m..10m",
        "--workers",
        "1",
        "--queue-capacity",
        "4",
        "--ack-timeout",
        "200ms",
        "--drain-timeout",
        "10ms",
    ];
    let service = Service::with_grpc(&flags);
    run(async {
        let requests: Vec<_> = (0..8)
            .map(|number| one_of_many(&format!("r-{number}")))
            .collect();
        let responses = all(&service, requests).await;
        let results: Vec<_> = responses.iter().map(|response| response.result()).collect();
        // One with the worker, two in the half of the queue that is for streams.
        let (taken, refused) = results.split_at(3);
        assert!(
            taken.iter().all(|result| *result == SubmitResult::Queued),
            "{results:?}"
        );
        assert!(
            refused
                .iter()
                .all(|result| *result == SubmitResult::Rejected),
            "{results:?}"
        );
        let last = responses.last().unwrap();
        assert!(last.retry_safe && last.retry_delay.is_some(), "{last:?}");
    });
    assert_eq!(service.figures().rejected("full"), 5);
}

#[test]
fn queued_is_told_at_once_to_those_who_ask() {
    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "10m..10m",
        "--drain-timeout",
        "10ms",
    ];
    let service = Service::with_grpc(&flags);
    run(async {
        let mut queued = one_of_many("a");
        queued.ack_mode = AckMode::Queued.into();
        let responses = all(&service, vec![queued.clone(), queued]).await;
        assert_eq!(responses[0].result(), SubmitResult::Queued);
        assert_eq!(responses[1].result(), SubmitResult::Duplicate);
        assert_eq!(responses[1].outcome(), OrderStatus::Queued);
    });
}

#[test]
fn a_stream_goes_on_as_long_as_it_is_fed() {
    let service = Service::with_grpc(&[]);
    run(async {
        let (sender, mut responses) = open(&service).await;
        for number in 1..=20 {
            sender
                .send(one_of_many(&format!("f-{number}")))
                .await
                .unwrap();
            let response = responses
                .message()
                .await
                .unwrap()
                .expect("a response at once");
            assert_eq!((response.index, response.seq), (number, number));
        }
        drop(sender);
        assert!(
            responses.message().await.unwrap().is_none(),
            "OK after the last"
        );
    });
}

#[test]
fn past_the_window_nothing_is_read() {
    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "10m..10m",
        "--drain-timeout",
        "10ms",
    ];
    let service = Service::with_grpc(&flags);
    run(async {
        let (sender, mut responses) = open(&service).await;
        // As small as orders can be, each in a frame of its own: what a server may take for an
        // attack, when it doesn't read them.
        let mut sent = 0;
        let fed = async {
            loop {
                sender
                    .send(one_of_many(&format!("{sent}")))
                    .await
                    .expect("it is held back, and not cut off");
                sent += 1;
            }
        };
        // The client's side takes what flow control lets through, then no more.
        let fed = tokio::time::timeout(Duration::from_secs(5), fed).await;
        assert!(fed.is_err());
        assert_eq!(
            service.figures().inside(),
            STREAM_ORDERS_MAX as i64,
            "of {sent}"
        );
        assert!((2000..20_000).contains(&sent), "{sent} were sent");
        service.terminate();
        for index in 1..=STREAM_ORDERS_MAX as u64 {
            let response = responses.message().await.unwrap().expect("a response");
            assert_eq!(
                (response.index, response.result()),
                (index, SubmitResult::Rejected)
            );
        }
        let status = responses.message().await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
    });
}

/// Orders stay in memory until their response is taken.
#[test]
fn past_so_many_bytes_nothing_is_read_either() {
    let flags = ["--processor", "simulate", "--simulate", "10m..10m"];
    let service = Service::with_grpc(&flags);
    let note = format!(r#"{{"note":"{}"}}"#, "x".repeat(60_000));
    run(async {
        let (sender, _responses) = open(&service).await;
        let fed = async {
            for sent in 0.. {
                let mut request = one_of_many(&format!("{sent}"));
                let order = request.order.as_mut().expect("made with one");
                order.attributes_json.clone_from(&note);
                sender.send(request).await.expect("it is held back");
            }
        };
        let fed = tokio::time::timeout(Duration::from_secs(3), fed).await;
        assert!(fed.is_err());
        // The last one may cross the line.
        let most = STREAM_ORDER_BYTES_MAX / note.len() + 1;
        assert_eq!(service.figures().inside(), most as i64);
    });
}

#[test]
fn a_client_that_vanishes_leaves_its_orders() {
    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "100ms..100ms",
        "--workers",
        "2",
    ];
    let service = Service::with_grpc(&flags);
    run(async {
        let (sender, responses) = open(&service).await;
        for number in 0..20 {
            sender
                .send(one_of_many(&format!("v-{number}")))
                .await
                .unwrap();
        }
        until("inside", || service.figures().orders().0 == 20);
        drop((sender, responses));
        // Each has one outcome, and whoever sends it again gets that one.
        let requests = (0..20)
            .map(|number| one_of_many(&format!("v-{number}")))
            .collect();
        for response in all(&service, requests).await {
            assert_eq!(response.result(), SubmitResult::Duplicate);
            assert_eq!(response.outcome(), OrderStatus::Processed);
        }
    });
    assert_eq!(service.settled().orders(), (20, 20, 0));
}

#[test]
fn a_client_that_never_reads_is_held_back_and_its_memory_is_bounded() {
    let service = Service::with_grpc(&[]);
    run(async {
        let (sender, responses) = open(&service).await;
        let mut sent = 0_u64;
        let fed = async {
            loop {
                sender
                    .send(one_of_many(&format!("n-{sent}")))
                    .await
                    .expect("it is held back, and not cut off");
                sent += 1;
            }
        };
        // Until both windows of flow control are full.
        let fed = tokio::time::timeout(3 * PATIENCE, async {
            tokio::pin!(fed);
            let mut last = 0;
            loop {
                let waited = tokio::time::timeout(Duration::from_secs(1), &mut fed).await;
                assert!(waited.is_err());
                let taken = service.figures().orders().0;
                if taken == last {
                    return taken;
                }
                last = taken;
            }
        });
        let taken = fed.await.expect("it is held back in the end");
        // Others go on.
        let reply = submit(&mut client(&service).await, request("other"))
            .await
            .unwrap();
        assert_eq!(reply.status(), OrderStatus::Processed);
        // And so does this one, once it reads.
        drop(sender);
        let responses: Result<Vec<_>, Status> = responses.collect().await;
        let responses = responses.expect("all, then OK");
        assert!(
            responses.len() as u64 >= taken,
            "{} of {taken}",
            responses.len()
        );
    });
    service.settled();
}

#[test]
fn a_drain_answers_what_was_taken_and_ends_the_stream() {
    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "300ms..300ms",
        "--workers",
        "4",
    ];
    let service = Service::with_grpc(&flags);
    run(async {
        let (sender, mut responses) = open(&service).await;
        for number in 0..8 {
            sender
                .send(one_of_many(&format!("d-{number}")))
                .await
                .unwrap();
        }
        until("inside", || service.figures().inside() == 8);
        service.terminate();
        for number in 1..=8 {
            let response = responses.message().await.unwrap().expect("an outcome");
            assert_eq!(
                (response.index, response.result()),
                (number, SubmitResult::Processed)
            );
        }
        let status = responses.message().await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn at_the_deadline_those_in_the_stream_are_rejected() {
    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "10m..10m",
        "--workers",
        "1",
        "--drain-timeout",
        "300ms",
    ];
    let service = Service::with_grpc(&flags);
    run(async {
        let (sender, mut responses) = open(&service).await;
        for number in 0..3 {
            sender
                .send(one_of_many(&format!("d-{number}")))
                .await
                .unwrap();
        }
        until("inside", || service.figures().inside() == 3);
        service.terminate();
        for _ in 0..3 {
            let response = responses.message().await.unwrap().expect("a response");
            assert_eq!(
                (response.result(), response.retry_safe),
                (SubmitResult::Rejected, true)
            );
        }
        let status = responses.message().await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert!(ended.log.contains("lost=0"), "{}", ended.log);
}

#[test]
fn one_stream_too_many_is_told_so() {
    let service = Service::with_grpc(&["--grpc-max-streams", "2000"]);
    run(async {
        let mut client = client(&service).await;
        let open = async |client: &mut crate::client::Client| {
            let (sender, mut receiver) = mpsc::channel::<SubmitStreamRequest>(1);
            let requests = async_stream(move |cx| receiver.poll_recv(cx));
            let responses = client.submit_stream(requests).await?;
            Ok::<_, Status>((sender, responses.into_inner()))
        };
        let mut streams = Vec::new();
        for _ in 0..SUBMIT_STREAMS_MAX {
            streams.push(open(&mut client).await.unwrap());
        }
        let status = open(&mut client).await.unwrap_err();
        let (reason, _) = refused(&status, Code::ResourceExhausted, true);
        assert_eq!(reason, "TOO_MANY_STREAMS");
        retry_delay(&status);
        assert_eq!(service.figures().rejected("full"), 1);
        // Single orders go on, and so do the streams there are.
        submit(&mut client, request("a")).await.unwrap();
        for (sender, responses) in streams.iter_mut().take(3) {
            sender.send(one_of_many("a")).await.unwrap();
            let response = responses.message().await.unwrap().unwrap();
            assert_eq!(response.result(), SubmitResult::Duplicate);
        }
        // A place that is given back is there for the next.
        streams.pop();
        let again = async { while open(&mut client).await.is_err() {} };
        tokio::time::timeout(PATIENCE, again)
            .await
            .expect("a place is free");
    });
    service.settled();
}
