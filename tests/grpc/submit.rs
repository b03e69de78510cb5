//! `Submit` and `GetOrder`: every status with its details.

use std::time::Duration;

use order_processor::grpc::proto::{
    AckMode, GetOrderRequest, Order, OrderStatus, SubmitRequest, SubmitResponse,
};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::client::{
    Client, channel, client, field, order, refused, request, retry_delay, run, simulate, submit,
};
use crate::harness::{PATIENCE, Service, until};

fn seconds(seconds: u64) -> Option<prost_types::Duration> {
    Some(Duration::from_secs(seconds).try_into().unwrap())
}

/// Looks an order up.
async fn get_order(client: &mut Client, id: &str) -> Result<OrderStatus, tonic::Status> {
    let request = GetOrderRequest { id: id.into() };
    let response = client.get_order(request).await?.into_inner();
    Ok(response.status())
}

#[test]
fn an_order_gets_its_outcome_and_gets_it_again() {
    let service = Service::with_grpc(&["--max-value", "10"]);
    run(async {
        let mut client = client(&service).await;
        let first = submit(&mut client, request("a")).await.unwrap();
        assert_eq!((first.status(), first.seq), (OrderStatus::Processed, 1));
        assert_eq!(
            (&*first.id, first.duplicate, &*first.reason),
            ("a", false, "")
        );
        let again = submit(&mut client, request("a")).await.unwrap();
        assert_eq!(
            (again.status(), again.seq, again.duplicate),
            (OrderStatus::Processed, 1, true)
        );

        let too_much = SubmitRequest {
            order: Some(order("b", "10.01")),
            ..SubmitRequest::default()
        };
        for duplicate in [false, true] {
            let failed = submit(&mut client, too_much.clone()).await.unwrap();
            assert_eq!((failed.status(), failed.seq), (OrderStatus::Failed, 2));
            assert_eq!(failed.duplicate, duplicate);
            assert!(!failed.reason.is_empty());
        }
    });
    let figures = service.settled();
    assert_eq!(figures.orders(), (2, 1, 1));
    assert_eq!(figures.count("orders_duplicate"), 2);
}

#[test]
fn what_is_no_order_is_refused_with_its_field() {
    let service = Service::with_grpc(&[]);
    let with = |id: &str, value: &str, attributes: &str| SubmitRequest {
        order: Some(Order {
            id: id.into(),
            value: value.into(),
            attributes_json: attributes.into(),
        }),
        ..SubmitRequest::default()
    };
    let mut strange = request("a");
    strange.ack_mode = 99;
    let mut negative = request("a");
    negative.wait = Some(prost_types::Duration {
        seconds: -1,
        nanos: 0,
    });
    let cases = [
        (SubmitRequest::default(), "order"),
        (with("", "1", ""), "order.id"),
        (with("a b", "1", ""), "order.id"),
        (with(&"a".repeat(65), "1", ""), "order.id"),
        (with("a", "", ""), "order.value"),
        (with("a", "NaN", ""), "order.value"),
        (
            with("a", "12345678901234567890123456789", ""),
            "order.value",
        ),
        (with("a", "1", "[]"), "order.attributes_json"),
        (with("a", "1", "{"), "order.attributes_json"),
        (with("a", "1", r#"{"id":"b"}"#), "order.attributes_json"),
        (with("a", "1", r#"{"x":1,"x":2}"#), "order.attributes_json"),
        (strange, "ack_mode"),
        (negative, "wait"),
    ];
    run(async {
        let mut client = client(&service).await;
        for (request, at) in &cases {
            let status = submit(&mut client, request.clone()).await.unwrap_err();
            refused(&status, Code::InvalidArgument, false);
            assert_eq!(field(&status), *at);
        }
        let status = get_order(&mut client, "no id").await.unwrap_err();
        refused(&status, Code::InvalidArgument, false);
        assert_eq!(field(&status), "id");
    });
    let figures = service.settled();
    assert_eq!(
        (figures.orders().0, figures.rejected("invalid")),
        (0, cases.len() as u64)
    );
}

#[test]
fn the_answer_to_an_unknown_order_says_how_far_back_it_reaches() {
    let service = Service::with_grpc(&["--dedupe-window", "2"]);
    run(async {
        let mut client = client(&service).await;
        let status = get_order(&mut client, "a").await.unwrap_err();
        let (reason, metadata) = refused(&status, Code::NotFound, false);
        assert_eq!(
            (&*reason, &*metadata["window_outcomes"]),
            ("UNKNOWN_ORDER", "2")
        );
        assert!(!metadata.contains_key("window_age_seconds"), "{metadata:?}");
        for id in ["b", "c", "d"] {
            submit(&mut client, request(id)).await.unwrap();
        }
        let status = get_order(&mut client, "a").await.unwrap_err();
        let (_, metadata) = refused(&status, Code::NotFound, false);
        assert!(metadata.contains_key("window_age_seconds"), "{metadata:?}");
    });
}

#[test]
fn an_order_that_is_not_waited_for_is_acknowledged_as_queued() {
    let slow = simulate("10m..10m");
    let service = Service::with_grpc(&[&slow[..], &["--drain-timeout", "50ms"]].concat());
    run(async {
        let mut client = client(&service).await;
        let mut queued = request("a");
        queued.ack_mode = AckMode::Queued.into();
        let mut short = request("a");
        short.wait = Some(Duration::from_millis(20).try_into().unwrap());
        let first = submit(&mut client, queued.clone()).await.unwrap();
        assert_eq!(
            (first.status(), first.seq, first.duplicate),
            (OrderStatus::Queued, 0, false)
        );
        for again in [queued, short] {
            let reply = submit(&mut client, again).await.unwrap();
            assert_eq!(
                (reply.status(), reply.duplicate),
                (OrderStatus::Queued, true)
            );
        }
        assert_eq!(
            get_order(&mut client, "a").await.unwrap(),
            OrderStatus::Queued
        );
        // Other content meets it in flight.
        let mut other = request("a");
        other.order.as_mut().unwrap().value = "2".into();
        let status = submit(&mut client, other).await.unwrap_err();
        refused(&status, Code::AlreadyExists, true);
        // A client that waits at the drain deadline learns that sending it
        // again is safe.
        let waiting = tokio::spawn({
            let mut client = client.clone();
            async move { submit(&mut client, request("w")).await }
        });
        until("inside", || service.figures().inside() == 2);
        service.terminate();
        let status = waiting.await.unwrap().unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
        retry_delay(&status);
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert!(ended.log.contains("lost=1"), "{}", ended.log);
}

#[test]
fn a_server_set_to_queued_waits_if_asked() {
    let slow = simulate("1s..1s");
    let service = Service::with_grpc(&[&slow[..], &["--ack", "queued"]].concat());
    run(async {
        let mut client = client(&service).await;
        let reply = submit(&mut client, request("a")).await.unwrap();
        assert_eq!(reply.status(), OrderStatus::Queued);
        let mut waits = request("b");
        waits.ack_mode = AckMode::Committed.into();
        let reply = submit(&mut client, waits).await.unwrap();
        assert_eq!(reply.status(), OrderStatus::Processed);
        let mut waits = request("c");
        waits.wait = seconds(20);
        let reply = submit(&mut client, waits).await.unwrap();
        assert_eq!(reply.status(), OrderStatus::Processed);
    });
}

#[test]
fn a_full_queue_refuses_at_once() {
    let slow = simulate("10m..10m");
    let full = [
        "--workers",
        "1",
        "--queue-capacity",
        "2",
        "--drain-timeout",
        "50ms",
    ];
    let service = Service::with_grpc(&[&slow[..], &full].concat());
    run(async {
        let mut client = client(&service).await;
        let mut refusals = 0;
        for number in 0..10 {
            let mut queued = request(&format!("a{number}"));
            queued.ack_mode = AckMode::Queued.into();
            if let Err(status) = submit(&mut client, queued).await {
                assert_eq!(
                    refused(&status, Code::ResourceExhausted, true).0,
                    "QUEUE_FULL"
                );
                retry_delay(&status);
                refusals += 1;
            }
        }
        assert!((7..=8).contains(&refusals), "{refusals}");
        let figures = service.figures();
        assert_eq!(figures.rejected("full"), refusals);
        assert_eq!(figures.orders().0 + refusals, 10);
    });
}

#[test]
fn a_message_over_the_limit_is_not_read() {
    let service = Service::with_grpc(&["--max-body", "1KiB"]);
    let sized = |id: &str, bytes: usize| {
        let mut request = request(id);
        let text = "x".repeat(bytes);
        request.order.as_mut().unwrap().attributes_json = format!(r#"{{"x":"{text}"}}"#);
        request
    };
    run(async {
        let mut client = client(&service).await;
        assert!(submit(&mut client, sized("a", 1024)).await.is_ok());
        let status = submit(&mut client, sized("b", 2048)).await.unwrap_err();
        assert_eq!(
            refused(&status, Code::ResourceExhausted, false).0,
            "TOO_LARGE"
        );
        // The connection goes on.
        assert!(submit(&mut client, request("c")).await.is_ok());
    });
    assert_eq!(service.settled().rejected("too_large"), 1);
}

#[test]
fn a_call_that_runs_into_its_deadline_takes_nothing_back() {
    let slow = simulate("5s..5s");
    let service = Service::with_grpc(&slow);
    run(async {
        let mut client = client(&service).await;
        let mut hurried = tonic::Request::new(request("a"));
        hurried.set_timeout(Duration::from_secs(3));
        let status = client.submit(hurried).await.unwrap_err();
        assert!(
            matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
            "{status:?}"
        );
        let reply = submit(&mut client, request("a")).await.unwrap();
        assert_eq!(
            (reply.status(), reply.seq, reply.duplicate),
            (OrderStatus::Processed, 1, true)
        );
    });
    assert_eq!(service.settled().orders(), (1, 1, 0));
}

#[test]
fn what_is_not_served_is_unimplemented() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut any = tonic::client::Grpc::new(channel(&service).await);
        for path in ["/orders.v1.OrderService/Nothing", "/nothing/Submit", "/x"] {
            any.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<SubmitRequest, SubmitRequest>::default();
            let status = any
                .unary(
                    tonic::Request::new(request("a")),
                    path.parse().unwrap(),
                    codec,
                )
                .await
                .unwrap_err();
            assert_eq!(status.code(), Code::Unimplemented, "{path}");
        }
    });
    assert_eq!(service.settled().orders().0, 0);
}

/// A submission whose metadata has these keys.
async fn with_keys(
    client: &mut Client,
    id: &str,
    keys: &[&'static str],
) -> Result<tonic::Response<SubmitResponse>, Status> {
    let mut request = tonic::Request::new(request(id));
    for key in keys {
        let key = MetadataValue::from_static(key);
        request.metadata_mut().append("idempotency-key", key);
    }
    client.submit(request).await
}

#[test]
fn an_order_without_an_id_takes_it_from_the_metadata() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let first = with_keys(&mut client, "", &["key-1"]).await.unwrap();
        assert_eq!((&*first.get_ref().id, first.get_ref().seq), ("key-1", 1));
        assert!(first.metadata().get("idempotent-replayed").is_none());
        for (id, keys) in [
            ("", &["key-1"][..]),
            ("", &["\"key-1\""]),
            ("key-1", &["key-1"]),
            ("key-1", &[]),
        ] {
            let again = with_keys(&mut client, id, keys).await.unwrap();
            assert_eq!((again.get_ref().seq, again.get_ref().duplicate), (1, true));
            let replayed = again.metadata().get("idempotent-replayed");
            assert_eq!(replayed.expect("marked"), "true");
        }
        for (id, keys, at) in [
            ("key-2", &["key-1"][..], "idempotency-key"),
            ("", &["key-1", "key-2"], "idempotency-key"),
            ("", &["\"key-1"], "idempotency-key"),
            ("", &[""], "order.id"),
            ("", &["a b"], "order.id"),
            ("", &[], "order.id"),
        ] {
            let status = with_keys(&mut client, id, keys).await.unwrap_err();
            refused(&status, Code::InvalidArgument, false);
            assert_eq!(field(&status), at, "{id} {keys:?}");
        }
    });
    let figures = service.settled();
    assert_eq!((figures.orders().0, figures.rejected("invalid")), (1, 6));
}
