//! Both formats in full, and what is left out.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::metrics::exposition::{USUAL_BYTES, classic, expose};
use crate::metrics::gauges::{DiskGauges, Gauges, NatsGauges};
use crate::metrics::grpc::{GrpcCode, GrpcMethod, GrpcMetrics};
use crate::metrics::journal::JournalMetrics;
use crate::metrics::label::{DenyReason, HandshakeResult, Reason, Route, WithdrawReason};
use crate::metrics::process::ProcessMetrics;
use crate::metrics::recorded::Metrics;
use crate::metrics::text::Format;

fn exposed(format: Format, metrics: &Metrics, gauges: &Gauges) -> String {
    let mut out = Vec::new();
    expose(metrics, gauges, &mut out, format);
    String::from_utf8(out).expect("the exposition is text")
}

/// A small state with a figure in every family.
fn small_state() -> (Metrics, Gauges) {
    let metrics = Metrics::new(2);
    metrics.admission.accepted.add(5);
    metrics.admission.duplicate.inc();
    metrics.admission.rejected.add(Reason::Full, 2);
    metrics.withdrawn.inc(WithdrawReason::Drain);
    metrics.ledger.processed.add(3);
    metrics.ledger.failed.inc();
    metrics.ledger.total.record(Duration::from_millis(300));
    metrics.ledger.total.record(Duration::from_secs(61));
    metrics.workers[0].queue.record(Duration::from_micros(10));
    metrics.workers[1].queue.record(Duration::from_micros(11));
    metrics.workers[0].parks.add(2);
    metrics.workers[1].wakes.inc();
    let journal = Arc::new(JournalMetrics::new());
    journal.commit.record(Duration::from_micros(150));
    journal.batch_orders.record_value(3);
    journal.set_bytes(134_217_728);
    metrics.journal.set(journal).expect("set once");
    metrics.http.connections.inc();
    metrics.http.connections_max.set(10_000);
    metrics.http.request(Route::Submit, 201);
    metrics.http.request(Route::Other, 418);
    let grpc = Arc::new(GrpcMetrics::default());
    grpc.connections.inc();
    grpc.connections_max.set(1_000);
    grpc.begin(GrpcMethod::Submit);
    grpc.begin(GrpcMethod::Follow);
    grpc.end(GrpcMethod::Submit, GrpcCode::of(8));
    metrics.grpc.set(grpc).expect("set once");
    metrics.http.batches.inc();
    metrics.denied.add(DenyReason::Scope, 4);
    metrics.tls.begin().end(HandshakeResult::Completed);
    let gauges = Gauges {
        tls_not_after: Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        bulk_orders: 12,
        disk: Some(DiskGauges {
            segments: 2,
            free_bytes: Some(1 << 30),
        }),
        nats: Some(NatsGauges {
            connected: true,
            ..NatsGauges::default()
        }),
        oldest_seq: Some(3),
        clients: Vec::new(),
        addresses: None,
        queue_depth: 1,
        queue_capacity: 64,
        queue_bytes: 100,
        commit_queue_depth: 0,
        dedupe_window_age: Some(Duration::from_millis(2_500)),
        ready: true,
        draining: false,
        ledger: "memory",
        ledger_id: Some("0123456789abcdef".repeat(2)),
        last_seq: Some(17),
        process: Some(ProcessMetrics {
            cpu: Duration::from_millis(1_230),
            resident_bytes: 4_096,
            virtual_bytes: 8_192,
            threads: 3,
            open_fds: Some(9),
            max_fds: Some(1_024),
            start_time: Some(Duration::from_millis(1_700_000_000_250)),
        }),
    };
    (metrics, gauges)
}

/// The exposition without the many lines of buckets.
fn without_buckets(text: &str) -> String {
    text.lines()
        .filter(|line| !line.contains("_bucket{"))
        .map(|line| line.replace(env!("CARGO_PKG_VERSION"), "VERSION") + "\n")
        .collect()
}

#[test]
fn the_classic_format_says_just_this() {
    let (metrics, gauges) = small_state();
    let text = exposed(Format::Classic, &metrics, &gauges);
    assert_eq!(without_buckets(&text), include_str!("classic.txt"));
}

#[test]
fn openmetrics_says_just_this() {
    let (metrics, gauges) = small_state();
    let text = exposed(Format::OpenMetrics, &metrics, &gauges);
    assert_eq!(without_buckets(&text), include_str!("openmetrics.txt"));
}

#[test]
fn buckets_are_cumulative_and_end_in_the_count() {
    let (metrics, gauges) = small_state();
    let text = exposed(Format::Classic, &metrics, &gauges);
    let buckets = |stage: &str| -> Vec<(String, u64)> {
        let start = format!("order_stage_seconds_bucket{{stage=\"{stage}\",le=\"");
        let after = text.lines().filter_map(|line| line.strip_prefix(&start));
        after
            .map(|rest| {
                let (le, count) = rest.split_once("\"} ").expect("le is the last label");
                (le.to_owned(), count.parse().expect("a count is an integer"))
            })
            .collect()
    };
    let queue = buckets("queue");
    assert_eq!(queue.len(), 33);
    assert!(queue.is_sorted_by_key(|(_, count)| *count));
    for (le, count) in [
        ("5e-06", 0),
        ("1e-05", 1),
        ("2e-05", 2),
        ("60.0", 2),
        ("+Inf", 2),
    ] {
        assert!(queue.contains(&(le.to_owned(), count)), "{le} {count}");
    }
    let total = buckets("total");
    for (le, count) in [("0.2", 0), ("0.3", 1), ("60.0", 1), ("+Inf", 2)] {
        assert!(total.contains(&(le.to_owned(), count)), "{le} {count}");
    }
    assert!(buckets("process").iter().all(|(_, count)| *count == 0));
}

#[test]
fn what_is_not_known_is_left_out() {
    let text = exposed(Format::Classic, &Metrics::new(0), &Gauges::default());
    assert!(
        !text.contains("process_"),
        "no reading of the process was passed in"
    );
    assert!(!text.contains("dedupe_window_age_seconds"));
    assert!(!text.contains("http_requests{"));
    assert!(!text.contains("journal_"), "no journal is open");
    assert!(text.contains("\nready 0\n"));
}

#[test]
fn the_usual_exposition_fits_the_reserved_bytes() {
    let (metrics, gauges) = small_state();
    for format in [Format::Classic, Format::OpenMetrics] {
        let length = exposed(format, &metrics, &gauges).len();
        assert!(length <= USUAL_BYTES, "{length}");
    }
}

#[test]
fn an_exposition_is_appended() {
    let mut out = b"before".to_vec();
    classic(&Metrics::new(1), &Gauges::default(), &mut out);
    assert!(out.starts_with(b"before# HELP orders_processed "));
}
