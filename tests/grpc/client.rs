//! Clients, requests, and checks of what all errors have.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use order_processor::grpc::proto::order_service_client::OrderServiceClient;
use order_processor::grpc::proto::{
    Order, SubmitRequest, SubmitResponse, SubmitStreamRequest, SubmitStreamResponse,
};
use order_processor::internals::CONNECTION_SHARE;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::harness::{PATIENCE, Service};

pub(crate) type Client = OrderServiceClient<Channel>;

/// Runs a test's asynchronous part; nothing in it may take longer than
/// [`PATIENCE`] twice.
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

/// Tries again until the attempt succeeds, which takes less than [`PATIENCE`].
pub(crate) async fn in_the_end<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let attempts = async {
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, attempts)
        .await
        .expect("no attempt succeeds")
}

/// Flags for a processor that takes so long.
pub(crate) fn simulate(time: &'static str) -> [&'static str; 4] {
    ["--processor", "simulate", "--simulate", time]
}

/// The gRPC port, for a channel with settings of its own.
pub(crate) fn endpoint(service: &Service) -> Endpoint {
    let address = service.grpc.expect("started with gRPC");
    Channel::from_shared(format!("http://{address}")).expect("an address")
}

/// A channel of its own to the gRPC port.
pub(crate) async fn channel(service: &Service) -> Channel {
    endpoint(service).connect().await.expect("it listens")
}

/// A client on a connection of its own.
pub(crate) async fn client(service: &Service) -> Client {
    OrderServiceClient::new(channel(service).await)
}

/// Clients on as many connections as it takes to open all calls of a kind, of
/// which one connection may have a share.
pub(crate) async fn clients(service: &Service) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTION_SHARE {
        clients.push(client(service).await);
    }
    clients
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

/// A request of a stream for such an order.
pub(crate) fn one_of_many(id: &str) -> SubmitStreamRequest {
    SubmitStreamRequest {
        order: Some(order(id, "1")),
        ..SubmitStreamRequest::default()
    }
}

/// A stream of orders that the test feeds one by one.
pub(crate) async fn open_stream(
    client: &mut Client,
) -> Result<
    (
        mpsc::Sender<SubmitStreamRequest>,
        Streaming<SubmitStreamResponse>,
    ),
    Status,
> {
    let (sender, requests) = fed_stream();
    let responses = client.submit_stream(requests).await?;
    Ok((sender, responses.into_inner()))
}

/// A stream of what is sent to it.
pub(crate) fn fed_stream<T: Send + 'static>() -> (
    mpsc::Sender<T>,
    impl tokio_stream::Stream<Item = T> + Send + 'static,
) {
    let (sender, mut receiver) = mpsc::channel(1);
    let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (sender, stream)
}

/// Submits these orders over one stream, which must end with OK.
pub(crate) async fn submit_all(
    client: &mut Client,
    requests: impl IntoIterator<Item = SubmitStreamRequest>,
) -> Vec<SubmitStreamResponse> {
    let requests: Vec<_> = requests.into_iter().collect();
    let responses = client.submit_stream(tokio_stream::iter(requests)).await;
    let mut responses = responses.expect("a stream").into_inner();
    let mut all = Vec::new();
    while let Some(response) = responses.message().await.expect("all, then OK") {
        all.push(response);
    }
    all
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

/// An error's reason and metadata, after checking what all errors have.
#[track_caller]
pub(crate) fn refused(
    status: &Status,
    code: Code,
    retry_safe: bool,
) -> (String, HashMap<String, String>) {
    assert_eq!(status.code(), code, "{status:?}");
    assert!(!status.message().is_empty());
    let details = status.get_error_details();
    let info = details.error_info().expect("every error has it").clone();
    assert_eq!(info.domain, "orders.v1");
    assert_eq!(
        info.metadata["retry_safe"],
        retry_safe.to_string(),
        "{info:?}"
    );
    (info.reason, info.metadata)
}

/// Checks the error past a limit of open calls.
#[track_caller]
pub(crate) fn too_many_streams(status: &Status) {
    let (reason, _) = refused(status, Code::ResourceExhausted, true);
    assert_eq!(reason, "TOO_MANY_STREAMS");
    retry_delay(status);
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
