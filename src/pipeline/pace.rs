//! When it pays to let orders come together before a commit that nobody waits
//! for.
//!
//! A commit costs its fdatasync, and a wake-up or two, however many orders are
//! in it. So under load a short pause before it makes each order cheaper.
//! Without load it makes them dearer: the cores halt meanwhile, and waking them
//! costs more than the commits that are saved.

use std::time::{Duration, Instant};

/// A pause pays if about so many orders come in it. Measured: one connection
/// that sends order after order brings fewer, 64 connections bring more.
const ORDERS_MIN: u64 = 48;

/// The rate of orders between the last two batches.
pub(crate) struct Pace {
    since: Instant,
    orders: u64,
    took: Duration,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            orders: 0,
            took: Duration::MAX,
        }
    }

    /// So many outcomes were published at `now`.
    pub(crate) fn published(&mut self, orders: u64, now: Instant) {
        if orders > 0 {
            self.orders = orders;
            self.took = now.saturating_duration_since(self.since);
            self.since = now;
        }
    }

    /// Whether a pause this long would bring enough orders.
    pub(crate) fn pays(&self, pause: Duration) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.orders.saturating_mul(micros(pause)) > ORDERS_MIN.saturating_mul(micros(self.took))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_pays_at_a_rate() {
        const PAUSE: Duration = Duration::from_millis(1);
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(!pace.pays(PAUSE), "nothing is known");
        pace.published(10, start + Duration::from_millis(1));
        assert!(!pace.pays(PAUSE) && pace.pays(5 * PAUSE));
        pace.published(0, start + Duration::from_secs(1)); // no batch
        pace.published(10, start + Duration::from_micros(1100));
        assert!(pace.pays(PAUSE), "100 a millisecond");
        assert!(!pace.pays(Duration::ZERO), "off");
        pace.published(100, start + Duration::from_secs(5));
        assert!(!pace.pays(PAUSE), "it was idle");
    }
}
