//! Histograms read, added up and summarised.

use crate::metrics::histogram::scale::{CELLS, DURATIONS, Scale};

/// What one histogram, or several together, held at about one moment. 300 bytes.
#[derive(Debug, Clone)]
pub struct HistogramSnapshot {
    pub(super) scale: &'static Scale,
    pub(super) cells: [u64; CELLS],
    pub(super) sum: u64,
}

impl HistogramSnapshot {
    /// An empty one to add histograms of durations to.
    pub const fn of_durations() -> Self {
        Self::empty(&DURATIONS)
    }

    pub(super) const fn empty(scale: &'static Scale) -> Self {
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
