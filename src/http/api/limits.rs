//! The limits that the configuration sets for routes and connections.

use std::time::Duration;

use crate::config::{AccessLog, Ack, Config};

/// The configured limits.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// What a reply to an order waits for.
    pub ack: Ack,
    /// Whether an order can be acknowledged as queued.
    pub keeps_queued: bool,
    /// How long it waits for that at most.
    pub ack_timeout: Duration,
    /// Of an order that is refused since the queue is full.
    pub overload_status: u16,
    /// Bytes of a single order's body.
    pub max_body: usize,
    /// Bytes of a batch's body.
    pub max_batch_body: u64,
    /// Orders taken of a batch.
    pub max_batch_orders: usize,
    /// Batches at a time.
    pub max_batches: usize,
    /// Bytes of all replies being sent, and of the results of batches.
    pub reply_bytes: usize,
    /// Connections on the order port.
    pub max_connections: usize,
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// From the end of a head to the last byte of its body.
    pub body_timeout: Duration,
    /// For the client to receive a reply.
    pub write_timeout: Duration,
    /// Between two requests.
    pub idle_timeout: Duration,
    /// Which requests are logged.
    pub access_log: AccessLog,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            ack: config.ack,
            keeps_queued: config.ledger.keeps_queued(),
            ack_timeout: config.ack_timeout,
            overload_status: config.overload_status.code(),
            max_body: config.max_body,
            max_batch_body: config.max_batch_body,
            max_batch_orders: config.max_batch_orders,
            max_batches: config.max_batches,
            reply_bytes: config.reply_bytes,
            max_connections: config.max_connections,
            head_timeout: config.head_timeout,
            body_timeout: config.body_timeout,
            write_timeout: config.write_timeout,
            idle_timeout: config.idle_timeout,
            access_log: config.access_log,
        }
    }
}
