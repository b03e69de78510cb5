//! Order intake: refuses at once what it can't take, and answers what it took.
//!
//! ```text
//!  HTTP :8080 (may coroutines) ─┐
//!  gRPC :50051 (tonic) ─────────┴─> admission ──> intake queue ──> workers ──> commit queue ──> ledger ──> reply
//!                                  validate        ArrayQueue       N pinned    ArrayQueue       one thread
//!                                  claim the id    full: 503        spin-park   full: wait       batch, publish, wake
//! ```
//!
//! A program that brings its own [`Processor`] starts a [`Server`] with it; see `examples/`.
//!
//! # Layers
//!
//! Uppermost first. A layer imports from layers below it, never from one above, and no two files
//! import each other; `tests/layers.rs` reads this table and fails on an arrow back up or a circle.
//!
//! | layer | what it is for |
//! |---|---|
//! | `server` | the service put together: start, drain, pending orders |
//! | `http` | front end: the order port and the admin port |
//! | `grpc` | front end: the gRPC port |
//! | `admission` | the one way in: decode, claim the id, push, or say why not |
//! | `pipeline` | intake queue, workers, commit queue, committer |
//! | `dedupe` | where an id is met again: claims in flight, window of outcomes |
//! | `ledger` | where outcomes become final and are read again |
//! | `metrics` | counters, histograms, and their exposition |
//! | `order` | bytes to a validated, hashed order; pure |
//! | `sync` | parking, oneshots, lists of wakers, memory budgets |
//! | `cpu` | cores, quota, thread placement |
//! | `config` | the command line and the environment, checked before anything starts |
//! | `clock` | wall time |

mod admission;
mod clock;
pub mod config;
mod cpu;
mod dedupe;
pub mod grpc;
mod http;
mod ledger;
mod metrics;
mod order;
mod pipeline;
mod server;
mod sync;

pub use config::Config;
pub use ledger::LedgerFailed;
pub use order::{Order, OrderId};
pub use pipeline::processor::{Processor, Verdict};
pub use server::{Drained, Server, StartError};

/// What the benches, the tests and the journal's command-line tools of this package reach into.
/// No part of the public API: anything here may change in any release.
#[doc(hidden)]
pub mod internals {
    pub use crate::admission::{Admission, Admitted};
    pub use crate::cpu::plan::Plan;
    pub use crate::dedupe::claims::{Claimed, Claims, Ended};
    pub use crate::dedupe::window::{Known, Window};
    pub use crate::grpc::limits::{
        CALLS_MAX, FOLLOWERS_MAX, HEADER_LIST_BYTES_MAX, HEALTH_CHECKS_MAX, HEALTH_WATCHES_MAX,
        REFLECTION_STREAMS_MAX, STREAM_ORDER_BYTES_MAX, STREAM_ORDERS_MAX, SUBMIT_STREAMS_MAX,
    };
    pub use crate::http::api::batch::LAST_BYTES;
    pub use crate::http::api::feed_line::line;
    pub use crate::http::minihttp::LIMITS;
    pub use crate::ledger::memory::open as open_memory;
    pub use crate::ledger::{Archive, Item, Ledger, Status};
    pub use crate::metrics::{
        Gauges, Histogram, Metrics, OwnedCounter, ProcessMetrics, Route, ShardedCounter, classic,
        openmetrics, stats_json,
    };
    pub use crate::order::{HashKey, Order, decode};
    pub use crate::pipeline::answer::Answer;
    pub use crate::pipeline::gate::GateState;
    pub use crate::pipeline::processor::Rules;
    pub use crate::pipeline::{Pipeline, Settings};
    pub use crate::sync::parking::{Dequeue, Idle, Parking, Urgency};

    /// The journal's command-line tools, and what the bench opens.
    pub mod journal {
        pub use crate::ledger::journal::{
            Options, RecoveryProgress, ReplayError, SEGMENT_BYTES, Verified, open, replay, verify,
        };
    }
}
