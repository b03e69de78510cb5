//! What goes over streams: the outcomes that a client follows, and many orders at once.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;

use order_processor::grpc::proto::{
    FollowRequest, OrderRecord, OrderStatus, SubmitStreamRequest, SubmitStreamResponse,
};
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::StatusExt;

use crate::front_ends::grpc::{Link, message};
use crate::front_ends::{Gone, Submission};
use crate::harness::PATIENCE;

/// What a follower receives: a line of the feed as JSON, or how the stream ended.
type Received = Result<Value, String>;

/// A client that follows the outcomes.
pub(crate) struct Follower(Receiver<Received>);

impl Follower {
    /// Follows what comes after a sequence.
    pub(crate) fn start(address: SocketAddr, after: u64) -> Self {
        let (send, received) = mpsc::channel();
        thread::spawn(move || {
            let mut link = Link::to(address).unwrap_or_else(|Gone| panic!("nobody listens"));
            let request = FollowRequest {
                after,
                ..FollowRequest::default()
            };
            link.runtime.block_on(async {
                let ended = |status: &Status| {
                    let details = status.get_error_details();
                    let reason = details.error_info().map(|info| info.reason.clone());
                    Err(reason.unwrap_or_else(|| format!("{status:?}")))
                };
                let mut stream = match link.client.follow(request).await {
                    Ok(response) => response.into_inner(),
                    Err(status) => return drop(send.send(ended(&status))),
                };
                loop {
                    let next = match stream.message().await {
                        Ok(Some(response)) => Ok(line(&response.record.expect("a record"))),
                        Ok(None) => Err("OK".to_owned()),
                        Err(status) => ended(&status),
                    };
                    let last = next.is_err();
                    if send.send(next).is_err() || last {
                        return; // the scenario has ended, or the stream
                    }
                }
            });
        });
        Self(received)
    }

    /// The next outcome, or how the stream ended.
    pub(crate) fn next(&self) -> Received {
        self.0.recv_timeout(PATIENCE).expect("something in time")
    }
}

fn line(record: &OrderRecord) -> Value {
    let mut line = json!({
        "seq": record.seq,
        "id": record.order.as_ref().expect("a record has its order").id,
        "status": word(record.status()),
    });
    if !record.reason.is_empty() {
        line["detail"] = record.reason.clone().into();
    }
    line
}

fn word(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Processed => "processed",
        OrderStatus::Failed => "failed",
        OrderStatus::Queued => "queued",
        OrderStatus::Unspecified => "",
    }
}

/// Sends orders on one stream and closes it; a result for each, in the members of a batch.
pub(crate) fn stream(address: SocketAddr, orders: &[Submission]) -> Vec<Value> {
    let mut link = Link::to(address).unwrap_or_else(|Gone| panic!("nobody listens"));
    let requests: Vec<_> = orders
        .iter()
        .map(|order| SubmitStreamRequest {
            order: Some(message(order)),
            ..SubmitStreamRequest::default()
        })
        .collect();
    let call = async {
        let requests = tokio_stream::iter(requests);
        let responses = link.client.submit_stream(requests).await;
        let mut responses = responses.expect("a stream").into_inner();
        let mut results = Vec::new();
        while let Some(response) = responses.message().await.expect("the stream ends with OK") {
            results.push(result(&response));
        }
        results
    };
    let call = async { tokio::time::timeout(PATIENCE, call).await };
    link.runtime.block_on(call).expect("all results in time")
}

fn result(response: &SubmitStreamResponse) -> Value {
    let name = response.result().as_str_name();
    let status = name.strip_prefix("SUBMIT_RESULT_").expect("its prefix");
    let mut line = json!({"line": response.index, "status": status.to_lowercase()});
    let texts = [
        ("id", response.id.as_str()),
        ("outcome", word(response.outcome())),
        ("detail", &response.detail),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        line[name] = text.into();
    }
    if response.seq > 0 {
        line["seq"] = response.seq.into();
    }
    line
}
