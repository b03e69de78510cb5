//! How long a batch's client is waited for.
//!
//! `--body-timeout` bounds the waiting for the client. Each `--max-body` bytes
//! of content renew it, so that a large body may take long and a client that
//! trickles may not; and the whole may take [`BODY_TIMEOUTS`] of them, or a few
//! clients could hold all places for hours. The time without room doesn't
//! count. Once a drain begins, the rest has [`LAST_BYTES`] to come.

use std::time::{Duration, Instant};

use crate::http::api::batch::{BODY_TIMEOUTS, LAST_BYTES};
use crate::http::api::limits::Limits;

/// When the client is given up.
pub(crate) struct BatchDeadline {
    pub(crate) until: Instant,
    /// The latest that `until` may become.
    pub(crate) end: Instant,
    /// The end has been brought forward by a drain.
    pub(crate) hurried: bool,
    timeout: Duration,
    /// Bytes that renew it, and those that have come since it was.
    price: usize,
    paid: usize,
}

impl BatchDeadline {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (now, timeout) = (Instant::now(), limits.body_timeout);
        Self {
            until: now + timeout,
            end: now + timeout * BODY_TIMEOUTS,
            hurried: false,
            timeout,
            price: limits.max_body,
            paid: 0,
        }
    }

    pub(crate) fn came(&mut self, bytes: usize) {
        self.paid += bytes;
        if self.paid >= self.price {
            self.paid = 0;
            self.until = self.end.min(Instant::now() + self.timeout);
        }
    }

    /// So much time was not the client's.
    pub(crate) fn pause(&mut self, time: Duration) {
        self.until += time;
        self.end += time;
    }

    pub(crate) fn hurry(&mut self) {
        if !self.hurried {
            self.hurried = true;
            self.end = self.end.min(Instant::now() + LAST_BYTES);
            self.until = self.until.min(self.end);
        }
    }
}
