//! Warns when the dedupe window is too short for the load: an id must be known
//! for longer than its submitter may come back with it.

use std::time::{Duration, Instant};

use crate::dedupe::window::Window;

/// How often the window is checked.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often the warning is repeated while it lasts.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Checks the window periodically; owned by the committer.
pub(crate) struct WindowMonitor {
    /// How far back it should reach.
    wanted: Duration,
    next: Instant,
}

impl WindowMonitor {
    pub(crate) fn new(wanted: Duration) -> Self {
        Self {
            wanted,
            next: Instant::now(),
        }
    }

    /// Checks the window if it is time to, else costs a comparison. Returns
    /// whether it warned.
    pub(crate) fn check(&mut self, window: &Window, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let age = window.age().filter(|age| *age < self.wanted);
        self.next = now
            + if age.is_some() {
                LOG_EVERY
            } else {
                CHECK_EVERY
            };
        if let Some(age) = age {
            tracing::warn!(
                ids = window.capacity(),
                "the dedupe window reaches back {age:.1?}, less than twice the ack timeout \
                 ({:?}): a retry may be taken for a new order; raise --dedupe-window",
                self.wanted
            );
        }
        age.is_some()
    }
}

#[cfg(test)]
mod tests {
    use crate::clock;
    use crate::dedupe::window::Known;
    use crate::ledger::Status;

    use super::*;

    #[test]
    fn a_full_window_that_is_too_short_is_reported_once_a_minute() {
        let window = Window::new(3);
        let insert = |seq, at| {
            let known = Known {
                seq,
                status: Status::Processed,
                content: 1,
            };
            window.insert(seq.into(), known, at);
        };
        let start = Instant::now();
        let mut monitor = WindowMonitor::new(Duration::from_secs(60));
        let at = |seconds| start + Duration::from_secs(seconds);
        insert(1, clock::unix_nanos());
        insert(2, clock::unix_nanos());
        assert!(!monitor.check(&window, at(1)), "not full");
        insert(3, clock::unix_nanos());
        assert!(!monitor.check(&window, start), "checked a moment ago");
        assert!(monitor.check(&window, at(3)));
        assert!(!monitor.check(&window, at(62)), "warned a moment ago");
        assert!(monitor.check(&window, at(64)), "it lasts");
        let long_ago = clock::unix_nanos() - 61_000_000_000;
        (4..7).for_each(|seq| insert(seq, long_ago));
        assert!(
            !monitor.check(&window, at(200)),
            "it reaches back far enough"
        );
        (7..10).for_each(|seq| insert(seq, clock::unix_nanos()));
        assert!(monitor.check(&window, at(202)), "no longer");
    }
}
