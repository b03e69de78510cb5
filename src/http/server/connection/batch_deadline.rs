//! How long the rest of a batch's body may take to arrive.
//!
//! `--body-timeout` bounds the wait. Every `--max-body` bytes of content renew
//! it, so that a large body may take long and a client that trickles may not;
//! the whole body has [`BODY_TIMEOUTS`] of them, or a few clients could hold all
//! permits for batches for hours. While an order waits for space in the queue
//! the clock stops. Once a drain begins, the rest has [`LAST_BYTES`].

use std::time::{Duration, Instant};

use crate::http::api::batch::{BODY_TIMEOUTS, LAST_BYTES};

#[derive(Debug)]
pub(crate) struct BatchDeadline {
    next: Instant,
    /// The latest that `next` may become.
    last: Instant,
    is_draining: bool,
    timeout: Duration,
    /// Bytes of content that renew it, and those received since it was renewed.
    renewal_bytes: usize,
    received_bytes: usize,
}

impl BatchDeadline {
    /// A body of which `renewal_bytes` have to come within each `timeout`.
    pub(crate) fn new(timeout: Duration, renewal_bytes: usize) -> Self {
        let now = Instant::now();
        Self {
            next: now + timeout,
            last: now + timeout * BODY_TIMEOUTS,
            is_draining: false,
            timeout,
            renewal_bytes,
            received_bytes: 0,
        }
    }

    /// When the wait for more bytes is over.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Whether a drain has brought it forward.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether the body as a whole has taken too long.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.last
    }

    /// Whether no further read may begin. Before a drain a read begins even past
    /// `next`, since what it finds may have arrived in time; a client that
    /// always has more there is stopped by `last`. In a drain it is stopped by
    /// `next`.
    pub(crate) fn forbids_read(&self, now: Instant) -> bool {
        self.is_over(now) || self.is_draining && now >= self.next
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.received_bytes += bytes;
        if self.received_bytes >= self.renewal_bytes {
            self.received_bytes = 0;
            self.next = self.last.min(Instant::now() + self.timeout);
        }
    }

    /// Leaves out a time in which nothing was read.
    pub(crate) fn extend(&mut self, time: Duration) {
        self.next += time;
        self.last += time;
    }

    pub(crate) fn begin_drain(&mut self) {
        if !self.is_draining {
            self.is_draining = true;
            self.last = self.last.min(Instant::now() + LAST_BYTES);
            self.next = self.next.min(self.last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(600);

    #[test]
    fn only_enough_bytes_renew_it() {
        let mut deadline = BatchDeadline::new(TIMEOUT, 10);
        let first = deadline.next();
        deadline.received(9);
        assert_eq!(deadline.next(), first);
        let before = Instant::now();
        deadline.received(1);
        let renewed = deadline.next();
        assert!(renewed >= before + TIMEOUT);
        deadline.received(9);
        assert_eq!(deadline.next(), renewed, "counted from the renewal on");
    }

    #[test]
    fn renewals_end_with_the_time_of_the_whole_body() {
        let mut deadline = BatchDeadline::new(TIMEOUT, 1);
        deadline.last = deadline.next;
        deadline.received(1);
        assert_eq!(deadline.next(), deadline.last);
        assert!(!deadline.is_over(deadline.last - Duration::from_nanos(1)));
        assert!(deadline.is_over(deadline.last));
    }

    #[test]
    fn time_without_space_is_not_the_clients() {
        let mut deadline = BatchDeadline::new(TIMEOUT, 1);
        let (next, last) = (deadline.next, deadline.last);
        deadline.extend(TIMEOUT);
        assert_eq!(
            (deadline.next, deadline.last),
            (next + TIMEOUT, last + TIMEOUT)
        );
    }

    #[test]
    fn a_drain_brings_it_forward_once() {
        let mut deadline = BatchDeadline::new(TIMEOUT, 1);
        let next = deadline.next();
        assert!(
            !deadline.forbids_read(next),
            "what came in time may still be there"
        );
        deadline.begin_drain();
        let brought_forward = deadline.next();
        assert!(brought_forward <= Instant::now() + LAST_BYTES);
        assert!(deadline.forbids_read(brought_forward));
        deadline.begin_drain();
        assert_eq!(deadline.next(), brought_forward);
    }
}
