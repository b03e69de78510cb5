//! A histogram of fixed buckets with one writer.
//!
//! Bounds are chosen at compile time: one scale for durations, one for the size of a batch. A record
//! is a binary search and three plain stores. Readers take a [`HistogramSnapshot`], to which several
//! histograms of the same scale can be added.
//!
//! A snapshot's count is the sum of the buckets it read, so count and buckets agree even while the
//! owner writes on; the sum of values may be a record ahead or behind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::counter::OwnedCounter;

#[cfg(test)]
mod tests;

/// The longer scale's buckets, and the one above the last bound.
const CELLS: usize = DURATION_BOUNDS_NS.len() + 1;

/// In steps of 1, 2, 3, 5 from 1 µs to 60 s: a stage of 10 µs and one of 300 ms are each known to
/// within a factor of two.
#[rustfmt::skip]
const DURATION_BOUNDS_NS: [u64; 32] = [
    1_000, 2_000, 3_000, 5_000,
    10_000, 20_000, 30_000, 50_000,
    100_000, 200_000, 300_000, 500_000,
    1_000_000, 2_000_000, 3_000_000, 5_000_000,
    10_000_000, 20_000_000, 30_000_000, 50_000_000,
    100_000_000, 200_000_000, 300_000_000, 500_000_000,
    1_000_000_000, 2_000_000_000, 3_000_000_000, 5_000_000_000,
    10_000_000_000, 20_000_000_000, 30_000_000_000, 60_000_000_000,
];

/// The same in seconds, written as OpenMetrics 1.0 asks ("Considerations: Canonical Numbers").
#[rustfmt::skip]
const DURATION_LABELS: [&str; 32] = [
    "1e-06", "2e-06", "3e-06", "5e-06",
    "1e-05", "2e-05", "3e-05", "5e-05",
    "0.0001", "0.0002", "0.0003", "0.0005",
    "0.001", "0.002", "0.003", "0.005",
    "0.01", "0.02", "0.03", "0.05",
    "0.1", "0.2", "0.3", "0.5",
    "1.0", "2.0", "3.0", "5.0",
    "10.0", "20.0", "30.0", "60.0",
];

/// Powers of two up to the default queue's capacity: group commit doubles its batch as load doubles.
#[rustfmt::skip]
const ORDER_BOUNDS: [u64; 17] = [
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512,
    1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536,
];

#[rustfmt::skip]
const ORDER_LABELS: [&str; 17] = [
    "1.0", "2.0", "4.0", "8.0", "16.0", "32.0", "64.0", "128.0", "256.0", "512.0",
    "1024.0", "2048.0", "4096.0", "8192.0", "16384.0", "32768.0", "65536.0",
];

/// What a histogram measures and where its buckets end.
#[derive(Debug)]
struct Scale {
    /// Upper bounds, inclusive, ascending; nanoseconds or orders.
    bounds: &'static [u64],
    /// The bounds as values of `le`.
    labels: &'static [&'static str],
    /// A value's smallest steps in one step of the sum: sums of durations are kept in microseconds.
    values_per_sum_step: u64,
    /// Decimal places between a step of the sum and the unit on the wire.
    sum_decimals: u32,
}

static DURATIONS: Scale = Scale {
    bounds: &DURATION_BOUNDS_NS,
    labels: &DURATION_LABELS,
    values_per_sum_step: NANOS_PER_SUM_STEP,
    sum_decimals: 6,
};

static ORDERS: Scale = Scale {
    bounds: &ORDER_BOUNDS,
    labels: &ORDER_LABELS,
    values_per_sum_step: 1,
    sum_decimals: 0,
};

const NANOS_PER_SUM_STEP: u64 = 1_000;

const _: () = assert!(ORDER_BOUNDS.len() < CELLS);

/// A histogram that one thread writes and any thread reads.
///
/// The rules of [`OwnedCounter`] hold: two writers at once would lose records.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    cells: [OwnedCounter; CELLS],
    /// In steps of the scale. A sum of nanoseconds would wrap after three days of a full queue (65,536
    /// orders waiting add 65,536 s each second); one of microseconds takes nine years.
    sum: OwnedCounter,
    /// The remainder below one step of the sum, for the owner only.
    remainder: AtomicU64,
}

impl Histogram {
    /// An empty histogram of durations, from 1 µs to 60 s.
    pub const fn of_durations() -> Self {
        Self::new(&DURATIONS)
    }

    /// An empty histogram of counts of orders, from 1 to 65,536.
    pub const fn of_orders() -> Self {
        Self::new(&ORDERS)
    }

    const fn new(scale: &'static Scale) -> Self {
        Self {
            scale,
            cells: [const { OwnedCounter::new() }; CELLS],
            sum: OwnedCounter::new(),
            remainder: AtomicU64::new(0),
        }
    }

    /// Records one duration, for a histogram made by [`of_durations`](Self::of_durations); only the
    /// owner may call it. A duration past 584 years counts as 584 years.
    #[inline]
    pub fn record(&self, duration: Duration) {
        debug_assert!(
            std::ptr::eq(self.scale, &DURATIONS),
            "a duration among counts"
        );
        self.record_many(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), 1);
    }

    /// Records one value: nanoseconds or orders, as the histogram was made. Only the owner may call it.
    #[inline]
    pub fn record_value(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Records the same value `times` over at the cost of one. Only the owner may call it.
    #[inline]
    pub fn record_many(&self, value: u64, times: u64) {
        let cell = self.scale.bounds.partition_point(|bound| *bound < value);
        let values = value.saturating_mul(times);
        if self.scale.values_per_sum_step == 1 {
            self.sum.add(values);
        } else {
            // Division by a constant is a multiplication: hence not by the scale's field.
            let values = values.saturating_add(self.remainder.load(Ordering::Relaxed));
            self.remainder
                .store(values % NANOS_PER_SUM_STEP, Ordering::Relaxed);
            self.sum.add(values / NANOS_PER_SUM_STEP);
        }
        self.cells[cell].add(times);
    }

    /// What was recorded up to now, from any thread.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut snapshot = HistogramSnapshot::empty(self.scale);
        self.merge_into(&mut snapshot);
        snapshot
    }

    /// Adds what was recorded up to now to `snapshot`, which has to be of the same kind.
    pub fn merge_into(&self, snapshot: &mut HistogramSnapshot) {
        debug_assert!(
            std::ptr::eq(self.scale, snapshot.scale),
            "counts among durations"
        );
        for (total, cell) in snapshot.cells.iter_mut().zip(&self.cells) {
            *total = total.wrapping_add(cell.get());
        }
        snapshot.sum = snapshot.sum.wrapping_add(self.sum.get());
    }
}

/// What one histogram, or several together, held at about one moment. 300 bytes.
#[derive(Debug, Clone)]
pub struct HistogramSnapshot {
    scale: &'static Scale,
    cells: [u64; CELLS],
    sum: u64,
}

impl HistogramSnapshot {
    /// An empty one to add histograms of durations to.
    pub const fn of_durations() -> Self {
        Self::empty(&DURATIONS)
    }

    const fn empty(scale: &'static Scale) -> Self {
        Self {
            scale,
            cells: [0; CELLS],
            sum: 0,
        }
    }

    /// How many values were recorded: the sum of the buckets read.
    pub fn count(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// The sum of the values as an integer and the decimal places to cut off for seconds or orders:
    /// `(1_500_000, 6)` is 1.5 s.
    pub fn sum(&self) -> (u64, u32) {
        (self.sum, self.scale.sum_decimals)
    }

    /// For each finite bucket its `le` label and how many values are at or below it, ascending. The
    /// `+Inf` bucket is [`count`](Self::count).
    pub fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.scale
            .labels
            .iter()
            .zip(&self.cells)
            .scan(0, |below, (label, cell)| {
                *below += cell;
                Some((*label, *below))
            })
    }

    /// The mean in nanoseconds or orders, rounded down; `None` while nothing was recorded.
    pub fn mean(&self) -> Option<u64> {
        let values = u128::from(self.sum) * u128::from(self.scale.values_per_sum_step);
        let mean = values.checked_div(u128::from(self.count()))?;
        Some(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// An estimate of the value that `per_mille` of 1,000 are at or below, in nanoseconds or orders;
    /// `None` while nothing was recorded.
    ///
    /// Linear inside a bucket, as Prometheus' `histogram_quantile` does, so that the page and a
    /// dashboard agree; above the last bound it is that bound. Counts are rounded up to the next
    /// that the bucket can hold: when every batch has one order, so has the median.
    pub fn quantile(&self, per_mille: u32) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        // In thousandths of a record, so that nothing is rounded before the end.
        let rank = u128::from(count) * u128::from(per_mille.min(1_000));
        let (mut below, mut lower) = (0_u128, 0_u64);
        for (upper, cell) in self.scale.bounds.iter().zip(&self.cells) {
            let inside = u128::from(*cell) * 1_000;
            if inside > 0 && below + inside >= rank {
                let width = u128::from(upper - lower);
                let part = width * (rank - below);
                let offset = match self.scale.sum_decimals {
                    0 => part.div_ceil(inside).max(1),
                    _ => part / inside,
                };
                return Some(lower + u64::try_from(offset).unwrap_or(upper - lower));
            }
            below += inside;
            lower = *upper;
        }
        Some(lower)
    }
}
