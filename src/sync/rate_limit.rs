//! A rate with a burst, by the generic cell rate algorithm (ITU-T I.371, annex
//! A): one word says when the limit would be idle again, and each thing that is
//! let through moves that by an interval. No lock, and no thread that refills.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much a limit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds for each.
    interval: u64,
    /// Nanoseconds that may be used ahead of time.
    burst: u64,
}

/// What has gone through a limit.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    /// When it will be idle, in nanoseconds since [`ORIGIN`].
    idle_at: AtomicU64,
}

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Rate {
    /// So many in each period, and `burst` at once; both are at least one, and
    /// a period has at least a nanosecond for each.
    pub(crate) fn new(count: u32, period: Duration, burst: u32) -> Self {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let interval = (period / u64::from(count.max(1))).max(1);
        Self {
            interval,
            burst: interval.saturating_mul(u64::from(burst.max(1))),
        }
    }

    /// How long it takes until a limit that was used up lets a whole burst
    /// through.
    pub(crate) fn refill_time(&self) -> Duration {
        Duration::from_nanos(self.burst)
    }

    /// How many go through at once.
    pub(crate) fn burst(&self) -> u64 {
        self.burst / self.interval
    }
}

impl RateLimit {
    /// Lets one through at this time, or says how long to wait.
    #[inline]
    pub(crate) fn take(&self, rate: &Rate, now: Instant) -> Result<(), Duration> {
        let now = now.saturating_duration_since(*ORIGIN).as_nanos() as u64;
        let next = |idle_at: u64| {
            let next = idle_at.max(now).saturating_add(rate.interval);
            (next - now <= rate.burst).then_some(next)
        };
        // Relaxed: it counts, and guards nothing.
        let taken = self
            .idle_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        taken.map(drop).map_err(|idle_at| {
            let over = (idle_at - now).saturating_add(rate.interval) - rate.burst;
            Duration::from_nanos(over)
        })
    }

    /// Whether a whole burst would go through.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(*ORIGIN).as_nanos() as u64;
        self.idle_at.load(Ordering::Relaxed) <= now
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many go through at one time.
    fn burst(limit: &RateLimit, rate: &Rate, now: Instant) -> usize {
        (0..10_000)
            .take_while(|_| limit.take(rate, now).is_ok())
            .count()
    }

    #[test]
    fn a_burst_goes_through_and_then_the_rate() {
        let (limit, rate) = (RateLimit::default(), Rate::new(100, SECOND, 250));
        assert_eq!((rate.burst(), rate.refill_time()), (250, SECOND * 5 / 2));
        let start = *ORIGIN + SECOND;
        assert_eq!(burst(&limit, &rate, start), 250);
        let wait = limit.take(&rate, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(10));
        assert!(
            limit
                .take(&rate, start + wait - Duration::from_nanos(1))
                .is_err()
        );
        assert_eq!(burst(&limit, &rate, start + wait), 1);
        assert_eq!(burst(&limit, &rate, start + SECOND), 99);
        // What is not used is kept, up to a burst.
        assert_eq!(burst(&limit, &rate, start + SECOND * 100), 250);
        // A time that was read before another thread's changes nothing.
        assert_eq!(burst(&limit, &rate, start), 0);
    }

    #[test]
    fn the_slowest_and_the_fastest() {
        let start = *ORIGIN + SECOND;
        let hourly = Rate::new(1, SECOND * 3600, 1);
        let limit = RateLimit::default();
        assert_eq!(burst(&limit, &hourly, start), 1);
        assert_eq!(limit.take(&hourly, start), Err(SECOND * 3600));
        let fast = Rate::new(1_000_000, SECOND, 1_000_000);
        assert_eq!(burst(&RateLimit::default(), &fast, start), 10_000);
        let most = Rate::new(u32::MAX, SECOND, u32::MAX);
        assert_eq!(burst(&RateLimit::default(), &most, start), 10_000);
    }

    #[test]
    fn threads_share_one_burst() {
        let (limit, rate) = (RateLimit::default(), Rate::new(1, SECOND * 3600, 1000));
        let now = Instant::now();
        let taken: usize = thread::scope(|scope| {
            let burst = || burst(&limit, &rate, now);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(burst)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(taken, 1000);
    }
}
