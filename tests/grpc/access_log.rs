//! The access log of calls: who asked for what, and what came of it; a stream in
//! one line at its end.

use std::fs;

use order_processor::grpc::proto::{FollowRequest, GetOrderRequest};
use serde_json::Value;
use tonic::Request;
use tonic::metadata::MetadataValue;

use crate::client::{client, one_of_many, open_stream, request, run, submit_all};
use crate::harness::{Directory, Service, until};

const JSON_LOG: [&str; 3] = ["--log-format", "json", "--access-log"];
const TOKEN: &str = "Bearer token-of-the-desk-7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn lines(service: &Service) -> Vec<Value> {
    service.log_lines("call")
}

/// The line of the call of this method that ended so.
fn line(service: &Service, method: &str, status: &str) -> Value {
    let found = || {
        let mut lines = lines(service).into_iter();
        lines.find(|line| {
            let name = line["method"].as_str().unwrap();
            name.ends_with(method) && line["status"] == status
        })
    };
    until("logged", || found().is_some());
    found().unwrap()
}

fn with<T>(message: T, metadata: &[(&'static str, &'static str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (key, value) in metadata {
        let value = MetadataValue::from_static(value);
        request.metadata_mut().insert(*key, value);
    }
    request
}

#[test]
fn each_call_has_a_line_without_its_content() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let path = directory.0.join("tokens");
    fs::write(&path, "desk-7:token-of-the-desk-7 scope=submit").unwrap();
    let path = path.to_str().unwrap();
    let service = Service::with_grpc(&[&JSON_LOG[..], &["all", "--token-file", path]].concat());
    let order = GetOrderRequest {
        id: "a-secret-id".into(),
    };
    run(async {
        let mut client = client(&service).await;
        let known = [("authorization", TOKEN), ("traceparent", TRACEPARENT)];
        let submitted = client.submit(with(request("a-secret-id"), &known)).await;
        submitted.unwrap();
        client.submit(request("a-secret-id")).await.unwrap_err();
        // Who asks is known, and it is not allowed.
        client.get_order(with(order, &known)).await.unwrap_err();
        let unknown = "/a.secret.Service/Method".parse().unwrap();
        let mut grpc = tonic::client::Grpc::new(crate::client::channel(&service).await);
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetOrderRequest, GetOrderRequest>::default();
        let call = Request::new(GetOrderRequest::default());
        grpc.unary(call, unknown, codec).await.unwrap_err();
    });
    let served = line(&service, "OrderService/Submit", "OK");
    assert_eq!(served["client"], "desk-7");
    assert_eq!(served["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(served["duration_us"].as_u64() > Some(0));
    assert_eq!(served["requests"], Value::Null, "one, as of each such call");
    let refused = line(&service, "OrderService/Submit", "UNAUTHENTICATED");
    assert_eq!(refused["client"], Value::Null);
    let denied = line(&service, "OrderService/GetOrder", "PERMISSION_DENIED");
    assert_eq!(denied["client"], "desk-7");
    line(&service, "other", "UNIMPLEMENTED");
    let log = service.drain().log;
    assert!(
        !log.contains("secret") && !log.contains("token-of"),
        "{log}"
    );
}

#[test]
fn a_stream_has_one_line_at_its_end() {
    let service = Service::with_grpc(&[&JSON_LOG[..], &["all"]].concat());
    run(async {
        let mut client = client(&service).await;
        let requests = ["a", "b", "a"].map(one_of_many);
        assert_eq!(submit_all(&mut client, requests).await.len(), 3);
        let follow = client.follow(FollowRequest::default()).await;
        let mut outcomes = follow.unwrap().into_inner();
        for _ in 0..2 {
            outcomes.message().await.unwrap().unwrap();
        }
        // An open stream has none.
        let (sender, mut responses) = open_stream(&mut client).await.unwrap();
        sender.send(one_of_many("c")).await.unwrap();
        responses.message().await.unwrap().unwrap();
        let submitted = line(&service, "SubmitStream", "OK");
        assert_eq!(
            (&submitted["requests"], &submitted["responses"]),
            (&3.into(), &3.into())
        );
        let open = |method: &str| {
            lines(&service)
                .iter()
                .filter(|line| line["method"].as_str().unwrap().ends_with(method))
                .count()
        };
        assert_eq!((open("Follow"), open("SubmitStream")), (0, 1));
        drop((sender, responses, outcomes));
    });
    let followed = line(&service, "Follow", "CANCELLED");
    assert!(followed["responses"].as_u64() >= Some(2), "{followed}");
    until("the other one is logged", || {
        lines(&service)
            .iter()
            .filter(|line| line["requests"] == 1)
            .count()
            == 1
    });
}

#[test]
fn errors_only() {
    let service = Service::with_grpc(&[&JSON_LOG[..], &["errors"]].concat());
    run(async {
        let mut client = client(&service).await;
        client.submit(request("a")).await.unwrap();
        // A failed order has its outcome.
        let mut failing = request("b");
        failing.order.as_mut().unwrap().value = "-1".into();
        client.submit(failing).await.unwrap();
        drop(client.follow(FollowRequest::default()).await.unwrap());
        client.submit(request("not an id")).await.unwrap_err();
    });
    line(&service, "Submit", "INVALID_ARGUMENT");
    // A drain would end it with an error.
    let open = "grpc_open_calls";
    until("the stream has ended", || service.figures().sum(open) == 0);
    let log = service.drain().log;
    let calls = log.lines().filter(|line| line.contains(r#""call""#));
    assert_eq!(calls.count(), 1, "{log}");
}

#[test]
fn a_flood_is_sampled() {
    let service = Service::with_grpc(&[&JSON_LOG[..], &["all"]].concat());
    let order = || GetOrderRequest { id: "a".into() };
    let began = std::time::Instant::now();
    run(async {
        let mut client = client(&service).await;
        for _ in 0..1500 {
            client.get_order(order()).await.unwrap_err();
        }
        until("a line says how many were left out", || {
            lines(&service)
                .iter()
                .any(|line| line["left_out"].as_u64() > Some(0))
                || began.elapsed().as_secs() > 10
        });
        let most = 200 + 100 * (began.elapsed().as_secs() + 1);
        let at_once = lines(&service).len() as u64;
        assert!(at_once <= most, "{at_once} lines");
    });
}
