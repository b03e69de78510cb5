//! Order intake: refuses at once what it can't take, and answers what it took.
//!
//! ```text
//!  HTTP :8080 (may coroutines) ─┐
//!  gRPC :50051 (tonic) ─────────┴─> admission ──> intake queue ──> workers ──> commit queue ──> ledger ──> reply
//!                                  validate        ArrayQueue       N pinned    ArrayQueue       one thread
//!                                  claim the id    full: 503        spin-park   full: wait       batch, publish, wake
//! ```
//!
//! A program that brings its own [`Processor`] starts a [`Server`] with it; see
//! `examples/`.
//!
//! # Layers
//!
//! Uppermost first. A layer imports from layers below it, never from one above,
//! and no two files import each other; `tests/layers` reads this table and
//! fails on an arrow back up or a circle.
//!
//! | layer | what it is for |
//! |---|---|
//! | `server` | the service put together: start, ports, choice of processor and ledger, recovery, drain, the pending file's orders |
//! | `http` | front end: `wire` (heads, bodies, replies as bytes, reason phrases), `api` (the route table, limits, statuses and problems, batches, feed and its lines, page, OpenAPI), `server` (connections and their timeouts), `minihttp` (admin port, second engine), `runtime` (waking coroutines, timers) |
//! | `grpc` | front end: calls and streams, their limits, statuses, health |
//! | `access` | who asks, and what they may: the token file, read again; quotas of tokens and of client addresses; an identity a connection |
//! | `admission` | the one way in: have it decoded, claim the id, push, or say why not; the sentences that both front ends send |
//! | `pipeline` | gate, intake queue, workers, `processor` (the trait and the built-in ones), commit queue, committer, what a drain saves, force drain |
//! | `dedupe` | where an id is met again: claims in flight, window of the last N outcomes |
//! | `ledger` | where outcomes become final and are read again: the traits, `memory`, `journal` (every byte on disk, recovery, retention, tools), `nats` (JetStream) |
//! | `metrics` | counters, gauges, histograms, their label values (HTTP statuses among them), and their exposition as text and JSON |
//! | `order` | bytes to a validated, hashed order; pure. Stored and pending orders are read with the same rules, so a stricter rule reaches old ones |
//! | `tls` | certificates and keys from files, read again on request; the names of clients |
//! | `sync` | parking and waking, oneshots, watch lists, memory budgets, limits of rates, crash on panic |
//! | `cpu` | cores and CPU quota; which cores workers and I/O threads get, and whether workers spin |
//! | `config` | flags and environment variables: types, defaults, ranges, and what must hold between them |
//! | `peer` | where connections and requests come from: networks, the PROXY protocol, `Forwarded`; pure |
//! | `clock` | wall time, and times in RFC 3339 |
//!
//! Outside of the library: `main.rs` (the life of the process, exit codes),
//! `signals.rs`, `service_manager.rs` (sd_notify), `log`, `tool` (`journal
//! verify` and its kind, `limits`, `config`, `token`), `health.rs`; `proto/` (the
//! gRPC messages), `tests/` (through real sockets), `tests/features/` (behaviour
//! in Gherkin), `tests/fuzz/`, `benches/`, `perf/`, `k8s/`. A change that clients
//! or operators see also touches `http/api/openapi.json`, `docs/` and
//! `CHANGELOG.md`.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod access;
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
mod peer;
mod pipeline;
mod server;
mod sync;
mod tls;

pub use config::Config;
pub use ledger::LedgerFailed;
pub use order::{Order, OrderId, TraceId, TraceParent};
pub use pipeline::processor::{Processor, Verdict};
pub use server::{
    CommittedOrder, Drained, Outcomes, OutcomesError, Recovered, Recovery, Server, StartError,
};
pub use tls::TlsError;

/// What the benches, the tests and the journal's command-line tools of this
/// package reach into. No part of the public API: anything here may change in
/// any release.
#[doc(hidden)]
pub mod internals {
    pub use crate::access::{BadName, new_token};
    pub use crate::admission::{Admission, Admitted};
    pub use crate::cpu::plan::Plan;
    pub use crate::cpu::topology::Topology;
    pub use crate::dedupe::claims::{Claimed, Claims, Ended};
    pub use crate::dedupe::window::{Known, Window};
    pub use crate::grpc::limits::{
        CALLS_MAX, CONNECTION_SHARE, FOLLOWERS_MAX, HEADER_LIST_BYTES_MAX, HEALTH_CHECKS_MAX,
        HEALTH_WATCHES_MAX, REFLECTION_STREAMS_MAX, STALLED_CALLS_MAX, STREAM_ORDER_BYTES_MAX,
        STREAM_ORDERS_MAX, SUBMIT_STREAMS_MAX,
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
    pub use crate::server::{MemoryBounds, is_starting};
    pub use crate::sync::log_limit::LogLimit;
    pub use crate::sync::parking::{Dequeue, Idle, Parking, Urgency};
    pub use crate::sync::watch_list::{Watch, WatchList};

    /// What the fuzz targets call (tests/fuzz): each takes any bytes, and panics
    /// when what it promises doesn't hold.
    #[cfg(any(test, fuzzing))]
    pub mod fuzzing {
        pub use crate::access::fuzzing::{authorization, token_file};
        pub use crate::grpc::fuzzing::grpc_messages;
        pub use crate::http::api::batch::fuzzing::ndjson;
        pub use crate::http::server::fuzzing::http_connection;
        pub use crate::http::wire::fuzzing::{content_coding, http_body, http_head};
        pub use crate::ledger::journal::fuzzing::{journal, pending};
        pub use crate::order::fuzzing::{order, traceparent};
        pub use crate::peer::fuzzing::{forwarded, proxy_header};
        pub use crate::tls::fuzzing::certificate;

        #[cfg(test)]
        mod corpus;
    }

    /// The journal's command-line tools, and what the bench opens.
    pub mod journal {
        pub use crate::ledger::journal::{
            Copied, Damage, Lost, Options, Output, RecoveryProgress, ReplayError, Run,
            SEGMENT_BYTES, Salvaged, SalvagedPending, Verified, backup, open, replay, restore,
            salvage, verify,
        };
    }
}
