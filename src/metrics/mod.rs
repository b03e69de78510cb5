//! What the service counts, and the three ways it says so: Prometheus text,
//! OpenMetrics, JSON.
//!
//! Everything is fixed at compile time: no registry, no lock, and recording
//! allocates nothing once [`Metrics::new`] has returned. A figure is written by
//! the thread that owns it, or to a cell of the writing thread's own; a scrape
//! only reads.
//!
//! | figure | written by | kind |
//! |---|---|---|
//! | `admission`, `http`, `withdrawn`, `denied`, `tls` | any thread that serves a submission or a connection | sharded |
//! | `workers[i]` | worker `i` | owned |
//! | `ledger` | the ledger thread | owned |
//! | `journal` | the ledger thread; its bytes by the thread that prepares segments | owned |
//! | `grpc` | any thread of the gRPC front end | sharded |
//! | [`Gauges`], [`ProcessMetrics`] | read by the caller of a scrape | values |
//!
//! The identity that holds at rest: accepted = processed + failed + withdrawn +
//! already there (in a ledger that other processes commit to as well).
//! A scrape under load sees the orders that are still inside as the difference;
//! see [`OrderCounts`](order_counts::OrderCounts) for why that difference can't
//! go below zero.
//!
//! For one more family: a field in `recorded`, its lines in `exposition` and in
//! `stats`. A family that exists only at times is an `Option` in [`Gauges`], as
//! `process` is, or set once, as `journal` and `grpc`.

mod counter;
mod exposition;
mod gauges;
mod grpc;
mod histogram;
mod journal;
mod label;
mod order_counts;
mod process;
mod recorded;
mod stats;
mod text;
mod tls;

pub use self::counter::{OwnedCounter, ShardedCounter};
pub(crate) use self::exposition::{CLASSIC_CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE};
pub use self::exposition::{classic, openmetrics};
pub use self::gauges::Gauges;
pub(crate) use self::gauges::{AddressGauges, ClientGauges, DiskGauges, NatsGauges};
pub(crate) use self::grpc::{GrpcCode, GrpcMethod, GrpcMetrics};
pub use self::histogram::Histogram;
pub(crate) use self::journal::JournalMetrics;
pub use self::label::Route;
#[cfg(test)]
pub(crate) use self::label::StatusLabel;
pub(crate) use self::label::{DenyReason, HandshakeResult, Reason, WithdrawReason};
pub use self::process::ProcessMetrics;
pub use self::recorded::Metrics;
pub use self::stats::stats_json;
pub(crate) use self::tls::TlsMetrics;
