//! Bounds, sums and quantiles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::metrics::histogram::scale::{DURATION_BOUNDS_NS, DURATIONS, ORDERS};
use crate::metrics::histogram::{Histogram, HistogramSnapshot};

/// The index of the only bucket that is not empty.
fn bucket_of(histogram: &Histogram) -> usize {
    let cells = histogram.snapshot().cells;
    assert_eq!(cells.iter().filter(|cell| **cell > 0).count(), 1);
    cells
        .iter()
        .position(|cell| *cell > 0)
        .expect("one bucket is not empty, as just asserted")
}

#[test]
fn bounds_ascend_and_their_labels_say_the_same() {
    for (scale, per_unit) in [(&DURATIONS, 1e9), (&ORDERS, 1.0)] {
        assert_eq!(scale.bounds.len(), scale.labels.len());
        assert!(scale.bounds.is_sorted_by(|a, b| a < b));
        for (bound, label) in scale.bounds.iter().zip(scale.labels) {
            let said: f64 = label.parse().expect("a label is a number");
            assert_eq!(said, *bound as f64 / per_unit, "{label}");
        }
    }
}

#[test]
fn a_bound_belongs_to_the_bucket_it_ends() {
    for (index, bound) in DURATION_BOUNDS_NS.iter().enumerate() {
        for (value, bucket) in [(bound - 1, index), (*bound, index), (bound + 1, index + 1)] {
            let histogram = Histogram::of_durations();
            histogram.record_value(value);
            assert_eq!(bucket_of(&histogram), bucket, "{value} ns");
        }
    }
}

#[test]
fn the_ends_of_the_range_have_a_bucket() {
    for (value, bucket) in [
        (Duration::ZERO, 0),
        (Duration::MAX, DURATION_BOUNDS_NS.len()),
    ] {
        let histogram = Histogram::of_durations();
        histogram.record(value);
        assert_eq!(bucket_of(&histogram), bucket);
    }
}

#[test]
fn parts_of_a_microsecond_add_up_in_the_sum() {
    let histogram = Histogram::of_durations();
    (0..2_000).for_each(|_| histogram.record(Duration::from_nanos(1_001)));
    assert_eq!(histogram.snapshot().sum(), (2_002, 6));
    assert_eq!(histogram.snapshot().mean(), Some(1_001));
}

#[test]
fn many_at_once_are_as_many_one_by_one() {
    let (at_once, singly) = (Histogram::of_orders(), Histogram::of_orders());
    at_once.record_many(7, 3);
    (0..3).for_each(|_| singly.record_value(7));
    assert_eq!(at_once.snapshot().cells, singly.snapshot().cells);
    assert_eq!(at_once.snapshot().sum(), (21, 0));
    assert_eq!(singly.snapshot().sum(), (21, 0));
}

#[test]
fn a_merge_holds_the_records_of_all() {
    let histograms = [Histogram::of_durations(), Histogram::of_durations()];
    histograms[0].record(Duration::from_micros(10));
    histograms[1].record(Duration::from_micros(10));
    histograms[1].record(Duration::from_secs(61));
    let mut merged = HistogramSnapshot::of_durations();
    histograms
        .iter()
        .for_each(|histogram| histogram.merge_into(&mut merged));
    assert_eq!(merged.count(), 3);
    assert_eq!(merged.sum(), (61_000_020, 6));
    let at_ten_micros = merged.cumulative().find(|(label, _)| *label == "1e-05");
    assert_eq!(at_ten_micros, Some(("1e-05", 2)));
    assert_eq!(merged.cumulative().last(), Some(("60.0", 2)));
}

#[test]
fn quantiles_are_linear_inside_a_bucket() {
    let histogram = Histogram::of_durations();
    // 100 values between 200 and 300 ms.
    histogram.record_many(250_000_000, 100);
    let snapshot = histogram.snapshot();
    assert_eq!(snapshot.quantile(500), Some(250_000_000));
    assert_eq!(snapshot.quantile(900), Some(290_000_000));
    assert_eq!(snapshot.quantile(999), Some(299_900_000));
    assert_eq!(snapshot.quantile(1_000), Some(300_000_000));
}

#[test]
fn quantiles_of_counts_are_counts() {
    let histogram = Histogram::of_orders();
    histogram.record_many(1, 100);
    let snapshot = histogram.snapshot();
    for per_mille in [0, 1, 500, 999, 1_000] {
        assert_eq!(snapshot.quantile(per_mille), Some(1));
    }
    // 5 to 8 share a bucket: taken as spread evenly.
    histogram.record_many(6, 300);
    let snapshot = histogram.snapshot();
    let quantiles = [250, 251, 500, 750, 1_000].map(|per_mille| snapshot.quantile(per_mille));
    assert_eq!(quantiles, [1, 5, 6, 7, 8].map(Some));
}

#[test]
fn quantiles_find_their_bucket_past_empty_ones() {
    let histogram = Histogram::of_durations();
    histogram.record_many(10_000, 90);
    histogram.record_many(300_000_000, 10);
    let snapshot = histogram.snapshot();
    assert_eq!(
        snapshot.quantile(900),
        Some(10_000),
        "the last of the fast ones"
    );
    assert_eq!(snapshot.quantile(990), Some(290_000_000));
    assert_eq!(
        snapshot.quantile(0),
        Some(5_000),
        "the lower end of the first bucket in use"
    );
}

#[test]
fn a_quantile_above_all_bounds_is_the_last_bound() {
    let histogram = Histogram::of_durations();
    histogram.record(Duration::from_secs(3_600));
    assert_eq!(histogram.snapshot().quantile(500), Some(60_000_000_000));
}

#[test]
fn nothing_recorded_has_no_mean_and_no_quantile() {
    let snapshot = Histogram::of_durations().snapshot();
    assert_eq!(
        (snapshot.count(), snapshot.mean(), snapshot.quantile(500)),
        (0, None, None)
    );
}

#[test]
fn a_reader_never_sees_a_count_a_bucket_or_the_sum_go_back() {
    const RECORDS: u64 = 200_000;
    let (histogram, done) = (Histogram::of_durations(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..RECORDS).for_each(|record| histogram.record_value(record * 997 % 70_000_000));
            done.store(true, Ordering::Relaxed);
        });
        let mut before = histogram.snapshot();
        while !done.load(Ordering::Relaxed) {
            let now = histogram.snapshot();
            assert!(now.count() >= before.count());
            assert!(now.sum >= before.sum);
            assert!(
                now.cells
                    .iter()
                    .zip(&before.cells)
                    .all(|(now, before)| now >= before)
            );
            let below_last = now.cumulative().last().map_or(0, |(_, below)| below);
            assert!(below_last <= now.count());
            before = now;
        }
    });
    assert_eq!(histogram.snapshot().count(), RECORDS);
}
