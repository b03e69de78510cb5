//! Over gRPC, on two instances.

use order_processor::grpc::proto::{
    FollowRequest, GetOrderRequest, OrderStatus, SubmitResult, SubmitStreamRequest,
};
use tonic::Code;

use crate::client::{client, order, refused, request, run, submit, submit_all};
use crate::harness::{get, post};
use crate::servers::NatsServer;

#[test]
fn an_order_is_known_to_every_instance_and_protocol() {
    let server = NatsServer::start("");
    let flags = ["--max-value", "10"];
    let one = server.instance_with_grpc(&flags);
    let two = server.instance_with_grpc(&flags);
    run(async {
        let (mut first, mut second) = (client(&one).await, client(&two).await);
        let made = submit(&mut first, request("a")).await.unwrap();
        assert_eq!(made.status(), OrderStatus::Processed);
        assert!(made.seq > 0 && !made.duplicate, "{made:?}");

        // Again, on the other one; and with other content.
        let again = submit(&mut second, request("a")).await.unwrap();
        assert_eq!((again.seq, again.duplicate), (made.seq, true));
        assert_eq!(again.status(), OrderStatus::Processed);
        let mut other = request("a");
        other.order = Some(order("a", "2"));
        let status = submit(&mut second, other).await.unwrap_err();
        let (reason, _) = refused(&status, Code::AlreadyExists, false);
        assert_eq!(reason, "ID_CONFLICT");

        // A failed one, whose reason the other instance has from the stream.
        let mut bad = request("f");
        bad.order = Some(order("f", "11"));
        let failed = submit(&mut second, bad.clone()).await.unwrap();
        assert_eq!(failed.status(), OrderStatus::Failed);
        let again = submit(&mut first, bad).await.unwrap();
        assert!(again.duplicate && !again.reason.is_empty(), "{again:?}");
        assert_eq!((again.seq, &again.reason), (failed.seq, &failed.reason));

        for client in [&mut first, &mut second] {
            let id = "f".to_owned();
            let found = client.get_order(GetOrderRequest { id }).await.unwrap();
            let record = found.into_inner().record.expect("it is committed");
            assert_eq!((record.seq, &record.reason), (failed.seq, &failed.reason));
            let id = "none".to_owned();
            let status = client.get_order(GetOrderRequest { id }).await.unwrap_err();
            assert_eq!(status.code(), Code::NotFound, "{status:?}");
        }
    });
    // Over HTTP it is the same order.
    let reply = post(two.http, "", r#"{"id":"a","value":1}"#);
    assert_eq!(
        (reply.status, &reply.json()["duplicate"]),
        (200, &true.into())
    );
    assert_eq!(get(one.http, "/orders/f").json()["status"], "failed");
    assert_eq!(server.state()["messages"], 2);
    one.settled();
    two.settled();
    one.drain();
    two.drain();
}

/// One order for each way that a line of a stream can end; the rest is new.
#[test]
fn a_stream_answers_each_order_for_itself() {
    const ORDERS: usize = 300;
    let server = NatsServer::start("");
    let one = server.instance_with_grpc(&[]);
    let two = server.instance_with_grpc(&[]);
    let id = |number: usize| format!("s-{number}");
    let responses = run(async {
        let mut first = client(&one).await;
        submit(&mut first, request(&id(7))).await.unwrap();
        let mut other = request(&id(9));
        other.order = Some(order(&id(9), "2"));
        submit(&mut first, other).await.unwrap();
        let requests = (0..ORDERS).map(|number| SubmitStreamRequest {
            order: Some(order(&id(number), "1")),
            ..SubmitStreamRequest::default()
        });
        submit_all(&mut client(&two).await, requests).await
    });
    assert_eq!(responses.len(), ORDERS);
    for (number, response) in responses.iter().enumerate() {
        let want = match number {
            7 => SubmitResult::Duplicate,
            9 => SubmitResult::Conflict,
            _ => SubmitResult::Processed,
        };
        assert_eq!(
            (response.index, &response.id, response.result()),
            (number as u64 + 1, &id(number), want),
            "{response:?}"
        );
        if number == 7 {
            assert_eq!(
                (response.seq, response.outcome()),
                (1, OrderStatus::Processed)
            );
        }
    }
    assert_eq!(
        two.settled().orders(),
        (ORDERS as u64, ORDERS as u64 - 2, 0)
    );
    assert_eq!(server.state()["messages"], ORDERS);
    one.drain();
    two.drain();
}

#[test]
fn a_follower_hears_of_every_instance() {
    let server = NatsServer::start("");
    let one = server.instance_with_grpc(&[]);
    let two = server.instance_with_grpc(&[]);
    run(async {
        let (mut first, mut second) = (client(&one).await, client(&two).await);
        submit(&mut first, request("before")).await.unwrap();
        let follow = |ledger_id: &str| FollowRequest {
            after: 0,
            ledger_id: ledger_id.to_owned(),
            since: None,
        };
        let followed = second.follow(follow("")).await.unwrap();
        let ledger = followed.metadata().get("orders-ledger-id").unwrap();
        let ledger = ledger.to_str().unwrap().to_owned();
        let mut outcomes = followed.into_inner();
        let mut last = 0;
        // Those there, and then those of either instance as they come.
        for number in 0..20 {
            let id = match number {
                0 => "before".to_owned(),
                _ => format!("f-{number}"),
            };
            if number > 0 {
                let at = if number % 2 == 0 {
                    &mut first
                } else {
                    &mut second
                };
                submit(at, request(&id)).await.unwrap();
            }
            let response = outcomes
                .message()
                .await
                .unwrap()
                .expect("it never ends with OK");
            let record = response.record.expect("always there");
            assert!(record.seq > last, "{record:?}");
            last = record.seq;
            assert_eq!(record.order.expect("always there").id, id);
        }
        // On another instance from the same point, under the same name.
        let mut again = first.follow(follow(&ledger)).await.unwrap().into_inner();
        for seq in 1..=last {
            let record = again.message().await.unwrap().unwrap().record.unwrap();
            assert_eq!(record.seq, seq);
        }
        let other = first.follow(follow("another")).await.unwrap_err();
        assert_eq!(other.code(), Code::FailedPrecondition, "{other:?}");
    });
    one.drain();
    two.drain();
}

#[test]
fn a_follower_from_the_largest_sequence_is_ahead() {
    let server = NatsServer::start("");
    let service = server.instance_with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        submit(&mut client, request("a")).await.unwrap();
        let after = FollowRequest {
            after: u64::MAX,
            ..FollowRequest::default()
        };
        let mut outcomes = client.follow(after).await.unwrap().into_inner();
        let status = outcomes.message().await.unwrap_err();
        let (reason, metadata) = refused(&status, Code::OutOfRange, false);
        assert_eq!((&*reason, &*metadata["last_seq"]), ("FEED_AHEAD", "1"));
    });
    service.drain();
}
