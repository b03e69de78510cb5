//! How fast orders get their outcomes, and from it the `Retry-After` of a refused
//! client.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a measurement takes.
const INTERVAL: Duration = Duration::from_millis(250);
/// The largest `Retry-After`, in seconds.
pub(crate) const RETRY_AFTER_MAX: u32 = 60;

/// Orders a second, averaged. Written by the committer, read by all.
#[derive(Default)]
pub(crate) struct Throughput {
    start: OnceLock<Instant>,
    /// Orders a second, times 1000; 0: not known yet.
    per_second: AtomicU64,
    /// Orders of the measurement under way, and when it began, in nanoseconds
    /// after `start`.
    orders: AtomicU64,
    began: AtomicU64,
    /// Where the jitter comes from.
    jitter: AtomicU64,
}

impl Throughput {
    /// Counts orders that have been answered. One thread only.
    pub(crate) fn count(&self, orders: u64, now: Instant) {
        let start = *self.start.get_or_init(|| now);
        let orders = self.orders.load(Ordering::Relaxed) + orders;
        let now = now.saturating_duration_since(start).as_nanos() as u64;
        let took = now - self.began.load(Ordering::Relaxed).min(now);
        if took < INTERVAL.as_nanos() as u64 {
            self.orders.store(orders, Ordering::Relaxed);
            return;
        }
        let measured = (u128::from(orders) * 1_000_000_000_000 / u128::from(took)) as u64;
        let before = self.per_second.load(Ordering::Relaxed);
        let average = if before == 0 {
            measured
        } else {
            (before + measured) / 2
        };
        self.per_second.store(average.max(1), Ordering::Relaxed);
        self.orders.store(0, Ordering::Relaxed);
        self.began.store(now, Ordering::Relaxed);
    }

    /// Whole seconds, 1 to [`RETRY_AFTER_MAX`], until `waiting` orders should
    /// be through, and up to half as long again, so that refused clients don't
    /// come back together.
    pub(crate) fn retry_after(&self, waiting: usize) -> u32 {
        let per_second = self.per_second.load(Ordering::Relaxed);
        let seconds = match per_second {
            0 => 1,
            rate => (waiting as u64 * 1000)
                .div_ceil(rate)
                .clamp(1, RETRY_AFTER_MAX.into()),
        };
        // A golden-ratio sequence spreads evenly over its range.
        let turn = self
            .jitter
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
            >> 32;
        let extra = ((seconds / 2 + 2) * turn) >> 32;
        (seconds + extra).min(RETRY_AFTER_MAX.into()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_depth_over_the_rate_within_bounds() {
        let rate = Throughput::default();
        assert!(
            (1..=2).contains(&rate.retry_after(1000)),
            "nothing measured yet"
        );
        let start = Instant::now();
        rate.count(0, start);
        for second in 1..=20 {
            rate.count(100, start + Duration::from_secs(second));
        }
        let waits: Vec<u32> = (0..100).map(|_| rate.retry_after(1000)).collect();
        assert!(
            waits.iter().all(|wait| (10..=16).contains(wait)),
            "{waits:?}"
        );
        assert!(waits.iter().any(|wait| *wait != waits[0]), "jittered");
        assert!((0..100).all(|_| rate.retry_after(1_000_000) == RETRY_AFTER_MAX));
        assert!((0..100).all(|_| (1..=2).contains(&rate.retry_after(0))));
    }
}
