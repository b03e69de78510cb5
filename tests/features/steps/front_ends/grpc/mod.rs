//! The gRPC front end.

mod streams;

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::SystemTime;

use order_processor::grpc::proto::order_service_client::OrderServiceClient;
use order_processor::grpc::proto::{
    AckMode, GetOrderRequest, Order, OrderRecord, OrderStatus, SubmitRequest,
};
use prost_types::Timestamp;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::front_ends::{
    Answer, AnswerKind, Connection, FrontEnd, Gone, Record, Submission, WaitFor,
};
use crate::harness::PATIENCE;

pub(crate) use crate::front_ends::grpc::streams::{Follower, stream};

/// The gRPC port.
pub(crate) struct Grpc(pub SocketAddr);

/// A connection, which moves while somebody asks for something on it.
struct Link {
    runtime: Driver,
    client: OrderServiceClient<Channel>,
}

/// A runtime that may be dropped on a thread of another one, where a scenario ends.
struct Driver(Option<Runtime>);

impl Deref for Driver {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("there until dropped")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Link {
    fn to(address: SocketAddr) -> Result<Self, Gone> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Driver(Some(runtime.expect("descriptors are left")));
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.expect("an address makes a URI");
        let channel = runtime.block_on(endpoint.connect_timeout(PATIENCE).connect());
        Ok(Self {
            client: OrderServiceClient::new(channel.map_err(|_| Gone)?),
            runtime,
        })
    }
}

impl FrontEnd for Grpc {
    fn connect(&self) -> Result<Box<dyn Connection>, Gone> {
        Ok(Box::new(Link::to(self.0)?))
    }
}

impl Connection for Link {
    fn submit(&mut self, order: &Submission) -> Result<Answer, Gone> {
        let (ack_mode, wait) = match order.wait_for {
            WaitFor::Usual => (AckMode::Unspecified, None),
            WaitFor::None => (AckMode::Queued, None),
            WaitFor::Seconds(seconds) => (AckMode::Unspecified, Some(i64::from(seconds))),
        };
        let request = SubmitRequest {
            order: Some(message(order)),
            ack_mode: ack_mode.into(),
            wait: wait.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        };
        let call = async {
            tokio::time::timeout(PATIENCE, self.client.submit(request))
                .await
                .expect("an answer in time")
        };
        match self.runtime.block_on(call) {
            Err(status) => refusal(&status),
            Ok(response) => {
                let response = response.into_inner();
                Ok(Answer {
                    kind: kind_of(response.status()),
                    seq: (response.seq > 0).then_some(response.seq),
                    duplicate: response.duplicate,
                    detail: response.reason.clone(),
                    ..ok(format!("{response:?}"))
                })
            }
        }
    }

    fn find(&mut self, id: &str) -> Result<Answer, Gone> {
        let request = GetOrderRequest { id: id.to_owned() };
        let call = async {
            tokio::time::timeout(PATIENCE, self.client.get_order(request))
                .await
                .expect("an answer in time")
        };
        match self.runtime.block_on(call) {
            Err(status) => refusal(&status),
            Ok(response) => {
                let response = response.into_inner();
                let seen = format!("{response:?}");
                let kind = kind_of(response.status());
                Ok(match response.record {
                    None => Answer { kind, ..ok(seen) },
                    Some(record) => Answer {
                        kind,
                        seq: Some(record.seq),
                        detail: record.reason.clone(),
                        record: Some(kept(&record)),
                        ..ok(seen)
                    },
                })
            }
        }
    }
}

/// An order as a message: strings without the quotation marks that JSON gives them.
fn message(order: &Submission) -> Order {
    let plain = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    Order {
        id: plain(&order.id),
        value: plain(&order.value),
        attributes_json: order.members.clone(),
    }
}

fn kind_of(status: OrderStatus) -> AnswerKind {
    match status {
        OrderStatus::Processed => AnswerKind::Processed,
        OrderStatus::Failed => AnswerKind::Failed,
        OrderStatus::Queued => AnswerKind::Queued,
        OrderStatus::Unspecified => panic!("never sent"),
    }
}

/// An answer that is no refusal and says nothing yet.
fn ok(seen: String) -> Answer {
    Answer {
        kind: AnswerKind::Queued,
        code: "OK".to_owned(),
        seq: None,
        duplicate: false,
        detail: String::new(),
        field: None,
        retry_safe: None,
        retry_after: None,
        location: None,
        record: None,
        seen,
    }
}

/// What an error status says. It has to say it in full: code and details agree. One without our
/// details is the connection's end.
fn refusal(status: &Status) -> Result<Answer, Gone> {
    let details = status.get_error_details();
    let seen = format!("{status:?}\n{details:?}");
    let info = details.error_info().ok_or(Gone)?;
    assert_eq!(info.domain, "orders.v1", "{seen}");
    let kind = match (info.reason.as_str(), status.code()) {
        ("INVALID_ORDER", Code::InvalidArgument) => AnswerKind::Invalid,
        ("ID_CONFLICT", Code::AlreadyExists) => AnswerKind::Conflict,
        ("QUEUE_FULL", Code::ResourceExhausted) => AnswerKind::Full,
        ("DRAINING", Code::Unavailable) => AnswerKind::Draining,
        ("UNKNOWN_ORDER", Code::NotFound) => AnswerKind::Unknown,
        (_, Code::Unavailable) => AnswerKind::Unavailable,
        _ => panic!("not an answer to an order: {seen}"),
    };
    let violations = details.bad_request().map(|bad| &bad.field_violations);
    let field = violations.and_then(|all| all.first()).map(|first| {
        let name = first.field.strip_prefix("order.");
        name.expect("a field of the order").to_owned()
    });
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    Ok(Answer {
        kind,
        code: name(status.code()),
        detail: status.message().to_owned(),
        field,
        retry_safe: Some(info.metadata["retry_safe"] == "true"),
        retry_after: delay.map(|delay| delay.as_secs() as u32),
        ..ok(seen)
    })
}

/// A code by the name that the protocol's documents use: `NOT_FOUND`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// A record as the other front end shows it.
fn kept(record: &OrderRecord) -> Record {
    let Order {
        id,
        value,
        attributes_json,
    } = record.order.as_ref().expect("a record has its order");
    let others = attributes_json.strip_prefix('{').unwrap_or("}");
    let comma = if others == "}" { "" } else { "," };
    Record {
        order: format!(r#"{{"id":"{id}","value":{value}{comma}{others}"#),
        accepted: time(record.accept_time),
        committed: time(record.commit_time),
    }
}

fn time(at: Option<Timestamp>) -> SystemTime {
    let at = at.expect("a record has its times");
    SystemTime::try_from(at).expect("a time after 1970")
}
