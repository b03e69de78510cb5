//! `grpc.health.v1` and reflection.

use order_processor::internals::{CONNECTION_SHARE, HEALTH_WATCHES_MAX, REFLECTION_STREAMS_MAX};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::client::{
    channel, client, fed_stream, in_the_end, refused, request, run, simulate, submit,
    too_many_streams,
};
use crate::harness::{PATIENCE, Service, until};

const SERVICES: [&str; 2] = ["", "orders.v1.OrderService"];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[test]
fn health_follows_readiness() {
    let service = Service::with_grpc(&simulate("2s..2s"));
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

        // An order is in flight, so that the drain takes a moment.
        let waiting = tokio::spawn({
            let mut client = client(&service).await;
            async move { submit(&mut client, request("w")).await }
        });
        until("inside", || service.figures().orders().0 == 1);
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
        let request = |message| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        let requests = vec![
            request(MessageRequest::ListServices(String::new())),
            request(MessageRequest::FileContainingSymbol(
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
            panic!("no list");
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
            panic!("no file");
        };
        assert!(!files.file_descriptor_proto.is_empty());
    });
}

#[test]
fn one_watcher_too_many_is_refused() {
    let service = Service::with_grpc(&["--grpc-max-streams", "5000"]);
    run(async {
        let mut watching = Vec::new();
        for _ in 0..CONNECTION_SHARE {
            let mut health = HealthClient::new(channel(&service).await);
            for _ in 0..HEALTH_WATCHES_MAX / CONNECTION_SHARE {
                watching.push(health.watch(of("")).await.unwrap().into_inner());
            }
            // One connection has its share, and the others have theirs.
            too_many_streams(&health.watch(of("")).await.unwrap_err());
        }
        let mut health = HealthClient::new(channel(&service).await);
        too_many_streams(&health.watch(of("")).await.unwrap_err());
        // Checks and orders go on.
        assert!(health.check(of("")).await.is_ok());
        let mut orders = client(&service).await;
        assert!(submit(&mut orders, request("a")).await.is_ok());
        // A permit that is released is there for the next.
        watching.pop();
        in_the_end(async || health.watch(of("")).await.ok()).await;
    });
    service.drain();
}

#[test]
fn one_reflection_stream_too_many_is_refused() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut open = Vec::new();
        // Streams without a request, until the sender is dropped.
        for _ in 0..CONNECTION_SHARE {
            let mut reflection = ServerReflectionClient::new(channel(&service).await);
            for _ in 0..REFLECTION_STREAMS_MAX / CONNECTION_SHARE {
                let (sender, requests) = fed_stream::<ServerReflectionRequest>();
                let replies = reflection.server_reflection_info(requests).await;
                open.push((sender, replies.unwrap().into_inner()));
            }
        }
        let mut reflection = ServerReflectionClient::new(channel(&service).await);
        let (_sender, requests) = fed_stream();
        let status = reflection.server_reflection_info(requests).await;
        too_many_streams(&status.unwrap_err());
        open.pop();
        in_the_end(async || {
            let (_, requests) = fed_stream();
            reflection.server_reflection_info(requests).await.ok()
        })
        .await;
    });
    service.drain();
}
