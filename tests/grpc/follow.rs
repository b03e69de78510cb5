//! `Follow`: all outcomes in order, from anywhere, again after a break, and
//! past every limit.

use order_processor::grpc::proto::{FollowRequest, FollowResponse, OrderStatus};
use order_processor::internals::{CONNECTION_SHARE, FOLLOWERS_MAX};
use tonic::{Code, Status, Streaming};

use crate::client::{
    Client, client, clients, in_the_end, one_of_many, order, refused, request, run, simulate,
    submit, submit_all, too_many_streams,
};
use crate::harness::{Directory, PATIENCE, Service, post, until};

async fn follow(client: &mut Client, after: u64) -> Result<Streaming<FollowResponse>, Status> {
    let request = FollowRequest {
        after,
        ..FollowRequest::default()
    };
    Ok(client.follow(request).await?.into_inner())
}

/// The next outcome's sequence and id.
async fn next(outcomes: &mut Streaming<FollowResponse>) -> Result<(u64, String), Status> {
    let response = outcomes
        .message()
        .await?
        .expect("a follow never ends with OK");
    let record = response.record.expect("always there");
    Ok((record.seq, record.order.expect("always there").id))
}

#[test]
fn outcomes_come_in_order_those_there_and_those_to_come() {
    let service = Service::with_grpc(&["--max-value", "10"]);
    run(async {
        let mut client = client(&service).await;
        let mut outcomes = follow(&mut client, 0).await.unwrap();
        post(service.http, "", r#"{"id":"h","value":"3.50","x":[1]}"#);
        let first = outcomes.message().await.unwrap().unwrap().record.unwrap();
        let from_http = first.order.unwrap();
        assert_eq!(
            (&*from_http.value, &*from_http.attributes_json),
            ("3.50", r#"{"x":[1]}"#)
        );
        let mut failed = request("f");
        failed.order = Some(order("f", "11"));
        submit(&mut client, failed).await.unwrap();
        let second = outcomes.message().await.unwrap().unwrap().record.unwrap();
        assert_eq!((second.seq, second.status()), (2, OrderStatus::Failed));
        assert!(!second.reason.is_empty());
        for number in 3..50 {
            submit(&mut client, request(&format!("n-{number}")))
                .await
                .unwrap();
            assert_eq!(
                next(&mut outcomes).await.unwrap(),
                (number, format!("n-{number}"))
            );
        }
        // From any point, as often as one likes.
        let mut again = follow(&mut client, 40).await.unwrap();
        for number in 41..50 {
            assert_eq!(next(&mut again).await.unwrap().0, number);
        }
    });
}

#[test]
fn a_follower_may_begin_at_a_time() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        for number in 1..=20 {
            submit(&mut client, request(&format!("t-{number}")))
                .await
                .unwrap();
        }
        let mut all = follow(&mut client, 0).await.unwrap();
        let mut times = Vec::new();
        for _ in 0..20 {
            let record = all.message().await.unwrap().unwrap().record.unwrap();
            times.push(record.commit_time.unwrap());
        }
        for since in &times {
            let request = FollowRequest {
                since: Some(*since),
                ..FollowRequest::default()
            };
            let mut outcomes = client.follow(request).await.unwrap().into_inner();
            let first = times.iter().position(|time| time == since).unwrap();
            assert_eq!(next(&mut outcomes).await.unwrap().0, first as u64 + 1);
        }
        // Before the epoch, and after what 64 bits of nanoseconds reach.
        let at = |seconds, nanos| FollowRequest {
            since: Some(prost_types::Timestamp { seconds, nanos }),
            ..FollowRequest::default()
        };
        let mut early = client.follow(at(-1, 999_999_999)).await.unwrap();
        assert_eq!(next(early.get_mut()).await.unwrap().0, 1);
        client.follow(at(253_402_300_799, 0)).await.unwrap();
        let two_beginnings = FollowRequest {
            after: 1,
            ..at(0, 0)
        };
        for wrong in [two_beginnings, at(i64::MIN, 0), at(i64::MAX, 0), at(0, -1)] {
            let refused = client.follow(wrong).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
    });
}

#[test]
fn more_than_a_page_comes_whole() {
    let service = Service::with_grpc(&[]);
    let orders = 6000;
    run(async {
        let mut client = client(&service).await;
        let requests = (0..orders).map(|number| {
            let mut request = one_of_many(&format!("p-{number}"));
            let text = format!(r#"{{"x":"{}"}}"#, "x".repeat(400));
            request.order.as_mut().unwrap().attributes_json = text;
            request
        });
        submit_all(&mut client, requests).await;
        let mut outcomes = follow(&mut client, 0).await.unwrap();
        for seq in 1..=orders {
            assert_eq!(next(&mut outcomes).await.unwrap().0, seq);
        }
    });
}

#[test]
fn the_ledger_is_named_and_checked() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let request = |ledger_id: &str| FollowRequest {
            after: 0,
            ledger_id: ledger_id.into(),
            since: None,
        };
        let response = client.follow(request("")).await.unwrap();
        let id = response.metadata().get("orders-ledger-id").expect("named");
        let id = id.to_str().unwrap().to_owned();
        assert_eq!(id.len(), 32);
        assert!(client.follow(request(&id)).await.is_ok());
        let status = client.follow(request(&"0".repeat(32))).await.unwrap_err();
        assert_eq!(
            refused(&status, Code::FailedPrecondition, false).0,
            "OTHER_LEDGER"
        );
    });
}

#[test]
fn the_largest_sequence_is_past_the_last_one_of_a_journal() {
    let directory = Directory::new();
    let service = directory.start_with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let status = follow(&mut client, u64::MAX).await.unwrap_err();
        let (reason, metadata) = refused(&status, Code::OutOfRange, false);
        assert_eq!((&*reason, &*metadata["last_seq"]), ("FEED_AHEAD", "0"));
    });
    service.drain();
}

#[test]
fn past_the_last_and_before_the_oldest_are_out_of_range() {
    // The memory ledger drops whole chunks of 1,024.
    let service = Service::with_grpc(&["--dedupe-window", "1"]);
    run(async {
        let mut client = client(&service).await;
        let status = follow(&mut client, 1).await.unwrap_err();
        let (reason, metadata) = refused(&status, Code::OutOfRange, false);
        assert_eq!((&*reason, &*metadata["last_seq"]), ("FEED_AHEAD", "0"));

        let requests = (0..5000).map(|number| one_of_many(&format!("o-{number}")));
        submit_all(&mut client, requests).await;
        let status = follow(&mut client, 0).await.unwrap_err();
        let (reason, metadata) = refused(&status, Code::OutOfRange, false);
        assert_eq!((&*reason, &*metadata["last_seq"]), ("FEED_PRUNED", "5000"));
        let oldest: u64 = metadata["oldest_seq"].parse().unwrap();
        assert!(oldest > 1, "{oldest}");
        let mut outcomes = follow(&mut client, oldest - 1).await.unwrap();
        assert_eq!(next(&mut outcomes).await.unwrap().0, oldest);
    });
}

#[test]
fn one_follower_too_many_is_refused() {
    let service = Service::with_grpc(&["--grpc-max-streams", "1000"]);
    run(async {
        let mut open = Vec::new();
        for mut client in clients(&service).await {
            for _ in 0..FOLLOWERS_MAX / CONNECTION_SHARE {
                open.push(follow(&mut client, 0).await.unwrap());
            }
            // One connection has its share, and the others have theirs.
            too_many_streams(&follow(&mut client, 0).await.unwrap_err());
        }
        let mut client = client(&service).await;
        too_many_streams(&follow(&mut client, 0).await.unwrap_err());
        // Orders go on, and a permit that is released is there for the next.
        submit(&mut client, request("a")).await.unwrap();
        drop(open.pop());
        in_the_end(async || follow(&mut client, 0).await.ok()).await;
    });
}

#[test]
fn a_follower_that_never_reads_slows_nobody() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut stuck = client(&service).await;
        let outcomes = follow(&mut stuck, 0).await.unwrap();
        let mut client = client(&service).await;
        let mut requests = Vec::new();
        for number in 0..4000 {
            let mut request = one_of_many(&format!("p-{number}"));
            let text = format!(r#"{{"x":"{}"}}"#, "x".repeat(1000));
            request.order.as_mut().unwrap().attributes_json = text;
            requests.push(request);
        }
        submit_all(&mut client, requests).await;
        drop(outcomes);
    });
    // It is no obstacle to a drain, either.
    service.drain();
}

#[test]
fn a_drain_brings_the_last_outcome_and_then_says_so() {
    let service = Service::with_grpc(&simulate("2s..2s"));
    run(async {
        let mut client = client(&service).await;
        let mut outcomes = follow(&mut client, 0).await.unwrap();
        let waiting = tokio::spawn({
            let mut client = client.clone();
            async move { submit(&mut client, request("w")).await }
        });
        until("inside", || service.figures().orders().0 == 1);
        service.terminate();
        assert_eq!(next(&mut outcomes).await.unwrap(), (1, "w".to_owned()));
        let status = next(&mut outcomes).await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
        assert_eq!(waiting.await.unwrap().unwrap().seq, 1);
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
