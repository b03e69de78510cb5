//! How fast orders get their outcomes, and from it the `Retry-After` of a
//! refused client.
//!
//! A measured rate says how fast orders left while some did. When none has left
//! for a time, at most one leaves in such a time: so the estimate fades, and
//! after [`STALL`] there is none. An empty pipeline has nothing to commit, so
//! the time counts from the order that found it empty.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a measurement takes.
const INTERVAL: Duration = Duration::from_millis(250);
/// Orders are inside, and none of them was committed for so long: nothing says
/// when the queue drains.
const STALL: Duration = Duration::from_secs(5);
/// The largest `Retry-After`, in seconds.
pub(crate) const RETRY_AFTER_MAX: u32 = 60;

/// Orders a second, averaged. Read by all; written by the committer, but for
/// what says otherwise. Times are nanoseconds after `start`.
pub(crate) struct Throughput {
    start: Instant,
    /// Orders a second, times 1000; 0: not known yet.
    per_second: AtomicU64,
    /// Orders of the measurement under way, and when it began.
    orders: AtomicU64,
    began: AtomicU64,
    /// When an order was committed last.
    committed: AtomicU64,
    /// When an order came in that found none inside. Written by its submitter.
    busy_since: AtomicU64,
    /// Where the jitter comes from.
    jitter: AtomicU64,
}

impl Throughput {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            per_second: AtomicU64::new(0),
            orders: AtomicU64::new(0),
            began: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            jitter: AtomicU64::new(0),
        }
    }

    /// An order came in at this time and found none inside.
    pub(crate) fn begin_busy(&self, now: Instant) {
        self.busy_since.store(self.nanos(now), Ordering::Relaxed);
    }

    /// Counts orders that have been answered. One thread only.
    pub(crate) fn count(&self, orders: u64, now: Instant) {
        let now = self.nanos(now);
        self.committed.store(now, Ordering::Relaxed);
        let orders = self.orders.load(Ordering::Relaxed) + orders;
        let took = now.saturating_sub(self.began.load(Ordering::Relaxed));
        if took < INTERVAL.as_nanos() as u64 {
            self.orders.store(orders, Ordering::Relaxed);
            return;
        }
        let measured = milli_rate(orders, took);
        let before = self.per_second.load(Ordering::Relaxed);
        let average = if before == 0 {
            measured
        } else {
            before.midpoint(measured)
        };
        self.per_second.store(average.max(1), Ordering::Relaxed);
        self.orders.store(0, Ordering::Relaxed);
        self.began.store(now, Ordering::Relaxed);
    }

    /// Whole seconds, 1 to [`RETRY_AFTER_MAX`], until `waiting` orders should
    /// be through, and up to half as long again, so that refused clients don't
    /// come back together. The maximum while no order gets through.
    pub(crate) fn retry_after(&self, waiting: usize, now: Instant) -> u32 {
        let now = self.nanos(now);
        let busy_since = self.busy_since.load(Ordering::Relaxed);
        let committed = self.committed.load(Ordering::Relaxed);
        let silence = now.saturating_sub(busy_since.max(committed));
        if silence >= STALL.as_nanos() as u64 {
            return RETRY_AFTER_MAX;
        }
        let rate = match self.per_second.load(Ordering::Relaxed) {
            0 => {
                // The first measurement is under way.
                let began = self.began.load(Ordering::Relaxed).max(busy_since);
                let orders = self.orders.load(Ordering::Relaxed) + 1;
                milli_rate(orders, now.saturating_sub(began))
            }
            average => average.min(milli_rate(1, silence)),
        };
        let seconds = (waiting as u64)
            .saturating_mul(1000)
            .div_ceil(rate.max(1))
            .clamp(1, RETRY_AFTER_MAX.into());
        // A golden-ratio sequence spreads evenly over its range.
        let turn = self
            .jitter
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
            >> 32;
        let extra = ((seconds / 2 + 2) * turn) >> 32;
        (seconds + extra).min(RETRY_AFTER_MAX.into()) as u32
    }

    fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_nanos() as u64
    }
}

/// So many orders in so many nanoseconds, in thousandths of an order a second.
fn milli_rate(orders: u64, nanos: u64) -> u64 {
    let rate = u128::from(orders) * 1_000_000_000_000 / u128::from(nanos.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// 100 orders a second, in a process that was never empty; and the time of
    /// its last commit.
    fn measured() -> (Throughput, Instant) {
        let rate = Throughput::new();
        let start = rate.start;
        rate.begin_busy(start);
        for second in 1..=20 {
            rate.count(100, start + Duration::from_secs(second));
        }
        (rate, start + Duration::from_secs(20))
    }

    #[test]
    fn follows_the_depth_over_the_rate_within_bounds() {
        let (rate, now) = measured();
        let waits: Vec<u32> = (0..100).map(|_| rate.retry_after(1000, now)).collect();
        assert!(
            waits.iter().all(|wait| (10..=16).contains(wait)),
            "{waits:?}"
        );
        assert!(waits.iter().any(|wait| *wait != waits[0]), "jittered");
        assert!((0..100).all(|_| rate.retry_after(1_000_000, now) == RETRY_AFTER_MAX));
        assert!((0..100).all(|_| (1..=2).contains(&rate.retry_after(0, now))));
    }

    #[test]
    fn a_stale_rate_fades_and_a_stall_is_the_maximum() {
        let (rate, last) = measured();
        let after = |silence: f64, waiting| rate.retry_after(waiting, last + seconds(silence));
        assert!((1..=3).contains(&after(0.01, 100)), "as measured");
        assert!((20..=32).contains(&after(2.0, 10)), "one in two seconds");
        assert_eq!(after(2.0, 100), RETRY_AFTER_MAX);
        assert_eq!(after(5.0, 1), RETRY_AFTER_MAX);
        assert_eq!(
            after(5.0, 0),
            RETRY_AFTER_MAX,
            "none waits, but one is inside"
        );
        rate.count(1, last + seconds(60.0));
        assert!(after(60.0, 0) <= 2, "it goes on");
    }

    #[test]
    fn an_idle_time_is_no_stall() {
        let (rate, last) = measured();
        let busy = last + seconds(3600.0);
        rate.begin_busy(busy);
        assert!((1..=3).contains(&rate.retry_after(100, busy + seconds(0.01))));
        assert_eq!(rate.retry_after(1, busy + STALL), RETRY_AFTER_MAX);
    }

    #[test]
    fn before_anything_is_measured_the_first_orders_count() {
        let rate = Throughput::new();
        let busy = rate.start + seconds(100.0);
        rate.begin_busy(busy);
        assert_eq!(rate.retry_after(100, busy + seconds(4.9)), RETRY_AFTER_MAX);
        assert_eq!(rate.retry_after(1, busy + STALL), RETRY_AFTER_MAX);

        // A burst that fills the queue at once, and is being worked off.
        let rate = Throughput::new();
        let busy = rate.start;
        rate.begin_busy(busy);
        rate.count(999, busy + seconds(0.01));
        assert!(rate.retry_after(65_536, busy + seconds(0.01)) <= 2);
    }
}
