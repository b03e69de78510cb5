//! What the tests ask with.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use order_processor::grpc::proto::order_service_client::OrderServiceClient;
use order_processor::grpc::proto::{Order, SubmitRequest, SubmitResponse, SubmitStreamRequest};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{PATIENCE, Service};

pub(crate) type Client = OrderServiceClient<Channel>;

/// Runs a test's asynchronous part; nothing in it may take longer than [`PATIENCE`] twice.
#[track_caller]
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a thread");
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE * 2, test).await })
        .expect("it takes too long")
}

/// A channel of its own to the gRPC port.
pub(crate) async fn channel(service: &Service) -> Channel {
    let address = service.grpc.expect("started with gRPC");
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
    endpoint.connect().await.expect("it listens")
}

/// A client on a connection of its own.
pub(crate) async fn client(service: &Service) -> Client {
    OrderServiceClient::new(channel(service).await)
}

/// An order without other members.
pub(crate) fn order(id: &str, value: &str) -> Order {
    Order {
        id: id.into(),
        value: value.into(),
        attributes_json: String::new(),
    }
}

/// A request for an order that is processed by the rules.
pub(crate) fn request(id: &str) -> SubmitRequest {
    SubmitRequest {
        order: Some(order(id, "1")),
        ..SubmitRequest::default()
    }
}

/// The same for a stream.
pub(crate) fn one_of_many(id: &str) -> SubmitStreamRequest {
    SubmitStreamRequest {
        order: Some(order(id, "1")),
        ..SubmitStreamRequest::default()
    }
}

/// Submits an order.
pub(crate) async fn submit(
    client: &mut Client,
    request: SubmitRequest,
) -> Result<SubmitResponse, Status> {
    client
        .submit(request)
        .await
        .map(tonic::Response::into_inner)
}

/// A refusal's reason and metadata, after checking what all of them have.
#[track_caller]
pub(crate) fn refused(
    status: &Status,
    code: Code,
    retry_safe: bool,
) -> (String, HashMap<String, String>) {
    assert_eq!(status.code(), code, "{status:?}");
    assert!(!status.message().is_empty());
    let details = status.get_error_details();
    let info = details.error_info().expect("every refusal has it").clone();
    assert_eq!(info.domain, "orders.v1");
    assert_eq!(
        info.metadata["retry_safe"],
        retry_safe.to_string(),
        "{info:?}"
    );
    (info.reason, info.metadata)
}

/// When to try again.
#[track_caller]
pub(crate) fn retry_delay(status: &Status) -> Duration {
    let details = status.get_error_details();
    let info = details.retry_info().expect("RetryInfo");
    let delay = info.retry_delay.expect("a delay");
    assert!((1..=60).contains(&delay.as_secs()), "{delay:?}");
    delay
}

/// The field at fault.
#[track_caller]
pub(crate) fn field(status: &Status) -> String {
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("BadRequest").field_violations;
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(!violations[0].description.is_empty());
    violations[0].field.clone()
}
