//! The types of settings that are a choice between a few: what is offered, and under which name.

use std::time::Duration;

use clap::ValueEnum;

/// `--http-engine`: what serves the order port.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpEngine {
    /// The project's own HTTP/1.1 loop, hardened for open networks.
    Native,
    /// The may_minihttp crate, for trusted networks and as a baseline.
    #[value(name = "may_minihttp")]
    MayMinihttp,
}

/// `--ledger`: where outcomes are committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// The embedded journal in `--data-dir`.
    Journal,
    /// Memory only: nothing outlives the process.
    Memory,
    /// A JetStream stream, reached through any of these `HOST:PORT`, resolved when connecting.
    Nats(Vec<String>),
}

/// `--ack`: what a reply waits for.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The outcome is committed.
    Committed,
    /// The order has a place in the intake queue; it may be lost in a crash.
    Queued,
}

/// `--pin`: which threads are tied to which cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Decided at start from the cores the process may use.
    Auto,
    /// No thread is pinned, and none spins.
    Off,
    /// Workers take these cores in turn: at least one, none twice, each below
    /// [`CORE_ID_END`](crate::config::value::CORE_ID_END).
    Cores(Vec<usize>),
}

/// `--processor`: what the workers do with an order.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// Value above zero and at most --max-value.
    Rules,
    /// A random delay and a failure ratio, as --simulate says.
    Simulate,
}

/// `--simulate`: how the `simulate` processor behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Simulate {
    /// Shortest delay of an order.
    pub delay_min: Duration,
    /// Longest delay of an order, not below `delay_min`.
    pub delay_max: Duration,
    /// Share of orders that fail, 0.0 to 1.0.
    pub fail_ratio: f64,
}

/// `--overload-status`: the HTTP status of an order that finds the queue full.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverloadStatus {
    /// 503 Service Unavailable.
    #[value(name = "503")]
    ServiceUnavailable,
    /// 429 Too Many Requests.
    #[value(name = "429")]
    TooManyRequests,
}

impl OverloadStatus {
    /// The status code as it goes on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::ServiceUnavailable => 503,
            Self::TooManyRequests => 429,
        }
    }
}

/// `--log-format`: the form of the log.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// `--log-level`: the least severe level that is logged.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed and needs a person.
    Error,
    /// Something is off, the service goes on.
    Warn,
    /// The life of the process.
    Info,
    /// What individual requests run into.
    Debug,
    /// Everything.
    Trace,
}
