//! `SubmitStream`: one response for each request, in order, of every kind.

use order_processor::grpc::proto::{
    AckMode, Order, OrderStatus, SubmitResult, SubmitStreamRequest, SubmitStreamResponse,
};
use order_processor::internals::{CONNECTION_SHARE, SUBMIT_STREAMS_MAX};

use crate::client::{
    client, clients, in_the_end, one_of_many, open_stream, order, request, run, simulate, submit,
    submit_all, too_many_streams,
};
use crate::harness::{Service, until};

#[test]
fn responses_come_in_the_order_of_requests() {
    // With one worker, orders get their sequences as they came.
    let service = Service::with_grpc(&["--workers", "1"]);
    let ids: Vec<String> = (0..5000).map(|number| format!("s-{number}")).collect();
    run(async {
        let responses = submit_all(
            &mut client(&service).await,
            ids.iter().map(|id| one_of_many(id)),
        )
        .await;
        assert_eq!(responses.len(), ids.len());
        for (number, (response, id)) in responses.iter().zip(&ids).enumerate() {
            assert_eq!((response.index, &response.id), (number as u64 + 1, id));
            assert_eq!(response.result(), SubmitResult::Processed);
            assert_eq!(response.seq, number as u64 + 1);
        }
    });
    assert_eq!(service.settled().orders(), (5000, 5000, 0));
}

/// A request of a stream for an order with other members.
fn with(id: &str, value: &str, others: &str) -> SubmitStreamRequest {
    SubmitStreamRequest {
        order: Some(Order {
            attributes_json: others.into(),
            ..order(id, value)
        }),
        ..SubmitStreamRequest::default()
    }
}

#[test]
fn one_bad_order_ends_nothing() {
    let limits = ["--max-value", "10", "--max-body", "1KiB"];
    let service = Service::with_grpc(&[&limits[..], &["--workers", "1"]].concat());
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(4000));
    let mut strange = one_of_many("strange");
    strange.ack_mode = 7;
    let requests = [
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
    ];
    let responses = run(async {
        let mut client = client(&service).await;
        submit(&mut client, request("known")).await.unwrap();
        submit_all(&mut client, requests).await
    });
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
    check_details(&responses);
    let figures = service.settled();
    assert_eq!(figures.orders(), (4, 3, 1));
    assert_eq!(figures.count("orders_duplicate"), 2);
    let rejected = ["conflict", "invalid", "too_large"].map(|reason| figures.rejected(reason));
    assert_eq!(rejected, [1, 4, 1]);
}

/// What the responses to the bad orders have beside their result.
fn check_details(responses: &[SubmitStreamResponse]) {
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
}

#[test]
fn an_order_is_acknowledged_as_queued_at_once_if_asked() {
    let slow = simulate("10m..10m");
    let flags = ["--drain-timeout", "10ms"];
    let service = Service::with_grpc(&[&slow[..], &flags].concat());
    run(async {
        let mut queued = one_of_many("a");
        queued.ack_mode = AckMode::Queued.into();
        let responses = submit_all(&mut client(&service).await, [queued.clone(), queued]).await;
        assert_eq!(responses[0].result(), SubmitResult::Queued);
        assert_eq!(responses[1].result(), SubmitResult::Duplicate);
        assert_eq!(responses[1].outcome(), OrderStatus::Queued);
    });
}

#[test]
fn a_stream_goes_on_as_long_as_it_is_fed() {
    let service = Service::with_grpc(&[]);
    run(async {
        let (sender, mut responses) = open_stream(&mut client(&service).await).await.unwrap();
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
fn a_client_that_vanishes_leaves_its_orders() {
    let slow = simulate("100ms..100ms");
    let flags = ["--workers", "2"];
    let service = Service::with_grpc(&[&slow[..], &flags].concat());
    run(async {
        let (sender, responses) = open_stream(&mut client(&service).await).await.unwrap();
        for number in 0..20 {
            sender
                .send(one_of_many(&format!("v-{number}")))
                .await
                .unwrap();
        }
        until("inside", || service.figures().orders().0 == 20);
        drop((sender, responses));
        // Each has one outcome, and a client that sends it again gets that one.
        let requests = (0..20).map(|number| one_of_many(&format!("v-{number}")));
        for response in submit_all(&mut client(&service).await, requests).await {
            assert_eq!(response.result(), SubmitResult::Duplicate);
            assert_eq!(response.outcome(), OrderStatus::Processed);
        }
    });
    assert_eq!(service.settled().orders(), (20, 20, 0));
}

#[test]
fn one_stream_too_many_is_refused() {
    let service = Service::with_grpc(&["--grpc-max-streams", "2000"]);
    run(async {
        let mut streams = Vec::new();
        for mut client in clients(&service).await {
            for _ in 0..SUBMIT_STREAMS_MAX / CONNECTION_SHARE {
                streams.push(open_stream(&mut client).await.unwrap());
            }
            // One connection has its share, and the others have theirs.
            too_many_streams(&open_stream(&mut client).await.unwrap_err());
        }
        let mut client = client(&service).await;
        too_many_streams(&open_stream(&mut client).await.unwrap_err());
        let refused = service.figures().rejected("full");
        assert_eq!(refused, 1 + CONNECTION_SHARE as u64);
        // Single orders go on, and so do the streams that are open.
        submit(&mut client, request("a")).await.unwrap();
        for (sender, responses) in streams.iter_mut().take(3) {
            sender.send(one_of_many("a")).await.unwrap();
            let response = responses.message().await.unwrap().unwrap();
            assert_eq!(response.result(), SubmitResult::Duplicate);
        }
        // A permit that is released is there for the next.
        streams.pop();
        in_the_end(async || open_stream(&mut client).await.ok()).await;
    });
    service.settled();
}
