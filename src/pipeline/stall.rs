//! Notices that the fused worker hangs in a processor, while it does.
//!
//! The worker can't say so itself, and a thread that looks after it would wake
//! up in an idle process. So those look who meet the consequence: each push, and
//! each scrape.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;

/// A round takes too long when it takes this long: its processor says that it
/// is quick.
pub(crate) const SLOW_ROUND: Duration = Duration::from_secs(1);

/// What a round is said to have begun at when none is under way.
const NONE: u64 = 0;

/// The round of orders that the worker evaluates now.
#[derive(Default)]
pub(crate) struct Round {
    /// When it began, in milliseconds from 1 on, or [`NONE`]. Written by the
    /// worker once or twice a round.
    began_ms: CachePadded<AtomicU64>,
    /// The last round that was reported, by its beginning.
    reported_ms: AtomicU64,
}

impl Round {
    /// A round begins; for the worker.
    pub(crate) fn begin(&self, now_ms: u64) {
        self.began_ms.store(now_ms.max(1), Ordering::Relaxed);
    }

    /// It is over; for the worker.
    pub(crate) fn end(&self) {
        self.began_ms.store(NONE, Ordering::Relaxed);
    }

    /// How long the round has taken, if that is too long and was not reported
    /// yet. `now_ms` is asked only if a round is under way.
    pub(crate) fn stall(&self, now_ms: impl FnOnce() -> u64) -> Option<Duration> {
        let began_ms = self.began_ms.load(Ordering::Relaxed);
        if began_ms == NONE {
            return None;
        }
        let took = Duration::from_millis(now_ms().saturating_sub(began_ms));
        let is_news = took >= SLOW_ROUND
            && self.reported_ms.load(Ordering::Relaxed) != began_ms
            && self.reported_ms.swap(began_ms, Ordering::Relaxed) != began_ms;
        is_news.then_some(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_that_takes_too_long_is_reported_once() {
        let round = Round::default();
        let stall = |now_ms| round.stall(|| now_ms);
        assert_eq!(round.stall(|| unreachable!("no round")), None);
        round.begin(0);
        assert_eq!(stall(1_000), None);
        assert_eq!(stall(1_001), Some(SLOW_ROUND));
        assert_eq!(stall(5_000), None, "reported");
        round.end();
        assert_eq!(stall(9_000), None);
        round.begin(9_000);
        assert_eq!(stall(9_999), None);
        assert_eq!(stall(12_500), Some(Duration::from_millis(3_500)));
    }
}
