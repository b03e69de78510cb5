//! `grpc.health.v1` and reflection.

use order_processor::internals::{HEALTH_WATCHES_MAX, REFLECTION_STREAMS_MAX};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::client::{channel, client, refused, request, retry_delay, run, submit};
use crate::harness::{PATIENCE, Service, until};

const SERVICES: [&str; 2] = ["", "orders.v1.OrderService"];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[test]
fn health_follows_readiness() {
    let slow = ["--processor", "simulate", "--simulate", "400ms..400ms"];
    let service = Service::with_grpc(&slow);
    run(async {
        let mut health = HealthClient::new(channel(&service).await);
        let mut watching = Vec::new();
        for name in SERVICES {
            let reply = health.check(of(name)).await.unwrap().into_inner();
            assert_eq!(reply.status(), ServingStatus::Serving);
            let mut watch = health.watch(of(name)).await.unwrap().into_inner();
            let first = watch.message().await.unwrap().unwrap();
            assert_eq!(first.status(), ServingStatus::Serving);
            watching.push(watch);
        }
        let status = health.check(of("nobody")).await.unwrap_err();
        refused(&status, Code::NotFound, false);
        let mut watch = health.watch(of("nobody")).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::ServiceUnknown);

        // Something is inside, so that the drain takes a moment.
        let waiting = tokio::spawn({
            let mut client = client(&service).await;
            async move { submit(&mut client, request("w")).await }
        });
        until("inside", || service.figures().inside() == 1);
        service.terminate();
        for watch in &mut watching {
            let changed = watch.message().await.unwrap().unwrap();
            assert_eq!(changed.status(), ServingStatus::NotServing);
            let status = watch.message().await.unwrap_err();
            refused(&status, Code::Unavailable, true);
        }
        assert!(waiting.await.unwrap().is_ok());
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn reflection_lists_the_services_and_describes_them() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut reflection = ServerReflectionClient::new(channel(&service).await);
        let ask = |message| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        let requests = vec![
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol(
                "orders.v1.Order".into(),
            )),
        ];
        let replies = reflection
            .server_reflection_info(tokio_stream::iter(requests))
            .await;
        let mut replies = replies.unwrap().into_inner();
        let Some(MessageResponse::ListServicesResponse(list)) =
            replies.message().await.unwrap().unwrap().message_response
        else {
            panic!("a list was asked for");
        };
        let mut names: Vec<_> = list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        names.sort();
        let want = [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "orders.v1.OrderService",
        ];
        assert_eq!(names, want);
        let Some(MessageResponse::FileDescriptorResponse(files)) =
            replies.message().await.unwrap().unwrap().message_response
        else {
            panic!("a file was asked for");
        };
        assert!(!files.file_descriptor_proto.is_empty());
    });
}

#[test]
fn one_watcher_too_many_is_told_so() {
    let service = Service::with_grpc(&["--grpc-max-streams", "5000"]);
    run(async {
        let mut health = HealthClient::new(channel(&service).await);
        let mut watching = Vec::new();
        for _ in 0..HEALTH_WATCHES_MAX {
            watching.push(health.watch(of("")).await.unwrap().into_inner());
        }
        let status = health.watch(of("")).await.unwrap_err();
        let (reason, _) = refused(&status, Code::ResourceExhausted, true);
        assert_eq!(reason, "TOO_MANY_STREAMS");
        retry_delay(&status);
        // Those who only look, and orders, go on.
        assert!(health.check(of("")).await.is_ok());
        let mut orders = client(&service).await;
        assert!(submit(&mut orders, request("a")).await.is_ok());
        // A place that is given back is there for the next.
        watching.pop();
        let again = async { while health.watch(of("")).await.is_err() {} };
        tokio::time::timeout(PATIENCE, again)
            .await
            .expect("a place is free");
    });
    service.drain();
}

#[test]
fn one_reflection_stream_too_many_is_told_so() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut reflection = ServerReflectionClient::new(channel(&service).await);
        let mut open = Vec::new();
        // A stream that asks for nothing, until the sender is dropped.
        let idle = || {
            let (sender, mut receiver) = tokio::sync::mpsc::channel::<ServerReflectionRequest>(1);
            let requests = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
            (sender, requests)
        };
        for _ in 0..REFLECTION_STREAMS_MAX {
            let (sender, requests) = idle();
            let replies = reflection.server_reflection_info(requests).await;
            open.push((sender, replies.unwrap().into_inner()));
        }
        let (_sender, requests) = idle();
        let status = reflection
            .server_reflection_info(requests)
            .await
            .unwrap_err();
        let (reason, _) = refused(&status, Code::ResourceExhausted, true);
        assert_eq!(reason, "TOO_MANY_STREAMS");
        retry_delay(&status);
        open.pop();
        let again = async { while reflection.server_reflection_info(idle().1).await.is_err() {} };
        tokio::time::timeout(PATIENCE, again)
            .await
            .expect("a place is free");
    });
    service.drain();
}
