//! What `/stats` says: the figures of `/metrics` as one JSON object, for the status page.
//!
//! Keys are the metric names; a label becomes a level of nesting. A stage is summed up instead of
//! told in buckets: `{"count","mean","p50","p90","p99","p999"}`, seconds, `null` while there is
//! nothing to sum up; so are orders in a batch of the journal. Beyond `/metrics` there is
//! `uptime_seconds`.
//!
//! Written by hand for the same reason as the text formats: no tree to build, no floating point, and
//! a frame that fits a coroutine's stack. Every string in it is a constant of ours that needs no
//! escape.

use crate::metrics::text::{push_decimal, push_seconds, push_uint};
use crate::metrics::{
    Gauges, HistogramSnapshot, Metrics, ProcessMetrics, Reason, Route, WithdrawReason,
};

/// The quantiles of a summary and their keys, in thousandths.
const QUANTILES: [(&str, u32); 4] = [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)];

/// Decimal places between nanoseconds and seconds.
const NANOSECONDS: u32 = 9;
/// Orders are told as they are.
const WHOLE: u32 = 0;

/// Appends the figures as one JSON object. Some 2 KiB.
pub fn stats_json(metrics: &Metrics, gauges: &Gauges, out: &mut Vec<u8>) {
    out.reserve(4 * 1024);
    let mut json = Json { out, comma: false };
    json.open(None);
    json.open(Some("build_info"));
    json.key("version");
    json.raw(concat!("\"", env!("CARGO_PKG_VERSION"), "\""));
    json.close();
    json.key("uptime_seconds");
    push_seconds(json.out, metrics.uptime());
    json.key("ready");
    json.raw(if gauges.ready { "true" } else { "false" });
    json.key("ledger");
    json.raw("\"");
    json.raw(gauges.ledger);
    json.raw("\"");
    orders(&mut json, metrics);
    levels(&mut json, gauges);
    stages(&mut json, metrics);
    http(&mut json, metrics);
    json.uint("workers", metrics.workers.len() as u64);
    json.uint("worker_parks", metrics.worker_parks());
    json.uint("worker_wakes", metrics.worker_wakes());
    if let Some(process) = &gauges.process {
        self::process(&mut json, process);
    }
    json.close();
}

fn orders(json: &mut Json<'_>, metrics: &Metrics) {
    json.uint("orders_processed", metrics.ledger.processed.get());
    json.uint("orders_failed", metrics.ledger.failed.get());
    json.open(Some("orders_withdrawn"));
    for reason in WithdrawReason::ALL {
        json.uint(reason.as_str(), metrics.withdrawn.get(*reason));
    }
    json.close();
    // After the three ways out: accepted is never less than their sum.
    json.uint("orders_accepted", metrics.admission.accepted.get());
    json.uint("orders_duplicate", metrics.admission.duplicate.get());
    json.open(Some("orders_rejected"));
    for reason in Reason::ALL {
        json.uint(reason.as_str(), metrics.admission.rejected.get(*reason));
    }
    json.close();
}

fn levels(json: &mut Json<'_>, gauges: &Gauges) {
    json.uint("queue_depth", gauges.queue_depth);
    json.uint("queue_capacity", gauges.queue_capacity);
    json.uint("queue_bytes", gauges.queue_bytes);
    json.uint("commit_queue_depth", gauges.commit_queue_depth);
    json.key("dedupe_window_age_seconds");
    match gauges.dedupe_window_age {
        Some(age) => push_seconds(json.out, age),
        None => json.raw("null"),
    }
}

fn stages(json: &mut Json<'_>, metrics: &Metrics) {
    json.open(Some("order_stage_seconds"));
    json.summary("queue", &metrics.queue_stage(), NANOSECONDS);
    json.summary("process", &metrics.process_stage(), NANOSECONDS);
    json.summary("commit", &metrics.ledger.commit.snapshot(), NANOSECONDS);
    json.summary("total", &metrics.ledger.total.snapshot(), NANOSECONDS);
    json.close();
    if let Some(journal) = metrics.journal.get() {
        let commit = journal.commit.snapshot();
        json.summary("journal_commit_seconds", &commit, NANOSECONDS);
        let orders = journal.batch_orders.snapshot();
        json.summary("journal_batch_orders", &orders, WHOLE);
        json.uint("journal_bytes", journal.bytes());
    }
}

fn http(json: &mut Json<'_>, metrics: &Metrics) {
    json.uint("http_connections", metrics.http.connections.get());
    json.open(Some("http_requests"));
    let mut open: Option<Route> = None;
    for (route, status, count) in metrics.http.requests_made() {
        if open != Some(route) {
            if open.is_some() {
                json.close();
            }
            json.open(Some(route.as_str()));
            open = Some(route);
        }
        json.uint(status.as_str(), count);
    }
    if open.is_some() {
        json.close();
    }
    json.close();
}

fn process(json: &mut Json<'_>, process: &ProcessMetrics) {
    json.key("process_cpu_seconds_total");
    push_seconds(json.out, process.cpu);
    json.uint("process_resident_memory_bytes", process.resident_bytes);
    json.uint("process_virtual_memory_bytes", process.virtual_bytes);
    json.uint("process_threads", process.threads);
    if let Some(open) = process.open_fds {
        json.uint("process_open_fds", open);
    }
    if let Some(max) = process.max_fds {
        json.uint("process_max_fds", max);
    }
    if let Some(start) = process.start_time {
        json.key("process_start_time_seconds");
        push_seconds(json.out, start);
    }
}

/// Objects of numbers, with the commas in the right places.
struct Json<'a> {
    out: &'a mut Vec<u8>,
    /// Whether something stands before the next key in its object.
    comma: bool,
}

impl Json<'_> {
    /// Opens an object, under a key unless it is the outermost.
    fn open(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            self.key(key);
        }
        self.raw("{");
        self.comma = false;
    }

    fn close(&mut self) {
        self.raw("}");
        self.comma = true;
    }

    /// A key; its value has to follow.
    fn key(&mut self, key: &str) {
        self.raw(if self.comma { ",\"" } else { "\"" });
        self.raw(key);
        self.raw("\":");
        self.comma = true;
    }

    fn uint(&mut self, key: &str, value: u64) {
        self.key(key);
        push_uint(self.out, value);
    }

    /// A histogram summed up; `decimals` takes its values to the unit on the wire.
    fn summary(&mut self, key: &str, histogram: &HistogramSnapshot, decimals: u32) {
        self.open(Some(key));
        self.uint("count", histogram.count());
        self.estimate("mean", histogram.mean(), decimals);
        for (name, per_mille) in QUANTILES {
            self.estimate(name, histogram.quantile(per_mille), decimals);
        }
        self.close();
    }

    fn estimate(&mut self, key: &str, value: Option<u64>, decimals: u32) {
        self.key(key);
        match value {
            Some(value) => push_decimal(self.out, value, decimals),
            None => self.raw("null"),
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests;
