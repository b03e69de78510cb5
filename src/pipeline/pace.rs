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

/// The shortest time to tell a rate from: two orders that happen to come close
/// together are no load.
const WINDOW_MIN: Duration = Duration::from_millis(1);

/// The rate of orders, in the last window.
pub(crate) struct Pace {
    /// When the current window began, and the orders in it.
    since: Instant,
    orders: u64,
    /// The last window that ended.
    last_orders: u64,
    last_took: Duration,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            orders: 0,
            last_orders: 0,
            last_took: Duration::MAX,
        }
    }

    /// So many outcomes were published at `now`.
    pub(crate) fn published(&mut self, orders: u64, now: Instant) {
        self.orders += orders;
        let took = now.saturating_duration_since(self.since);
        if took >= WINDOW_MIN {
            (self.last_orders, self.last_took) = (self.orders, took);
            (self.orders, self.since) = (0, now);
        }
    }

    /// Whether a pause this long would bring enough orders.
    pub(crate) fn pays(&self, pause: Duration) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.last_orders.saturating_mul(micros(pause))
            > ORDERS_MIN.saturating_mul(micros(self.last_took))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_pays_at_a_rate() {
        const PAUSE: Duration = Duration::from_millis(1);
        let start = Instant::now();
        let after = |micros| start + Duration::from_micros(micros);
        let mut pace = Pace::new(start);
        assert!(!pace.pays(PAUSE), "nothing is known");
        pace.published(10, after(1_000));
        assert!(!pace.pays(PAUSE) && pace.pays(5 * PAUSE));
        pace.published(30, after(1_010));
        assert!(!pace.pays(PAUSE), "10 microseconds say little");
        pace.published(70, after(2_000));
        assert!(pace.pays(PAUSE), "100 in a millisecond");
        assert!(!pace.pays(Duration::ZERO), "off");
        pace.published(100, after(5_000_000));
        assert!(!pace.pays(PAUSE), "it was idle");
    }
}
