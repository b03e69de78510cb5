//! Bearer tokens in the metadata of calls.

use std::fs;

use order_processor::grpc::proto::{FollowRequest, GetOrderRequest, SubmitResult};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::client::{client, one_of_many, refused, request, run};
use crate::harness::{Directory, Service};

pub(crate) fn with<T>(message: T, authorization: &[&str]) -> Request<T> {
    let mut request = Request::new(message);
    for value in authorization {
        let value = MetadataValue::try_from(*value).unwrap();
        request.metadata_mut().append("authorization", value);
    }
    request
}

#[track_caller]
fn denied(status: &Status, code: Code, reason: &str) {
    assert_eq!(refused(status, code, false).0, reason, "{status:?}");
}

#[test]
fn calls_need_a_token_with_their_scope() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let path = directory.0.join("tokens");
    let text = "shop:token-that-submits scope=submit\nreporting:token-that-reads scope=read\n";
    fs::write(&path, text).unwrap();
    let service = Service::with_grpc(&["--token-file", path.to_str().unwrap()]);
    let (submits, reads) = ("Bearer token-that-submits", "bearer token-that-reads");
    let order = || GetOrderRequest { id: "a".into() };
    run(async {
        let mut client = client(&service).await;
        for authorization in [
            &[][..],
            &["Basic abc"],
            &["Bearer"],
            &["Bearer token-that-guesses"],
        ] {
            let unauthenticated = |status: Status| {
                denied(&status, Code::Unauthenticated, "UNAUTHENTICATED");
            };
            unauthenticated(
                client
                    .submit(with(request("a"), authorization))
                    .await
                    .unwrap_err(),
            );
            unauthenticated(
                client
                    .get_order(with(order(), authorization))
                    .await
                    .unwrap_err(),
            );
            let follow = with(FollowRequest::default(), authorization);
            unauthenticated(client.follow(follow).await.unwrap_err());
            let stream = with(tokio_stream::empty(), authorization);
            unauthenticated(client.submit_stream(stream).await.unwrap_err());
        }
        // One connection for both, as of a proxy.
        for _ in 0..2 {
            client.submit(with(request("a"), &[submits])).await.unwrap();
            client.get_order(with(order(), &[reads])).await.unwrap();
            let status = client
                .submit(with(request("b"), &[reads]))
                .await
                .unwrap_err();
            denied(&status, Code::PermissionDenied, "INSUFFICIENT_SCOPE");
            let status = client
                .get_order(with(order(), &[submits]))
                .await
                .unwrap_err();
            denied(&status, Code::PermissionDenied, "INSUFFICIENT_SCOPE");
        }
        let twice = with(request("b"), &[submits, submits]);
        let status = client.submit(twice).await.unwrap_err();
        denied(&status, Code::InvalidArgument, "INVALID_REQUEST");
    });
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0));
    // Four without a token, of a call and a stream each; two, and the last.
    assert_eq!(figures.rejected("unauthorized"), 11);
    // Calls that read are counted here, too.
    let denied = ["no_token", "bad_token", "scope"].map(|reason| figures.denied(reason));
    assert_eq!(denied, [8, 8, 4]);
    let log = service.drain().log;
    assert!(!log.contains("token-that"), "{log}");
}

#[test]
fn a_stream_waits_for_its_rate_and_a_call_does_not() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let path = directory.0.join("tokens");
    let text = "quick:token-of-one-who-is-quick rate=500/s burst=2\n\
                slow:token-of-one-who-is-slow rate=1/h burst=2\n";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let service = Service::with_grpc(&["--token-file", path, "--ack-timeout", "2s"]);
    let (quick, slow) = (
        "Bearer token-of-one-who-is-quick",
        "Bearer token-of-one-who-is-slow",
    );
    run(async {
        let mut client = client(&service).await;
        let mut stream = async |token, ids: std::ops::Range<u32>| {
            let requests: Vec<_> = ids.map(|id| one_of_many(&format!("s-{id}"))).collect();
            let requests = with(tokio_stream::iter(requests), &[token]);
            let mut responses = client.submit_stream(requests).await.unwrap().into_inner();
            let mut results = Vec::new();
            while let Some(response) = responses.message().await.unwrap() {
                results.push(response);
            }
            results
        };
        let results = stream(quick, 0..60).await;
        assert_eq!(results.len(), 60);
        assert!(
            results
                .iter()
                .all(|one| one.result() == SubmitResult::Processed),
            "{results:?}"
        );
        let results = stream(slow, 60..63).await;
        assert_eq!(results[1].result(), SubmitResult::Processed);
        assert_eq!(results[2].result(), SubmitResult::Rejected);
        assert!(results[2].retry_safe && results[2].retry_delay.is_some());
        let status = client
            .submit(with(request("u"), &[slow]))
            .await
            .unwrap_err();
        assert_eq!(
            refused(&status, Code::ResourceExhausted, true).0,
            "RATE_LIMITED"
        );
        assert!(status.get_error_details().retry_info().is_some());
        client.submit(with(request("u"), &[quick])).await.unwrap();
        let order = GetOrderRequest { id: "u".into() };
        let record = client
            .get_order(with(order, &[quick]))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(record.record.unwrap().client, "quick");
    });
    let figures = service.settled();
    assert_eq!(figures.orders(), (63, 63, 0));
    assert_eq!(figures.rejected("rate_limited"), 2);
}
