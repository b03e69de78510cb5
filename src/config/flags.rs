//! Every flag of the service: its name, default, limits, and the text of
//! `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use rust_decimal::Decimal;

use crate::config::choice::{
    AccessLog, Ack, AllowedHosts, AllowedOrigins, HttpEngine, Ledger, LogFormat, LogLevel,
    OverloadStatus, Pin, Processor, Simulate,
};
use crate::config::nats::Nats;
use crate::config::peers::Peers;
use crate::config::quantity::{GIB, HOUR, MIB, MILLISECOND, SECOND, TIB};
use crate::config::tls::Tls;
use crate::config::{quantity, value};

/// The largest `--max-body`, in bytes. The server asserts that the journal can
/// hold such an order.
pub(crate) const MAX_BODY_MAX: u64 = 16 * MIB;

/// Everything an operator can set. Build it with [`Config::try_parse`] or
/// [`Config::parse_from`]; [`Config::default`] holds the defaults.
// `std::option::Option` in full where `off`, `auto` or the like is a value of
// its own: clap's derive reads a plain `Option` as "the flag may be absent" and
// would parse the inner type.
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

    /// HTTP engine of the order port; may_minihttp is for trusted networks only
    #[arg(long, value_name = "ENGINE", default_value = "native")]
    pub http_engine: HttpEngine,

    /// Directory of the journal
    #[arg(long, value_name = "DIR", default_value = "./data", value_parser = value::path)]
    pub data_dir: PathBuf,

    /// Where outcomes are committed: journal, memory (which keeps nothing
    /// across a restart) or nats://HOST:PORT[,HOST:PORT…], a JetStream
    #[arg(long, value_name = "LEDGER", default_value = "journal", value_parser = value::ledger)]
    pub ledger: Ledger,

    /// What a reply waits for: the commit, or a slot in the intake queue
    #[arg(long, value_name = "WHEN", default_value = "committed")]
    pub ack: Ack,

    /// How long a reply waits for the commit before it says queued (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub ack_timeout: Duration,

    /// Orders the intake queue holds (1 to 16777216)
    #[arg(long, value_name = "ORDERS", default_value = "65536", value_parser = quantity::count(1..=16_777_216, "orders"))]
    pub queue_capacity: usize,

    /// Bytes of all orders from admission to reply (up to 1TiB); at least
    /// --max-body
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = quantity::memory(64..=TIB))]
    pub queue_bytes: usize,

    /// Worker threads (1 to 1024), or auto: derived from the usable cores
    #[arg(long, value_name = "THREADS", default_value = "auto", value_parser = quantity::count_or_auto(1..=1024, "threads"))]
    pub workers: std::option::Option<usize>,

    /// I/O threads that run the connections (1 to 256), or auto: derived from
    /// the usable cores
    #[arg(long, value_name = "THREADS", default_value = "auto", value_parser = quantity::count_or_auto(1..=256, "threads"))]
    pub io_threads: std::option::Option<usize>,

    /// Pinning of threads to cores: auto, off, or a list of cores for the
    /// workers (0,2-5)
    #[arg(long, value_name = "CORES", default_value = "auto", value_parser = value::pin)]
    pub pin: Pin,

    /// What the workers do with an order
    #[arg(long, value_name = "NAME", default_value = "rules")]
    pub processor: Processor,

    /// Delay (up to 1h) and failure ratio (0 to 1) of --processor simulate:
    /// MIN..MAX[,fail=RATIO]
    #[arg(long, value_name = "SPEC", default_value = "100ms..600ms,fail=0.1", value_parser = value::simulate)]
    pub simulate: Simulate,

    /// Largest value that --processor rules accepts, a decimal above zero
    /// [default: none]
    #[arg(long, value_name = "DECIMAL", value_parser = value::positive_decimal)]
    pub max_value: Option<Decimal>,

    /// Outcomes remembered to answer a retry (1 to 1000000000), at most 48 bytes
    /// of memory each
    #[arg(long, value_name = "ORDERS", default_value = "4000000", value_parser = quantity::count(1..=1_000_000_000, "orders"))]
    pub dedupe_window: usize,

    /// How long a drain may take (1ms to 1h) before the process stops with exit
    /// code 3
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub drain_timeout: Duration,

    /// Bytes of one order's body (64 bytes to 16MiB)
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = quantity::memory(64..=MAX_BODY_MAX))]
    pub max_body: usize,

    /// Bytes of one batch's body (up to 64GiB); at least --max-body
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = quantity::bytes(64..=64 * GIB))]
    pub max_batch_body: u64,

    /// Orders in one batch (1 to 10000000); lines past it are rejected
    #[arg(long, value_name = "ORDERS", default_value = "100000", value_parser = quantity::count(1..=10_000_000, "orders"))]
    pub max_batch_orders: usize,

    /// Batches read at once (1 to 1024); one more gets 503
    #[arg(long, value_name = "BATCHES", default_value = "16", value_parser = quantity::count(1..=1024, "batches"))]
    pub max_batches: usize,

    /// Bytes of all bodies being read (up to 1TiB), not counting the buffers of
    /// connections; at least --max-body. HTTP and gRPC each leave the other a
    /// quarter, as far as one body fits
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = quantity::memory(64..=TIB))]
    pub body_bytes: usize,

    /// Bytes of all HTTP replies that are being sent (64KiB to 1TiB), and of the
    /// results of batches; not counting 4KiB of each reply, and pages of the
    /// feed. Past them a reply is refused with 503
    #[arg(long, value_name = "BYTES", default_value = "128MiB", value_parser = quantity::memory(64 << 10..=TIB))]
    pub reply_bytes: usize,

    /// Open connections on the order port (1 to 1000000); clamped at start to
    /// the descriptor limit
    #[arg(long, value_name = "CONNECTIONS", default_value = "10000", value_parser = quantity::count(1..=1_000_000, "connections"))]
    pub max_connections: usize,

    /// Time a request's head may take to arrive (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub head_timeout: Duration,

    /// Time a request's body may take to arrive (1ms to 1h); a batch's is
    /// renewed by each --max-body bytes, up to 20 times this for all of it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub body_timeout: Duration,

    /// Time a reply may take to be written (1ms to 1h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub write_timeout: Duration,

    /// Time a connection may idle between two requests (1ms to 1h); longer
    /// than the 60s of common load balancers, so that they close first
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub idle_timeout: Duration,

    /// The flags of TLS.
    #[command(flatten)]
    pub tls: Tls,

    /// Further names that a loopback HTTP port answers to: NAME[,NAME...]; no
    /// ports. It knows localhost, 127.0.0.0/8 and [::1]. A port bound to another
    /// address answers to any name [default: none]
    #[allow(rustdoc::broken_intra_doc_links)] // the text of --help
    #[arg(long, value_name = "NAMES", value_parser = value::allowed_hosts)]
    pub allowed_hosts: Option<AllowedHosts>,

    /// Origins whose pages may send requests: ORIGIN[,ORIGIN...]; as in
    /// https://shop.example. They may read replies, too [default: none]
    #[allow(rustdoc::bare_urls)] // the text of --help
    #[arg(long, value_name = "ORIGINS", value_parser = value::allowed_origins)]
    pub allowed_origins: Option<AllowedOrigins>,

    /// File of bearer tokens, one a line; TOKEN, NAME:TOKEN or NAME:sha256:HEX.
    /// Who has none of them may neither submit nor read. Read again on SIGHUP
    /// [default: none]
    #[arg(long, value_name = "FILE", value_parser = value::path)]
    pub token_file: Option<PathBuf>,

    /// Token for /metrics and the admin port's /stats; on or off, and without a
    /// value on
    #[arg(long, value_name = "WHETHER", default_value = "off", default_missing_value = "on", num_args = 0..=1, action = ArgAction::Set, value_parser = value::switch)]
    pub protect_metrics: bool,

    /// The flags of proxies in front and of client addresses.
    #[command(flatten)]
    pub peers: Peers,

    /// Open connections on the gRPC port (1 to 1000000); one more is refused
    /// with GOAWAY. Clamped at start to a quarter of the descriptor limit
    #[arg(long, value_name = "CONNECTIONS", default_value = "1000", value_parser = quantity::count(1..=1_000_000, "connections"))]
    pub grpc_max_connections: usize,

    /// Open calls on one gRPC connection (1 to 65536); the client holds one
    /// more back
    #[arg(long, value_name = "CALLS", default_value = "256", value_parser = quantity::count(1..=65_536, "calls"))]
    pub grpc_max_streams: usize,

    /// Time between two keepalive pings to a gRPC client (1s to 1h)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::time(SECOND..=HOUR))]
    pub grpc_keepalive_interval: Duration,

    /// Time a gRPC client has to answer a ping (1ms to 1h) before its
    /// connection is closed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::time(MILLISECOND..=HOUR))]
    pub grpc_keepalive_timeout: Duration,

    /// How late a commit may be that no client waits for (0ms to 100ms). Orders
    /// acknowledged as queued come together for as long, and a crash loses them
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = quantity::time(Duration::ZERO..=MILLISECOND * 100))]
    pub commit_delay: Duration,

    /// HTTP status of orders while the queue is full
    #[arg(long, value_name = "STATUS", default_value = "503")]
    pub overload_status: OverloadStatus,

    /// Bytes of journal to keep (1MiB to 1024TiB); the oldest segments are
    /// removed whole, none inside the dedupe window; unset keeps all [default:
    /// none]
    #[arg(long, value_name = "BYTES", value_parser = quantity::bytes(MIB..=1024 * TIB))]
    pub retain_bytes: Option<u64>,

    /// How long outcomes are kept (1s to 100years); a segment is removed when all
    /// in it are older, none inside the dedupe window; unset keeps all [default:
    /// none]
    #[arg(long, value_name = "TIME", value_parser = quantity::time(SECOND..=HOUR * 876_600))]
    pub retain_age: Option<Duration>,

    /// Id of the only ledger that is opened; see the log of a start [default: none]
    #[arg(long, value_name = "ID", value_parser = value::ledger_id)]
    pub expect_ledger: Option<u128>,

    /// Refuse unknown variables ORDERS_… instead of warning
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    pub strict_env: bool,

    /// What is probably not meant, for the log.
    #[arg(skip)]
    pub warnings: Vec<String>,

    /// The flags of the NATS ledger.
    #[command(flatten)]
    pub nats: Nats,

    /// Format of the log on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Requests and gRPC calls that are logged; at most 100 a second of each, a
    /// line of which says how many were left out
    #[arg(long, value_name = "WHICH", default_value = "off")]
    pub access_log: AccessLog,

    /// Least severe level that is logged
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}
