//! The command line and the environment, parsed and checked whole before anything binds.
//!
//! [`Config`] is what the rest of the program sees: typed values, each inside its limits, and the
//! limits consistent with one another. A field is a flag: its doc comment is the text of `--help`,
//! its type and parser say what is accepted. A flag wins over its variable `ORDERS_<NAME>`, the
//! variable over the default. Unknown `ORDERS_` variables are left alone, since Kubernetes sets
//! some of its own (`ORDERS_SERVICE_HOST`) next to a service named `orders`.
//!
//! Relies on [`quantity`] and [`value`] for single values, on `relations` for what must hold
//! between them, and on `not_yet` for the flags this version still refuses.

mod choice;
mod command;
mod not_yet;
mod parse;
pub mod quantity;
mod relations;
mod usage;
pub mod value;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rust_decimal::Decimal;

use crate::config::quantity::{GIB, HOUR, MIB, MILLISECOND, TIB};

pub use self::choice::{
    Ack, HttpEngine, Ledger, LogFormat, LogLevel, OverloadStatus, Pin, Processor, Simulate,
};
pub use self::command::{Cat, Command};
pub use self::usage::UsageError;

/// What `--max-body` may be, in bytes.
const MAX_BODY: RangeInclusive<u64> = 64..=16 * MIB;

/// Everything an operator can set. Build it with [`Config::try_parse`] or [`Config::parse_from`];
/// [`Config::default`] holds the defaults.
// `std::option::Option` in full where `off`, `auto` or the like is a value of its own: clap's
// derive reads a plain `Option` as "the flag may be absent" and would parse the inner type.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Config {
    /// Address of the order port, IP:PORT or localhost:PORT; port 0 picks one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = value::address)]
    pub listen: SocketAddr,

    /// Address of the admin port, or off; port 0 picks one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090", value_parser = value::address_or_off)]
    pub admin_listen: std::option::Option<SocketAddr>,

    /// Address of the gRPC port, or off; port 0 picks one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = value::address_or_off)]
    pub grpc_listen: std::option::Option<SocketAddr>,

    /// What serves the order port; may_minihttp is for trusted networks only
    #[arg(long, value_name = "ENGINE", default_value = "native")]
    pub http_engine: HttpEngine,

    /// Directory of the journal
    #[arg(long, value_name = "DIR", default_value = "./data", value_parser = value::path)]
    pub data_dir: PathBuf,

    /// Where outcomes are committed: journal, memory or nats://HOST:PORT[,HOST:PORT...]; memory
    /// keeps nothing across a restart
    #[arg(long, value_name = "LEDGER", default_value = "journal", value_parser = value::ledger)]
    pub ledger: Ledger,

    /// What a reply waits for: the commit, or a place in the queue (not with NATS)
    #[arg(long, value_name = "WHEN", default_value = "committed")]
    pub ack: Ack,

    /// How long a submitter waits for the commit before it is told queued (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub ack_timeout: Duration,

    /// Orders the intake queue holds
    #[arg(long, value_name = "ORDERS", default_value = "65536", value_parser = quantity::count(1..=16_777_216, "orders"))]
    pub queue_capacity: usize,

    /// Bytes of all orders between admission and reply; at least --max-body
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = quantity::memory(64..=TIB))]
    pub queue_bytes: usize,

    /// Worker threads (1 to 1024), or auto: from the cores it may use
    #[arg(long, value_name = "THREADS", default_value = "auto", value_parser = quantity::count_or_auto(1..=1024, "threads"))]
    pub workers: std::option::Option<usize>,

    /// I/O threads that run the connections (1 to 256), or auto: from the cores it may use
    #[arg(long, value_name = "THREADS", default_value = "auto", value_parser = quantity::count_or_auto(1..=256, "threads"))]
    pub io_threads: std::option::Option<usize>,

    /// Pinning of threads to cores: auto, off, or a list of cores for the workers (0,2-5)
    #[arg(long, value_name = "CORES", default_value = "auto", value_parser = value::pin)]
    pub pin: Pin,

    /// What the workers do with an order
    #[arg(long, value_name = "NAME", default_value = "rules")]
    pub processor: Processor,

    /// Delay and failure ratio (0 to 1) of --processor simulate: MIN..MAX[,fail=RATIO]
    #[arg(long, value_name = "SPEC", default_value = "100ms..600ms,fail=0.1", value_parser = value::simulate)]
    pub simulate: Simulate,

    /// Largest value that --processor rules lets pass, a decimal above zero [default: none]
    #[arg(long, value_name = "DECIMAL", value_parser = value::positive_decimal)]
    pub max_value: Option<Decimal>,

    /// Orders whose outcome is remembered to answer a retry; at most 48 bytes of memory each
    #[arg(long, value_name = "ORDERS", default_value = "4000000", value_parser = quantity::count(1..=1_000_000_000, "orders"))]
    pub dedupe_window: usize,

    /// How long a drain may take (1ms to 1h) before the process stops with exit code 3
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub drain_timeout: Duration,

    /// Bytes of one order's body (64 bytes to 16MiB)
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = quantity::memory(MAX_BODY))]
    pub max_body: usize,

    /// Bytes of one batch's body; at least --max-body
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = quantity::bytes(64..=64 * GIB))]
    pub max_batch_body: u64,

    /// Orders in one batch; lines past it are rejected
    #[arg(long, value_name = "ORDERS", default_value = "100000", value_parser = quantity::count(1..=10_000_000, "orders"))]
    pub max_batch_orders: usize,

    /// Batches read at once; one more gets 503
    #[arg(long, value_name = "BATCHES", default_value = "16", value_parser = quantity::count(1..=1024, "batches"))]
    pub max_batches: usize,

    /// Bytes of all bodies being read, beside the buffers that connections have; at least --max-body.
    /// HTTP and gRPC leave a quarter to each other, as far as one body fits
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = quantity::memory(64..=TIB))]
    pub body_bytes: usize,

    /// Connections open at once on the order port; clamped to the descriptor limit at start
    #[arg(long, value_name = "CONNECTIONS", default_value = "10000", value_parser = quantity::count(1..=1_000_000, "connections"))]
    pub max_connections: usize,

    /// Time a request's head may take to arrive (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub head_timeout: Duration,

    /// Time a request's body may take to arrive; a batch's is renewed by each --max-body bytes, up
    /// to 20 times this for all of it (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub body_timeout: Duration,

    /// Time a reply may take to be written (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub write_timeout: Duration,

    /// Time a connection may stay open between two requests (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub idle_timeout: Duration,

    /// Connections open at once on the gRPC port; one more is turned away with GOAWAY. Clamped to a
    /// quarter of the descriptor limit at start
    #[arg(long, value_name = "CONNECTIONS", default_value = "1000", value_parser = quantity::count(1..=1_000_000, "connections"))]
    pub grpc_max_connections: usize,

    /// Calls open at once on one gRPC connection; the client holds one more back
    #[arg(long, value_name = "CALLS", default_value = "256", value_parser = quantity::count(1..=65_536, "calls"))]
    pub grpc_max_streams: usize,

    /// Time between two pings that ask whether a gRPC client is still there (1s to 1h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(MILLISECOND * 1000..=HOUR))]
    pub grpc_keepalive_interval: Duration,

    /// Time the answer to such a ping may take (1ms to 1h) before the connection is closed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub grpc_keepalive_timeout: Duration,

    /// HTTP status of an order refused because the queue is full
    #[arg(long, value_name = "STATUS", default_value = "503")]
    pub overload_status: OverloadStatus,

    /// File of accepted bearer tokens, one a line, read again on SIGHUP [default: none]
    #[arg(long, value_name = "FILE", value_parser = value::path)]
    pub token_file: Option<PathBuf>,

    /// Bytes of journal kept, oldest whole segments go first; none keeps all [default: none]
    #[arg(long, value_name = "BYTES", value_parser = quantity::bytes(MIB..=1024 * TIB))]
    pub retain_bytes: Option<u64>,

    /// Name of the JetStream stream
    #[arg(long, value_name = "NAME", default_value = "ORDERS", value_parser = value::stream_name)]
    pub nats_stream: String,

    /// Replicas of the JetStream stream (1 to 5)
    #[arg(long, value_name = "REPLICAS", default_value = "1", value_parser = quantity::count(1..=5, "replicas"))]
    pub nats_replicas: usize,

    /// Time within which the JetStream stream recognises an id again (100ms to 24h)
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = quantity::time(MILLISECOND * 100..=HOUR * 24))]
    pub nats_dedupe_window: Duration,

    /// Form of the log on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Least severe level that is logged
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}
