//! What counting costs the pipeline, and a scrape its reader.
//!
//! `base` is the harness alone: subtract it from the others.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use order_processor::internals::{
    Gauges, Histogram, Metrics, OwnedCounter, ProcessMetrics, Route, ShardedCounter, classic,
    openmetrics, stats_json,
};

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.bench_function("base", |bencher| bencher.iter(|| black_box(1_u64)));

    let owned = OwnedCounter::new();
    owned.inc();
    assert_eq!(owned.get(), 1);
    group.bench_function("owned_counter", |bencher| {
        bencher.iter(|| black_box(&owned).inc())
    });

    let sharded = ShardedCounter::new();
    sharded.inc();
    assert_eq!(sharded.get(), 1);
    group.bench_function("sharded_counter", |bencher| {
        bencher.iter(|| black_box(&sharded).inc())
    });

    let metrics = Metrics::new(1);
    group.bench_function("http_request", |bencher| {
        bencher.iter(|| {
            metrics
                .http
                .request(black_box(Route::Submit), black_box(201))
        });
    });

    let histogram = Histogram::of_durations();
    histogram.record(Duration::from_micros(10));
    assert_eq!(histogram.snapshot().count(), 1);
    // Varies the bucket, so that the branch predictor can't learn the search.
    let mut nanos = 1_u64;
    group.bench_function("histogram", |bencher| {
        bencher.iter(|| {
            nanos = nanos
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            black_box(&histogram).record(Duration::from_nanos(nanos >> (20 + nanos % 32)));
        });
    });
    group.finish();
}

/// One of the three formats.
type Exposition = fn(&Metrics, &Gauges, &mut Vec<u8>);

fn scraping(criterion: &mut Criterion) {
    let metrics = Metrics::new(8);
    metrics.http.request(Route::Submit, 201);
    metrics.ledger.total.record(Duration::from_millis(1));
    let gauges = Gauges {
        process: ProcessMetrics::read(),
        ..Gauges::default()
    };
    let mut out = Vec::new();

    let mut group = criterion.benchmark_group("scrape");
    let formats: [(&str, Exposition); 3] = [
        ("classic", classic),
        ("openmetrics", openmetrics),
        ("stats_json", stats_json),
    ];
    for (name, format) in formats {
        out.clear();
        format(&metrics, &gauges, &mut out);
        assert!(out.len() > 1_000, "{name} is not empty");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                format(black_box(&metrics), black_box(&gauges), &mut out);
                out.len()
            });
        });
    }
    group.bench_function("process_read", |bencher| bencher.iter(ProcessMetrics::read));
    group.finish();
}

criterion_group!(benches, recording, scraping);
criterion_main!(benches);
