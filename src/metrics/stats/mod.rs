//! What `/stats` says: the figures of `/metrics` as one JSON object, for the
//! status page.
//!
//! Keys are the metric names; a label becomes a level of nesting. A histogram
//! is summed up instead of listed in buckets:
//! `{"count","mean","p50","p90","p99","p999"}`, in seconds or orders, `null`
//! while nothing was recorded. Beyond `/metrics` there is `uptime_seconds`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::gauges::{Gauges, NatsGauges, SHARED_LEDGER};
use crate::metrics::label::{DenyReason, Reason};
use crate::metrics::order_counts::OrderCounts;
use crate::metrics::recorded::Metrics;
use crate::metrics::stats::parts::{
    Addresses, Client, Disk, Grpc, Journal, Process, Tls, requests,
};
use crate::metrics::stats::value::{Members, NANOSECONDS, Number, Summary, seconds, summary};

mod parts;
#[cfg(test)]
mod tests;
mod value;

/// Appends the figures as one JSON object. Some 2 KiB.
pub fn stats_json(metrics: &Metrics, gauges: &Gauges, out: &mut Vec<u8>) {
    out.reserve(4 * 1024);
    serde_json::to_writer(out, &Stats::of(metrics, gauges))
        .expect("strings and numbers are JSON, and a Vec takes all of it");
}

#[derive(Serialize)]
struct Stats {
    build_info: Members<&'static str>,
    uptime_seconds: Number,
    ready: bool,
    draining: bool,
    ledger: &'static str,
    ledger_id: Option<String>,
    last_seq: Option<u64>,
    oldest_seq: Option<u64>,
    orders_processed: u64,
    orders_failed: u64,
    orders_withdrawn: Members<u64>,
    /// With a ledger that other processes commit to as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    orders_already_there: Option<Members<u64>>,
    orders_accepted: u64,
    orders_duplicate: u64,
    orders_rejected: Members<u64>,
    queue_depth: u64,
    queue_capacity: u64,
    queue_bytes: u64,
    bulk_orders: u64,
    commit_queue_depth: u64,
    dedupe_window_age_seconds: Option<Number>,
    order_stage_seconds: Members<Summary>,
    #[serde(flatten)]
    journal: Option<Journal>,
    #[serde(flatten)]
    disk: Option<Disk>,
    /// No metrics, but for whether it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    nats: Option<NatsGauges>,
    http_connections: u64,
    http_connections_max: u64,
    http_batches: u64,
    http_requests: Members<Members<u64>>,
    #[serde(flatten)]
    grpc: Option<Grpc>,
    access_denied: Members<u64>,
    #[serde(flatten)]
    tls: Option<Tls>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    clients: BTreeMap<String, Client>,
    #[serde(flatten)]
    addresses: Option<Addresses>,
    workers: usize,
    worker_parks: u64,
    worker_wakes: u64,
    #[serde(flatten)]
    process: Option<Process>,
}

impl Stats {
    fn of(metrics: &Metrics, gauges: &Gauges) -> Self {
        let counts = OrderCounts::of(metrics);
        let rejected = |reason: &Reason| (reason.as_str(), metrics.admission.rejected.get(*reason));
        let denied = |reason: &DenyReason| (reason.as_str(), metrics.denied.get(*reason));
        Self {
            build_info: Members(vec![("version", env!("CARGO_PKG_VERSION"))]),
            uptime_seconds: seconds(metrics.uptime()),
            ready: gauges.ready,
            draining: gauges.draining,
            ledger: gauges.ledger,
            ledger_id: gauges.ledger_id.clone(),
            last_seq: gauges.last_seq,
            oldest_seq: gauges.oldest_seq,
            orders_processed: counts.processed,
            orders_failed: counts.failed,
            orders_withdrawn: Members(counts.withdrawn().collect()),
            orders_already_there: (gauges.ledger == SHARED_LEDGER).then(|| already_there(&counts)),
            orders_accepted: counts.accepted,
            orders_duplicate: metrics.admission.duplicate.get(),
            orders_rejected: Members(Reason::ALL.iter().map(rejected).collect()),
            queue_depth: gauges.queue_depth,
            queue_capacity: gauges.queue_capacity,
            queue_bytes: gauges.queue_bytes,
            bulk_orders: gauges.bulk_orders,
            commit_queue_depth: gauges.commit_queue_depth,
            dedupe_window_age_seconds: gauges.dedupe_window_age.map(seconds),
            order_stage_seconds: Members(vec![
                ("queue", summary(&metrics.queue_stage(), NANOSECONDS)),
                ("process", summary(&metrics.process_stage(), NANOSECONDS)),
                (
                    "commit",
                    summary(&metrics.ledger.commit.snapshot(), NANOSECONDS),
                ),
                (
                    "total",
                    summary(&metrics.ledger.total.snapshot(), NANOSECONDS),
                ),
            ]),
            journal: metrics.journal.get().map(|journal| Journal::of(journal)),
            disk: gauges.disk.map(Disk::of),
            nats: gauges.nats.clone(),
            http_connections: metrics.http.connections.get(),
            http_connections_max: metrics.http.connections_max.get(),
            http_batches: metrics.http.batches.get(),
            http_requests: requests(&metrics.http),
            grpc: metrics.grpc.get().map(|grpc| Grpc::of(grpc)),
            access_denied: Members(DenyReason::ALL.iter().map(denied).collect()),
            tls: gauges.tls_not_after.map(|at| Tls::of(&metrics.tls, at)),
            clients: gauges.clients.iter().map(Client::of).collect(),
            addresses: gauges.addresses.as_ref().map(Addresses::of),
            workers: metrics.workers.len(),
            worker_parks: metrics.worker_parks(),
            worker_wakes: metrics.worker_wakes(),
            process: gauges.process.as_ref().map(Process::of),
        }
    }
}

/// By whether the content was the same.
fn already_there(counts: &OrderCounts) -> Members<u64> {
    Members(vec![
        ("same", counts.already_there_same),
        ("other", counts.already_there_other),
    ])
}
