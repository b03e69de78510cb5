//! Reads outcomes from the stream of `--ledger nats://…`, and goes on where it
//! was after any end, `kill -9` included.
//!
//! The consumer is durable: the server remembers what was acknowledged. A
//! message is acknowledged once it is handled, so one that was being handled
//! when this process ended comes again: handle it by its id or sequence, once.
//!
//! ```sh
//! cargo run --example nats_consumer -- nats://127.0.0.1:4222 billing
//! ```

use std::io::Write;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), async_nats::Error> {
    let mut args = std::env::args().skip(1);
    let server = args.next().unwrap_or("nats://127.0.0.1:4222".to_owned());
    let name = args.next().unwrap_or("example".to_owned());

    let client = async_nats::connect(server).await?;
    let stream = jetstream::new(client).get_stream("ORDERS").await?;
    let config = pull::Config {
        durable_name: Some(name.clone()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        // A message that is not acknowledged by then comes again.
        ack_wait: Duration::from_secs(5),
        ..pull::Config::default()
    };
    let consumer = stream.get_or_create_consumer(&name, config).await?;
    // So many are on their way to this process, or with it, at a time.
    let mut messages = consumer
        .stream()
        .max_messages_per_batch(10)
        .messages()
        .await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let info = message.info()?;
        let headers = message.headers.as_ref();
        let header = |name: &str| headers.and_then(|all| Some(all.get(name)?.as_str()));
        // Handle it here. A line on standard output is all that this one does.
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{} {} {} {}",
            info.stream_sequence,
            message.subject.trim_start_matches("orders."),
            header("Orders-Status").unwrap_or("?"),
            String::from_utf8_lossy(&message.payload),
        )?;
        out.flush()?;
        drop(out);
        message.ack().await?;
    }
    Ok(())
}
