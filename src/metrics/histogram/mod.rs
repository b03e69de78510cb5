//! A histogram of fixed buckets with one writer.
//!
//! Bounds are chosen at compile time: one scale for durations, one for the size
//! of a batch. A record is a binary search and three plain stores. Readers take
//! a [`HistogramSnapshot`], to which several histograms of the same scale can
//! be added.
//!
//! A snapshot's count is the sum of the buckets it read, so count and buckets
//! agree even while the owner writes on; the sum of values may be a record
//! ahead or behind.

mod scale;
mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::counter::OwnedCounter;
use crate::metrics::histogram::scale::{CELLS, DURATIONS, NANOS_PER_SUM_STEP, ORDERS, Scale};

pub(crate) use self::snapshot::HistogramSnapshot;

/// A histogram that one thread writes and any thread reads.
///
/// The rules of [`OwnedCounter`] hold: two writers at once would lose records.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    cells: [OwnedCounter; CELLS],
    /// In steps of the scale. A sum of nanoseconds would wrap after three days
    /// of a full queue (65,536 orders waiting add 65,536 s each second); one of
    /// microseconds takes nine years.
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

    /// Records one duration, for a histogram made by
    /// [`of_durations`](Self::of_durations); only the owner may call it. A
    /// duration past 584 years counts as 584 years.
    #[inline]
    pub fn record(&self, duration: Duration) {
        self.record_times(duration, 1);
    }

    /// Records the same duration `times` over at the cost of one. Only the
    /// owner may call it.
    #[inline]
    pub fn record_times(&self, duration: Duration, times: u64) {
        debug_assert!(
            std::ptr::eq(self.scale, &DURATIONS),
            "a duration among counts"
        );
        // `Duration::as_nanos` is 128 bits wide.
        let nanos = duration
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(duration.subsec_nanos()));
        self.record_many(nanos, times);
    }

    /// Records one value: nanoseconds or orders, as the histogram was made.
    /// Only the owner may call it.
    #[inline]
    pub fn record_value(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Records the same value `times` over at the cost of one. Only the owner
    /// may call it.
    #[inline]
    pub fn record_many(&self, value: u64, times: u64) {
        let cell = self.scale.bounds.partition_point(|bound| *bound < value);
        let values = value.saturating_mul(times);
        if self.scale.values_per_sum_step == 1 {
            self.sum.add(values);
        } else {
            // Division by a constant is a multiplication: hence not by the
            // scale's field.
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

    /// Adds what was recorded up to now to `snapshot`, which has to be of the
    /// same kind.
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
