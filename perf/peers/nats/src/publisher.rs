//! Keeps messages in flight.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::header::HeaderMap;
use async_nats::{Client, ConnectOptions, Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use crate::BoxError;
use crate::options::Options;

/// How long there may be no acknowledgement at all.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// As the service has: messages on their way to the socket.
const COMMANDS_MAX: usize = 8192;

pub struct Publisher {
    client: Client,
    acks: Subscriber,
    inbox: String,
    /// What the ids of this run begin with.
    prefix: String,
    batch: usize,
    messages: u64,
    batches: u64,
    /// When what each slot of the window holds was sent: a message or a batch.
    sent: Vec<Instant>,
    /// How long each acknowledgement took.
    pub micros: Vec<u32>,
}

#[derive(Deserialize)]
struct PubAck {
    #[serde(default)]
    seq: u64,
    error: Option<serde_json::Value>,
}

impl Publisher {
    pub async fn connect(options: &Options) -> Result<Self, BoxError> {
        let connect = ConnectOptions::new()
            .client_capacity(COMMANDS_MAX)
            .skip_subject_validation(true);
        let client = connect.connect(&options.servers[..]).await?;
        let inbox = format!("{}.", client.new_inbox());
        let acks = client.subscribe(format!("{inbox}*")).await?;
        Ok(Self {
            client,
            acks,
            inbox,
            prefix: prefix(),
            batch: options.batch,
            messages: 0,
            batches: 0,
            sent: vec![Instant::now(); options.window / options.batch],
            micros: Vec::new(),
        })
    }

    /// Fills the window.
    pub async fn fill(&mut self) -> Result<(), BoxError> {
        for slot in 0..self.sent.len() {
            self.send(slot).await?;
        }
        Ok(())
    }

    /// Sends another one for each acknowledgement.
    pub async fn publish_until(&mut self, end: Instant) -> Result<(), BoxError> {
        while Instant::now() < end {
            let next = timeout(SILENCE_MAX, self.acks.next());
            let Ok(next) = timeout_at(end, next).await else {
                break;
            };
            let message = next.map_err(|_| "nothing is acknowledged")?;
            let message = message.ok_or("the connection has ended")?;
            let slot = self.slot_of(&message)?;
            let micros = self.sent[slot].elapsed().as_micros();
            self.micros.push(micros.try_into().unwrap_or(u32::MAX));
            self.send(slot).await?;
        }
        Ok(())
    }

    fn slot_of(&self, message: &Message) -> Result<usize, BoxError> {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err("no stream takes the messages".into());
        }
        let ack: PubAck = serde_json::from_slice(&message.payload)?;
        if ack.seq == 0 || ack.error.is_some() {
            return Err(format!("not stored: {:?}", message.payload).into());
        }
        let slot = message.subject.strip_prefix(&*self.inbox);
        Ok(slot.ok_or("not our inbox")?.parse()?)
    }

    async fn send(&mut self, slot: usize) -> Result<(), BoxError> {
        self.sent[slot] = Instant::now();
        self.batches += 1;
        for at in 1..=self.batch {
            self.messages += 1;
            let id = format!("{}{:010x}", self.prefix, self.messages);
            let payload = format!(r#"{{"id":"{id}","value":100.50}}"#).into();
            let (subject, mut headers) = (format!("orders.{id}"), self.headers());
            if self.batch > 1 {
                headers.insert("Nats-Batch-Id", format!("{}{}", self.prefix, self.batches));
                headers.insert("Nats-Batch-Sequence", at.to_string());
            }
            if at < self.batch {
                let client = &self.client;
                client
                    .publish_with_headers(subject, headers, payload)
                    .await?;
                continue;
            }
            if self.batch > 1 {
                headers.insert("Nats-Batch-Commit", "1");
            }
            let reply = format!("{}{slot}", self.inbox);
            let client = &self.client;
            client
                .publish_with_reply_and_headers(subject, reply, headers, payload)
                .await?;
        }
        Ok(())
    }

    /// As the service's; `Orders-Submission` is made up, and as long.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", "ORDERS");
        headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
        headers.insert("Orders-Status", "processed");
        headers.insert("Orders-Accepted-At", unix_nanos().to_string());
        let submission = format!("{}-{}", &self.prefix[..16], self.messages);
        headers.insert("Orders-Submission", submission);
        headers
    }
}

/// Seconds and 64 random bits, as in orders.lua.
fn prefix() -> String {
    let seconds = unix_nanos() / 1_000_000_000;
    // Its keys are random.
    let random = RandomState::new().hash_one(seconds);
    format!("{seconds:08x}-{random:016x}-0-")
}

fn unix_nanos() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos())
}
