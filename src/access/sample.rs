//! Which lines of an access log are written. A client decides how many requests
//! there are, so there is a limit, with a count of those that were left out in
//! the next line. Each front end has its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::AccessLog;
use crate::sync::rate_limit::{Rate, RateLimit};

/// Lines a second, and at once.
const LINES_PER_SECOND: u32 = 100;
const BURST_LINES: u32 = 200;

pub(crate) struct AccessSample {
    which: AccessLog,
    limit: RateLimit,
    rate: Rate,
    left_out: AtomicU64,
}

impl AccessSample {
    pub(crate) fn new(which: AccessLog) -> Self {
        Self {
            which,
            limit: RateLimit::default(),
            rate: Rate::new(LINES_PER_SECOND, Duration::from_secs(1), BURST_LINES),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether there is a log at all.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.which != AccessLog::Off
    }

    /// Calls `log` if a line is to be written for what has just ended, with the
    /// number of those left out before it, if there are any.
    pub(crate) fn log(&self, is_error: bool, now: Instant, log: impl FnOnce(Option<u64>)) {
        match self.which {
            AccessLog::Off => return,
            AccessLog::Errors if !is_error => return,
            AccessLog::Errors | AccessLog::All => {}
        }
        if self.limit.take(&self.rate, now).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        log((left_out > 0).then_some(left_out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(sample: &AccessSample, is_error: bool, now: Instant) -> Option<Option<u64>> {
        let mut logged = None;
        sample.log(is_error, now, |left_out| logged = Some(left_out));
        logged
    }

    #[test]
    fn lines_past_the_rate_are_counted_in_the_next() {
        let sample = AccessSample::new(AccessLog::Errors);
        // A rate begins to count when it is first read.
        let now = Instant::now() + Duration::from_secs(1);
        for _ in 0..BURST_LINES {
            assert_eq!(logged(&sample, true, now), Some(None));
        }
        for _ in 0..3 {
            assert_eq!(logged(&sample, true, now), None);
        }
        assert_eq!(logged(&sample, false, now), None, "no error, not counted");
        let later = now + Duration::from_secs(1);
        assert_eq!(logged(&sample, true, later), Some(Some(3)));
        assert_eq!(logged(&sample, true, later), Some(None), "said once");
    }

    #[test]
    fn without_a_log_nothing_is_written() {
        let sample = AccessSample::new(AccessLog::Off);
        assert!(!sample.is_on());
        assert_eq!(logged(&sample, true, Instant::now()), None);
        let all = AccessSample::new(AccessLog::All);
        assert_eq!(logged(&all, false, Instant::now()), Some(None));
    }
}
