//! What `/metrics` says: every family with its name and help, read and written
//! in one pass.

use crate::metrics::exposition::family::{counter, gauge, info, single};
use crate::metrics::gauges::{Gauges, SHARED_LEDGER};
use crate::metrics::label::Reason;
use crate::metrics::order_counts::OrderCounts;
use crate::metrics::process::ProcessMetrics;
use crate::metrics::recorded::Metrics;
use crate::metrics::text::{Family, Format, Kind, Text};

mod family;
mod front_ends;
mod ledger;
#[cfg(test)]
mod tests;

/// The `Content-Type` of [`classic`].
pub(crate) const CLASSIC_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The `Content-Type` of [`openmetrics`].
pub(crate) const OPENMETRICS_CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bytes of a usual exposition: the buffer is reserved once.
const USUAL_BYTES: usize = 20 * 1024;

/// Appends the figures in the Prometheus text format 0.0.4.
pub fn classic(metrics: &Metrics, gauges: &Gauges, out: &mut Vec<u8>) {
    expose(metrics, gauges, out, Format::Classic);
}

/// Appends the figures in OpenMetrics 1.0.
pub fn openmetrics(metrics: &Metrics, gauges: &Gauges, out: &mut Vec<u8>) {
    expose(metrics, gauges, out, Format::OpenMetrics);
}

fn expose(metrics: &Metrics, gauges: &Gauges, out: &mut Vec<u8>, format: Format) {
    out.reserve(USUAL_BYTES);
    let mut text = Text::new(out, format);
    let counts = OrderCounts::of(metrics);
    if gauges.ledger == SHARED_LEDGER {
        already_there(&mut text, &counts);
    }
    orders(&mut text, &counts);
    submissions(&mut text, metrics);
    levels(&mut text, gauges);
    stages(&mut text, metrics);
    if let Some(journal) = metrics.journal.get() {
        ledger::journal(&mut text, journal);
    }
    if let Some(disk) = &gauges.disk {
        ledger::disk(&mut text, disk);
    }
    if let Some(nats) = &gauges.nats {
        let connected = gauge(
            "nats_connected",
            "1 while there is a connection to a server.",
        );
        single(&mut text, &connected, nats.connected.into());
    }
    front_ends::http(&mut text, metrics);
    if let Some(grpc) = metrics.grpc.get() {
        front_ends::grpc(&mut text, grpc);
    }
    front_ends::denied(&mut text, metrics);
    if let Some(not_after) = gauges.tls_not_after {
        front_ends::tls(&mut text, metrics, not_after);
    }
    if let Some(addresses) = &gauges.addresses {
        front_ends::addresses(&mut text, addresses);
    }
    if !gauges.clients.is_empty() {
        front_ends::clients(&mut text, &gauges.clients);
    }
    workers(&mut text, metrics);
    if let Some(process) = &gauges.process {
        self::process(&mut text, process);
    }
    if let Some(id) = &gauges.ledger_id {
        let ledger = info("ledger", "Which ledger orders are committed to; always 1.");
        text.family(&ledger);
        text.sample(&ledger, &[("id", id), ("kind", gauges.ledger)], 1);
    }
    let build = info("build", "What was built; always 1.");
    text.family(&build);
    text.sample(&build, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.finish();
}

fn orders(text: &mut Text<'_>, counts: &OrderCounts) {
    let processed = counter("orders_processed", "Orders committed as processed.");
    single(text, &processed, counts.processed);
    let failed = counter(
        "orders_failed",
        "Orders committed as failed by the processor.",
    );
    single(text, &failed, counts.failed);

    let withdrawn = counter(
        "orders_withdrawn",
        "Accepted orders that ended without an outcome; a retry is safe.",
    );
    text.family(&withdrawn);
    for (reason, count) in counts.withdrawn() {
        text.sample(&withdrawn, &[("reason", reason)], count);
    }

    let accepted = counter("orders_accepted", "New orders let into the intake queue.");
    single(text, &accepted, counts.accepted);
}

/// Those that brought no new order.
fn submissions(text: &mut Text<'_>, metrics: &Metrics) {
    let duplicate = counter(
        "orders_duplicate",
        "Submissions of an id and content seen before.",
    );
    single(text, &duplicate, metrics.admission.duplicate.get());

    let rejected = counter("orders_rejected", "Submissions turned away.");
    text.family(&rejected);
    for reason in Reason::ALL {
        let count = metrics.admission.rejected.get(*reason);
        text.sample(&rejected, &[("reason", reason.as_str())], count);
    }
}

fn already_there(text: &mut Text<'_>, counts: &OrderCounts) {
    let family = counter(
        "orders_already_there",
        "Accepted orders whose id another instance had committed, by whether the content was the same.",
    );
    text.family(&family);
    let (same, other) = (counts.already_there_same, counts.already_there_other);
    text.sample(&family, &[("content", "same")], same);
    text.sample(&family, &[("content", "other")], other);
}

fn levels(text: &mut Text<'_>, gauges: &Gauges) {
    let depth = gauge("queue_depth", "Orders in the intake queue.");
    single(text, &depth, gauges.queue_depth);
    let capacity = gauge("queue_capacity", "Slots of the intake queue.");
    single(text, &capacity, gauges.queue_capacity);
    let bytes = gauge(
        "queue_bytes",
        "Bytes of orders between admission and reply.",
    );
    single(text, &bytes, gauges.queue_bytes);
    let bulk = gauge(
        "bulk_orders",
        "Orders of batches and streams between admission and answer.",
    );
    single(text, &bulk, gauges.bulk_orders);
    let commit_depth = gauge("commit_queue_depth", "Outcomes that wait for the ledger.");
    single(text, &commit_depth, gauges.commit_queue_depth);
    if let Some(age) = gauges.dedupe_window_age {
        let family = gauge(
            "dedupe_window_age_seconds",
            "Age of the oldest id a retry still meets.",
        );
        text.family(&family);
        text.sample_seconds(&family, &[], age);
    }
    let ready = gauge("ready", "1 while new orders are taken, else 0.");
    single(text, &ready, u64::from(gauges.ready));
    let draining = gauge("draining", "1 in a drain until its ledger fails, else 0.");
    single(text, &draining, u64::from(gauges.draining));
}

fn stages(text: &mut Text<'_>, metrics: &Metrics) {
    let family = Family {
        name: "order_stage_seconds",
        kind: Kind::Histogram,
        help: "How long orders take in each stage, and from admission to commit (total).",
    };
    text.family(&family);
    text.histogram(&family, &[("stage", "queue")], &metrics.queue_stage());
    text.histogram(&family, &[("stage", "process")], &metrics.process_stage());
    text.histogram(
        &family,
        &[("stage", "commit")],
        &metrics.ledger.commit.snapshot(),
    );
    text.histogram(
        &family,
        &[("stage", "total")],
        &metrics.ledger.total.snapshot(),
    );
}

fn workers(text: &mut Text<'_>, metrics: &Metrics) {
    let parks = counter(
        "worker_parks",
        "Times a worker found nothing to do and parked.",
    );
    single(text, &parks, metrics.worker_parks());
    let wakes = counter("worker_wakes", "Times a worker came back from a park.");
    single(text, &wakes, metrics.worker_wakes());
}

fn process(text: &mut Text<'_>, process: &ProcessMetrics) {
    let cpu = Family {
        name: "process_cpu_seconds",
        kind: Kind::CounterTotal,
        help: "CPU time spent, user and system.",
    };
    text.family(&cpu);
    text.sample_seconds(&cpu, &[], process.cpu);
    let resident = gauge("process_resident_memory_bytes", "Memory in RAM.");
    single(text, &resident, process.resident_bytes);
    let mapped = gauge("process_virtual_memory_bytes", "Memory mapped.");
    single(text, &mapped, process.virtual_bytes);
    single(text, &gauge("process_threads", "Threads."), process.threads);
    if let Some(open) = process.open_fds {
        single(
            text,
            &gauge("process_open_fds", "File descriptors open."),
            open,
        );
    }
    if let Some(max) = process.max_fds {
        single(
            text,
            &gauge("process_max_fds", "File descriptors allowed (soft limit)."),
            max,
        );
    }
    if let Some(start) = process.start_time {
        let family = gauge(
            "process_start_time_seconds",
            "Start of the process, since the Unix epoch.",
        );
        text.family(&family);
        text.sample_seconds(&family, &[], start);
    }
}
