//! The levels that a scrape reads elsewhere.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::metrics::process::ProcessMetrics;

/// The kind of the ledger that other processes commit to as well.
pub(super) const SHARED_LEDGER: &str = "nats";

/// The levels that live elsewhere, read by the caller just before a scrape.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Orders in the intake queue.
    pub queue_depth: u64,
    /// Slots of the intake queue.
    pub queue_capacity: u64,
    /// Bytes taken from the queue's memory budget, from admission to reply.
    pub queue_bytes: u64,
    /// Orders of batches and streams between admission and answer.
    pub bulk_orders: u64,
    /// Outcomes in the commit queue.
    pub commit_queue_depth: u64,
    /// The age of the oldest id in the dedupe window; `None` while it is empty.
    pub dedupe_window_age: Option<Duration>,
    /// Whether new orders are taken, as `/readyz` says.
    pub ready: bool,
    /// Whether there is a drain whose ledger has not failed.
    pub draining: bool,
    /// The kind of ledger, for `/stats`: a word that needs no escaping.
    pub ledger: &'static str,
    /// Which ledger it is, in hexadecimal digits; `None` until it is open.
    pub ledger_id: Option<String>,
    /// The last sequence that can be read, for `/stats`; `None` until the
    /// ledger is open.
    pub last_seq: Option<u64>,
    /// The oldest sequence that can be read, likewise.
    pub oldest_seq: Option<u64>,
    /// What the ledger has on disk, if it is there.
    pub disk: Option<DiskGauges>,
    /// The servers and the stream, if the ledger is there.
    pub nats: Option<NatsGauges>,
    /// When the TLS certificate expires; `None` without TLS.
    pub tls_not_after: Option<SystemTime>,
    /// What each client has done, where there are any.
    pub clients: Vec<ClientGauges>,
    /// Where client addresses have quotas.
    pub addresses: Option<AddressGauges>,
    /// The process as its system sees it; `None` leaves the `process_*`
    /// families out.
    pub process: Option<ProcessMetrics>,
}

/// A ledger on disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskGauges {
    /// Segments with outcomes.
    pub segments: u64,
    /// Bytes that its file system has left, if it says so.
    pub free_bytes: Option<u64>,
}

/// A ledger on NATS, as this instance sees it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NatsGauges {
    /// Whether there is a connection to a server.
    pub connected: bool,
    /// The name of the server, now or last.
    pub server: String,
    /// Its version.
    pub version: String,
    /// The cluster that it belongs to, if it says so.
    pub cluster: Option<String>,
    /// The stream's name.
    pub stream: String,
    /// Copies of the stream that there should be.
    pub replicas: u64,
    /// Copies that were up to date when the leader was asked last, its own
    /// included.
    pub replicas_current: u64,
    /// The server that leads the stream; `None` if none does, or it isn't
    /// replicated.
    pub leader: Option<String>,
    /// What tells this process from others that write to the stream.
    pub instance: String,
}

/// The table of client addresses with a quota.
#[derive(Debug, Clone, Copy, Default)]
pub struct AddressGauges {
    /// Addresses in it.
    pub held: u64,
    /// Times that an address shared the quota of another, since there were too
    /// many.
    pub shared: u64,
}

/// What a client has done: the bearer of a token, or all that share a name.
#[derive(Debug, Clone, Default)]
pub struct ClientGauges {
    /// The name: `A-Z a-z 0-9 - _ .` only.
    pub name: String,
    /// Requests, and orders of batches and streams, that were let through.
    pub requests: u64,
    /// The same, refused since the rate was used up.
    pub over_rate: u64,
    /// Requests refused since too many had no reply.
    pub over_in_flight: u64,
    /// Requests without a reply, where their number has a limit.
    pub in_flight: u64,
}

impl ClientGauges {
    /// Nothing so far.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}
