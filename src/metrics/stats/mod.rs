//! What `/stats` says: the figures of `/metrics` as one JSON object, for the
//! status page.
//!
//! Keys are the metric names; a label becomes a level of nesting. A histogram
//! is summed up instead of listed in buckets:
//! `{"count","mean","p50","p90","p99","p999"}`, in seconds or orders, `null`
//! while nothing was recorded. Beyond `/metrics` there is `uptime_seconds`.
//!
//! Fields are read in the order of their declaration: outcomes before
//! acceptances (see [`counter`](crate::metrics::counter)).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::metrics::gauges::{ClientGauges, Gauges, SHARED_LEDGER};
use crate::metrics::histogram::HistogramSnapshot;
use crate::metrics::journal::JournalMetrics;
use crate::metrics::label::{Reason, WithdrawReason};
use crate::metrics::process::ProcessMetrics;
use crate::metrics::recorded::{HttpMetrics, LedgerMetrics, Metrics};
use crate::metrics::text::{push_decimal, push_seconds};

#[cfg(test)]
mod tests;

/// A number written digit by digit, since a float would not keep them all.
type Number = Box<RawValue>;

/// A histogram summed up.
type Summary = Members<Option<Number>>;

/// Decimal places between nanoseconds and seconds.
const NANOSECONDS: u32 = 9;
/// Decimal places of a number of orders.
const WHOLE: u32 = 0;

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
    ledger: &'static str,
    ledger_id: Option<String>,
    last_seq: Option<u64>,
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
    commit_queue_depth: u64,
    dedupe_window_age_seconds: Option<Number>,
    order_stage_seconds: Members<Summary>,
    #[serde(flatten)]
    journal: Option<Journal>,
    http_connections: u64,
    http_requests: Members<Members<u64>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    clients: BTreeMap<String, Client>,
    workers: usize,
    worker_parks: u64,
    worker_wakes: u64,
    #[serde(flatten)]
    process: Option<Process>,
}

#[derive(Serialize)]
struct Journal {
    journal_commit_seconds: Summary,
    journal_batch_orders: Summary,
    journal_bytes: u64,
}

#[derive(Serialize)]
struct Client {
    requests: u64,
    refused: Members<u64>,
    in_flight: u64,
}

#[derive(Serialize)]
struct Process {
    process_cpu_seconds_total: Number,
    process_resident_memory_bytes: u64,
    process_virtual_memory_bytes: u64,
    process_threads: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_open_fds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_max_fds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_start_time_seconds: Option<Number>,
}

/// An object whose names are not known to `derive`, such as label values.
struct Members<V>(Vec<(&'static str, V)>);

impl<V: Serialize> Serialize for Members<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Stats {
    fn of(metrics: &Metrics, gauges: &Gauges) -> Self {
        let withdrawn = |reason: &WithdrawReason| (reason.as_str(), metrics.withdrawn.get(*reason));
        let rejected = |reason: &Reason| (reason.as_str(), metrics.admission.rejected.get(*reason));
        Self {
            build_info: Members(vec![("version", env!("CARGO_PKG_VERSION"))]),
            uptime_seconds: seconds(metrics.uptime()),
            ready: gauges.ready,
            ledger: gauges.ledger,
            ledger_id: gauges.ledger_id.clone(),
            last_seq: gauges.last_seq,
            orders_processed: metrics.ledger.processed.get(),
            orders_failed: metrics.ledger.failed.get(),
            orders_withdrawn: Members(WithdrawReason::ALL.iter().map(withdrawn).collect()),
            orders_already_there: (gauges.ledger == SHARED_LEDGER)
                .then(|| already_there(&metrics.ledger)),
            // After all the ways out: accepted is never less than their sum.
            orders_accepted: metrics.admission.accepted.get(),
            orders_duplicate: metrics.admission.duplicate.get(),
            orders_rejected: Members(Reason::ALL.iter().map(rejected).collect()),
            queue_depth: gauges.queue_depth,
            queue_capacity: gauges.queue_capacity,
            queue_bytes: gauges.queue_bytes,
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
            http_connections: metrics.http.connections.get(),
            http_requests: requests(&metrics.http),
            clients: gauges.clients.iter().map(Client::of).collect(),
            workers: metrics.workers.len(),
            worker_parks: metrics.worker_parks(),
            worker_wakes: metrics.worker_wakes(),
            process: gauges.process.as_ref().map(Process::of),
        }
    }
}

/// By whether the content was the same.
fn already_there(ledger: &LedgerMetrics) -> Members<u64> {
    Members(vec![
        ("same", ledger.already_there_same.get()),
        ("other", ledger.already_there_other.get()),
    ])
}

/// Sums a histogram up; `decimals` takes its values to the unit on the wire.
fn summary(histogram: &HistogramSnapshot, decimals: u32) -> Summary {
    let shown = |value| number(|out| push_decimal(out, value, decimals));
    let quantile = |per_mille| histogram.quantile(per_mille).map(shown);
    let count = number(|out| push_decimal(out, histogram.count(), WHOLE));
    Members(vec![
        ("count", Some(count)),
        ("mean", histogram.mean().map(shown)),
        ("p50", quantile(500)),
        ("p90", quantile(900)),
        ("p99", quantile(990)),
        ("p999", quantile(999)),
    ])
}

impl Journal {
    fn of(journal: &JournalMetrics) -> Self {
        Self {
            journal_commit_seconds: summary(&journal.commit.snapshot(), NANOSECONDS),
            journal_batch_orders: summary(&journal.batch_orders.snapshot(), WHOLE),
            journal_bytes: journal.bytes(),
        }
    }
}

impl Client {
    fn of(client: &ClientGauges) -> (String, Self) {
        let refused = vec![
            ("rate", client.over_rate),
            ("inflight", client.over_in_flight),
        ];
        let shown = Self {
            requests: client.requests,
            refused: Members(refused),
            in_flight: client.in_flight,
        };
        (client.name.clone(), shown)
    }
}

impl Process {
    fn of(process: &ProcessMetrics) -> Self {
        Self {
            process_cpu_seconds_total: seconds(process.cpu),
            process_resident_memory_bytes: process.resident_bytes,
            process_virtual_memory_bytes: process.virtual_bytes,
            process_threads: process.threads,
            process_open_fds: process.open_fds,
            process_max_fds: process.max_fds,
            process_start_time_seconds: process.start_time.map(seconds),
        }
    }
}

/// Requests by route and status, without the pairs never seen.
fn requests(http: &HttpMetrics) -> Members<Members<u64>> {
    let mut routes: Vec<(&str, Members<u64>)> = Vec::new();
    for (route, status, count) in http.requests_made() {
        let count = (status.as_str(), count);
        match routes.last_mut() {
            Some((last, statuses)) if *last == route.as_str() => statuses.0.push(count),
            _ => routes.push((route.as_str(), Members(vec![count]))),
        }
    }
    Members(routes)
}

fn seconds(duration: Duration) -> Number {
    number(|out| push_seconds(out, duration))
}

fn number(push: impl FnOnce(&mut Vec<u8>)) -> Number {
    let mut digits = Vec::new();
    push(&mut digits);
    let digits = String::from_utf8(digits).expect("digits and a point are ASCII");
    RawValue::from_string(digits).expect("digits and a point are a number")
}
