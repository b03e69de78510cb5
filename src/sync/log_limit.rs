//! Log lines that clients can cause, at a bounded rate.
//!
//! A line for each bad request or broken connection would let one client fill
//! the log's disk, and slow the service down at the log's pace. So such a line
//! has a limit of its own, a static beside it; those past the limit are counted,
//! and the next line says how many there were.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in each period at most.
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

/// The limit of one kind of line.
#[derive(Debug)]
pub struct LogLimit(Mutex<Period>);

#[derive(Debug)]
struct Period {
    began: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl LogLimit {
    /// A limit, with no line logged yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Period {
            began: None,
            lines: 0,
            suppressed: 0,
        }))
    }

    /// Calls `log` unless the limit is reached, with the number of lines that
    /// have been suppressed since it was last called, if there are any.
    pub fn log(&self, log: impl FnOnce(Option<u64>)) {
        if let Some(suppressed) = self.permit(Instant::now()) {
            log((suppressed > 0).then_some(suppressed));
        }
    }

    fn permit(&self, now: Instant) -> Option<u64> {
        // Held for the counting only, not while a line is written.
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if period.began.is_none_or(|began| now >= began + PERIOD) {
            period.began = Some(now);
            period.lines = 0;
        }
        if period.lines == LINES_MAX {
            period.suppressed += 1;
            return None;
        }
        period.lines += 1;
        Some(std::mem::take(&mut period.suppressed))
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_past_the_limit_are_counted() {
        let limit = LogLimit::new();
        let began = Instant::now();
        for _ in 0..LINES_MAX {
            assert_eq!(limit.permit(began), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(limit.permit(began + PERIOD / 2), None);
        }
        assert_eq!(limit.permit(began + PERIOD), Some(7));
        assert_eq!(limit.permit(began + PERIOD), Some(0), "said once");
        let mut said = None;
        limit.log(|suppressed| said = Some(suppressed));
        assert_eq!(said, Some(None));
    }
}
