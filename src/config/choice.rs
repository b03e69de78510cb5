//! The types of flags that offer a choice or take a list: which values there
//! are, and their names.

use std::time::Duration;

use clap::ValueEnum;

/// `--http-engine`: what serves the order port.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpEngine {
    /// The service's own HTTP/1.1 connection loop, hardened for open networks.
    Native,
    /// The may_minihttp crate, for trusted networks and as a baseline.
    #[value(name = "may_minihttp")]
    MayMinihttp,
}

/// `--ledger`: where outcomes are committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// The embedded journal in --data-dir.
    Journal,
    /// Memory only: nothing outlives the process.
    Memory,
    /// A stream of NATS JetStream, on these servers (`HOST:PORT`).
    Nats(Vec<String>),
}

impl Ledger {
    /// Whether an order that is acknowledged as queued is kept, or known to be
    /// lost, when the process ends. A stream holds outcomes only.
    pub(crate) fn keeps_queued(&self) -> bool {
        !matches!(self, Self::Nats(_))
    }
}

/// `--ack`: what a reply waits for.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The outcome is committed.
    Committed,
    /// The order is in the intake queue; a crash may lose it.
    Queued,
}

/// `--pin`: which threads are pinned to which cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Decided at start from the cores that the process may use.
    Auto,
    /// No thread is pinned, and none spins.
    Off,
    /// Workers take these cores in turn: at least one, none twice, each id
    /// below 1024.
    Cores(Vec<usize>),
}

/// `--processor`: what the workers do with an order.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// Processes an order whose value is above zero and at most --max-value,
    /// fails any other.
    Rules,
    /// Waits a random delay and fails a share of orders, as --simulate says.
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

/// `--overload-status`: the HTTP status of an order rejected because the queue
/// is full.
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
    /// The status code: 503 or 429.
    pub fn code(self) -> u16 {
        match self {
            Self::ServiceUnavailable => 503,
            Self::TooManyRequests => 429,
        }
    }
}

/// `--allowed-hosts`: host names that ports bound to loopback answer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(
    /// Names or addresses in lower case, IPv6 in brackets, without ports.
    pub Vec<String>,
);

/// `--allowed-origins`: sites whose pages may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigins(
    /// As browsers send them: `SCHEME://HOST[:PORT]` in lower case, without the
    /// scheme's own port.
    pub Vec<String>,
);

/// `--log-format`: the format of the log.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines of text.
    Text,
    /// One JSON object a line.
    Json,
}

/// `--access-log`: which requests and gRPC calls are logged.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// None.
    Off,
    /// Those that failed: a status of 400 and above, but 422, since an order that
    /// failed has its answer; a gRPC status other than OK.
    Errors,
    /// All, within a limit of lines.
    All,
}

/// `--log-level`: the least severe level that is logged.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed and needs attention.
    Error,
    /// Something is wrong, and the service continues.
    Warn,
    /// Start, recovery, drain, and stop.
    Info,
    /// Events of individual connections and requests.
    Debug,
    /// Everything, libraries included.
    Trace,
}
