//! A client over gRPC: streams orders in, follows their outcomes, and survives
//! a restart of the service.
//!
//! ```text
//! cargo run --release                                    # the service
//! cargo run --release --example grpc_client              # elsewhere
//! cargo run --release --example grpc_client http://10.0.0.7:50051 5000
//! ```
//!
//! What matters in it: orders without a response when a stream breaks are sent
//! again under the same ids, and a follower resumes after the last sequence it
//! has received, of the same ledger.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, process};

use order_processor::grpc::proto::order_service_client::OrderServiceClient;
use order_processor::grpc::proto::{FollowRequest, Order, SubmitResult, SubmitStreamRequest};
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Code, Status};

type Client = OrderServiceClient<Channel>;
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Between two attempts to reach a service that is not up.
const PAUSE: Duration = Duration::from_millis(200);

/// Submits orders until each has an outcome; returns how many were processed,
/// and the smallest sequence.
async fn submit(mut client: Client, mut orders: BTreeMap<String, Order>) -> Result<(usize, u64)> {
    let (mut processed, mut first) = (0, u64::MAX);
    while !orders.is_empty() {
        let requests: Vec<_> = orders
            .values()
            .map(|order| SubmitStreamRequest {
                order: Some(order.clone()),
                ..SubmitStreamRequest::default()
            })
            .collect();
        let mut responses = match client.submit_stream(tokio_stream::iter(requests)).await {
            Ok(responses) => responses.into_inner(),
            Err(status) => {
                passing(status).await?;
                continue;
            }
        };
        loop {
            let response = match responses.message().await {
                Ok(Some(response)) => response,
                Ok(None) => break,
                Err(status) => {
                    passing(status).await?;
                    break;
                }
            };
            match response.result() {
                SubmitResult::Processed => processed += 1,
                SubmitResult::Failed | SubmitResult::Duplicate => {}
                // In flight, or not taken now: the next stream submits it
                // again.
                SubmitResult::Queued => continue,
                SubmitResult::Rejected if response.retry_safe => continue,
                other => return Err(format!("{other:?}: {}", response.detail).into()),
            }
            if response.seq > 0 {
                first = first.min(response.seq);
                orders.remove(&response.id);
            }
        }
    }
    Ok((processed, first))
}

/// Follows the outcomes after a sequence until those of all orders of this run
/// have arrived.
async fn follow(mut client: Client, run: &str, mut after: u64, orders: usize) -> Result<()> {
    let (mut missing, mut ledger_id) = (orders, String::new());
    while missing > 0 {
        let request = FollowRequest {
            after,
            ledger_id: ledger_id.clone(),
            since: None,
        };
        let mut outcomes = match client.follow(request).await {
            Ok(response) => {
                let id = response.metadata().get("orders-ledger-id");
                ledger_id = id.ok_or("the ledger is named")?.to_str()?.to_owned();
                response.into_inner()
            }
            Err(status) => {
                passing(status).await?;
                continue;
            }
        };
        while missing > 0 {
            let record = match outcomes.message().await {
                Ok(Some(response)) => response.record.ok_or("an outcome has a record")?,
                Ok(None) => break,
                Err(status) => {
                    passing(status).await?;
                    break;
                }
            };
            after = record.seq;
            let order = record.order.clone().unwrap_or_default();
            if order.id.starts_with(run) {
                missing -= 1;
                println!(
                    "{} {:?} {} {}",
                    record.seq,
                    record.status(),
                    order.id,
                    order.value
                );
            }
        }
    }
    Ok(())
}

/// Waits a little if the service is away or busy; any other status ends the
/// program.
async fn passing(status: Status) -> Result<()> {
    // A broken connection is reported as Unknown.
    let passing = [Code::Unavailable, Code::ResourceExhausted, Code::Unknown];
    if !passing.contains(&status.code()) {
        return Err(status.into());
    }
    eprintln!("{}, trying again", status.message());
    sleep(PAUSE).await;
    Ok(())
}

async fn run() -> Result<()> {
    let mut args = env::args().skip(1);
    let address = args
        .next()
        .unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let orders = args.next().map_or(Ok(10), |text| text.parse::<usize>())?;
    // Ids that no earlier run has used.
    let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let run = format!("grpc-{}-{started}", process::id());

    let client = Client::new(Channel::from_shared(address)?.connect_lazy());
    let all = (0..orders).map(|number| {
        let order = Order {
            id: format!("{run}-{number}"),
            value: format!("{number}.50"),
            attributes_json: r#"{"side":"buy"}"#.to_owned(),
        };
        (order.id.clone(), order)
    });
    let (processed, first) = submit(client.clone(), all.collect()).await?;
    println!("{processed} of {orders} processed");
    if orders > 0 {
        follow(client, &run, first.saturating_sub(1), orders).await?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(run())
}
