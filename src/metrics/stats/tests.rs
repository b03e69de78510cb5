//! `/stats` as a value, and its text once in full.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::metrics::exposition::classic;
use crate::metrics::gauges::{AddressGauges, ClientGauges, DiskGauges, Gauges, NatsGauges};
use crate::metrics::grpc::{GrpcCode, GrpcMethod, GrpcMetrics};
use crate::metrics::journal::JournalMetrics;
use crate::metrics::label::{DenyReason, HandshakeResult, Reason, Route, WithdrawReason};
use crate::metrics::process::ProcessMetrics;
use crate::metrics::recorded::Metrics;
use crate::metrics::stats::stats_json;

fn stats(metrics: &Metrics, gauges: &Gauges) -> Value {
    let mut out = Vec::new();
    stats_json(metrics, gauges, &mut out);
    serde_json::from_slice(&out).expect("the statistics are JSON")
}

#[test]
fn a_fresh_process_has_nothing_to_sum_up() {
    let stats = stats(&Metrics::new(0), &Gauges::default());
    let nothing =
        json!({"count": 0, "mean": null, "p50": null, "p90": null, "p99": null, "p999": null});
    for stage in ["queue", "process", "commit", "total"] {
        assert_eq!(stats["order_stage_seconds"][stage], nothing);
    }
    assert!(stats.get("journal_batch_orders").is_none());
    assert_eq!(stats["http_requests"], json!({}));
    assert_eq!(stats["dedupe_window_age_seconds"], Value::Null);
    assert_eq!(stats["ready"], json!(false));
    assert_eq!(
        stats["build_info"],
        json!({"version": env!("CARGO_PKG_VERSION")})
    );
    assert!(
        stats["uptime_seconds"]
            .as_f64()
            .is_some_and(|uptime| uptime >= 0.0)
    );
    assert!(stats.get("process_threads").is_none());
}

/// A figure of its own under each key.
fn distinct_figures() -> (Metrics, Gauges) {
    let metrics = Metrics::new(2);
    metrics.admission.accepted.add(7);
    metrics.admission.duplicate.add(2);
    metrics.admission.rejected.add(Reason::TooLarge, 3);
    metrics.withdrawn.inc(WithdrawReason::Retry);
    metrics.ledger.processed.add(5);
    metrics.ledger.failed.inc();
    let journal = Arc::new(JournalMetrics::new());
    journal.batch_orders.record_value(6);
    journal.set_bytes(4_096);
    metrics.journal.set(journal).expect("set once");
    metrics.workers[0].parks.add(4);
    metrics.workers[1].parks.add(5);
    metrics.workers[1].wakes.add(8);
    metrics.workers[0].queue.record_many(250_000_000, 50);
    metrics.workers[1].queue.record_many(250_000_000, 50);
    metrics.http.connections.inc();
    metrics.http.connections_max.set(10_000);
    metrics.http.request(Route::Submit, 201);
    metrics.http.request(Route::Submit, 503);
    metrics.http.request(Route::Page, 200);
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
        nats: None,
        oldest_seq: Some(3),
        clients: Vec::new(),
        addresses: Some(AddressGauges {
            held: 21,
            shared: 22,
        }),
        queue_depth: 1,
        queue_capacity: 64,
        queue_bytes: 100,
        commit_queue_depth: 9,
        dedupe_window_age: Some(Duration::from_millis(1_500)),
        ready: true,
        draining: false,
        ledger: "memory",
        ledger_id: Some("0123456789abcdef".repeat(2)),
        last_seq: Some(17),
        process: Some(ProcessMetrics {
            cpu: Duration::from_millis(20),
            resident_bytes: 1,
            virtual_bytes: 2,
            threads: 3,
            open_fds: Some(4),
            max_fds: Some(5),
            start_time: Some(Duration::from_secs(6)),
        }),
    };
    (metrics, gauges)
}

#[test]
fn every_figure_has_its_own_key() {
    let (metrics, gauges) = distinct_figures();
    let mut stats = stats(&metrics, &gauges);
    let stages = stats["order_stage_seconds"].take();
    assert_eq!(
        stages["queue"],
        json!({"count": 100, "mean": 0.25, "p50": 0.25, "p90": 0.29, "p99": 0.299, "p999": 0.2999})
    );
    assert_eq!(stages["process"]["count"], json!(0));
    assert!(stats["uptime_seconds"].take().is_number());
    // On their own: the macro has a limit.
    for (key, value) in [
        (
            "access_denied",
            json!({"no_token": 0, "bad_token": 0, "scope": 4, "other_site": 0, "other_host": 0}),
        ),
        (
            "tls_certificate_expiry_timestamp_seconds",
            json!(1_800_000_000),
        ),
        (
            "tls_handshakes",
            json!({"completed": 1, "certificate": 0, "refused": 0, "unfinished": 0}),
        ),
        ("tls_handshakes_in_flight", json!(0)),
        ("draining", json!(false)),
        ("client_addresses", json!(21)),
        ("client_addresses_shared", json!(22)),
        ("journal_read_errors", json!(0)),
        ("journal_segment_ahead", json!(true)),
        ("http_connections_max", json!(10_000)),
        ("grpc_connections_max", json!(1_000)),
    ] {
        let members = stats.as_object_mut().expect("an object");
        assert_eq!(members.remove(key), Some(value), "{key}");
    }
    assert_eq!(
        stats,
        json!({
            "build_info": {"version": env!("CARGO_PKG_VERSION")},
            "uptime_seconds": null,
            "ready": true,
            "ledger": "memory",
            "ledger_id": "0123456789abcdef0123456789abcdef",
            "last_seq": 17,
            "oldest_seq": 3,
            "orders_processed": 5,
            "orders_failed": 1,
            "orders_withdrawn": {"retry": 1, "drain": 0, "ledger": 0},
            "orders_accepted": 7,
            "orders_duplicate": 2,
            "orders_rejected": {
                "full": 0, "draining": 0, "starting": 0, "ledger": 0, "invalid": 0, "conflict": 0,
                "too_large": 3, "unauthorized": 0, "timeout": 0, "rate_limited": 0,
            },
            "queue_depth": 1,
            "queue_capacity": 64,
            "queue_bytes": 100,
            "bulk_orders": 12,
            "commit_queue_depth": 9,
            "dedupe_window_age_seconds": 1.5,
            "order_stage_seconds": null,
            "journal_commit_seconds":
                {"count": 0, "mean": null, "p50": null, "p90": null, "p99": null, "p999": null},
            "journal_batch_orders":
                {"count": 1, "mean": 6, "p50": 6, "p90": 8, "p99": 8, "p999": 8},
            "journal_bytes": 4096,
            "journal_segments": 2,
            "journal_free_bytes": 1_073_741_824,
            "http_connections": 1,
            "http_batches": 1,
            "http_requests": {"submit": {"201": 1, "503": 1}, "page": {"200": 1}},
            "grpc_connections": 1,
            "grpc_open_calls": {
                "submit": 0, "submit_stream": 0, "get_order": 0, "follow": 1, "health": 0,
                "reflection": 0, "other": 0,
            },
            "grpc_calls": {"submit": {"resource_exhausted": 1}},
            "workers": 2,
            "worker_parks": 9,
            "worker_wakes": 8,
            "process_cpu_seconds_total": 0.02,
            "process_resident_memory_bytes": 1,
            "process_virtual_memory_bytes": 2,
            "process_threads": 3,
            "process_open_fds": 4,
            "process_max_fds": 5,
            "process_start_time_seconds": 6,
        })
    );
}

/// Only where other processes commit to the same ledger is there such a way for
/// an accepted order to end.
#[test]
fn what_others_had_committed_has_its_figures_with_a_shared_ledger() {
    let (metrics, mut gauges) = distinct_figures();
    metrics.ledger.already_there_same.add(11);
    metrics.ledger.already_there_other.add(12);
    assert!(
        stats(&metrics, &gauges)
            .get("orders_already_there")
            .is_none()
    );
    gauges.ledger = "nats";
    assert_eq!(
        stats(&metrics, &gauges)["orders_already_there"],
        json!({"same": 11, "other": 12})
    );
}

#[test]
fn servers_and_stream_are_there_with_nats() {
    let (metrics, mut gauges) = distinct_figures();
    gauges.nats = Some(NatsGauges {
        connected: true,
        server: "n1".to_owned(),
        version: "2.15.0".to_owned(),
        cluster: None,
        stream: "ORDERS".to_owned(),
        replicas: 3,
        replicas_current: 2,
        leader: Some("n2".to_owned()),
        instance: "0123456789abcdef".to_owned(),
    });
    assert_eq!(
        stats(&metrics, &gauges)["nats"],
        json!({
            "connected": true, "server": "n1", "version": "2.15.0", "cluster": null,
            "stream": "ORDERS", "replicas": 3, "replicas_current": 2, "leader": "n2",
            "instance": "0123456789abcdef",
        })
    );
}

#[test]
fn members_and_digits_stay_as_they_are() {
    let metrics = Metrics::new(1);
    metrics.ledger.processed.add(5);
    metrics.ledger.total.record(Duration::from_millis(250));
    let journal = Arc::new(JournalMetrics::new());
    journal.batch_orders.record_value(6);
    metrics.journal.set(journal).expect("set once");
    metrics.http.request(Route::Submit, 201);
    metrics.http.request(Route::Submit, 503);
    metrics.http.request(Route::Page, 200);
    let gauges = Gauges {
        dedupe_window_age: Some(Duration::from_millis(1_500)),
        ledger: "journal",
        process: Some(ProcessMetrics {
            cpu: Duration::from_millis(20),
            resident_bytes: 1,
            virtual_bytes: 2,
            threads: 3,
            open_fds: Some(4),
            max_fds: None,
            start_time: Some(Duration::from_secs(6)),
        }),
        ..Gauges::default()
    };
    let mut out = Vec::new();
    stats_json(&metrics, &gauges, &mut out);
    let text = String::from_utf8(out).expect("JSON is text");
    let (before, rest) = text.split_once("\"uptime_seconds\":").expect("a member");
    let (_, after) = rest.split_once(',').expect("members after it");
    let text = format!("{before}\"uptime_seconds\":UPTIME,{after}\n");
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_eq!(text, include_str!("stats.txt"));
}

/// What `/metrics` has is here, too.
#[test]
fn no_metric_is_missing() {
    let (metrics, mut gauges) = distinct_figures();
    gauges.ledger = "nats";
    gauges.clients = vec![ClientGauges::new("a")];
    let mut text = Vec::new();
    classic(&metrics, &gauges, &mut text);
    let text = String::from_utf8(text).expect("the exposition is text");
    let stats = stats(&metrics, &gauges);
    let mut missing = Vec::new();
    for line in text.lines() {
        let Some(family) = line.strip_prefix("# TYPE ") else {
            continue;
        };
        let name = family.split(' ').next().expect("a name");
        if stats.get(name).is_none() {
            missing.push(name);
        }
    }
    // They are `clients`, and `ledger` and `ledger_id`.
    let elsewhere = [
        "client_requests",
        "client_refused",
        "client_in_flight",
        "ledger_info",
    ];
    assert_eq!(missing, elsewhere);
}
