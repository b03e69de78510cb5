//! What arrives on a connection: the buffer, and the head of the next request.

use std::time::{Duration, Instant};

use crate::http::api::problem::Problem;
use crate::http::server::connection::{Connection, Next};
use crate::http::server::socket::Ended;
use crate::http::wire::{Head, HeadLimits, parse_head};
use crate::metrics::Route;
use crate::sync::memory_budget::FREE_BYTES;

/// What the input buffer starts with; enough for most requests.
pub(crate) const INPUT_BYTES: usize = FREE_BYTES;
/// Buffers that grew past this are given back between requests.
pub(crate) const KEPT_BYTES: usize = 32 << 10;

impl Connection {
    /// Waits for the next request's head.
    pub(crate) fn head(&mut self, idle: Duration) -> Result<Head, Next> {
        let (mut idle_until, mut head_until) = (None, None);
        loop {
            let waiting = &self.input[self.start..];
            match parse_head(waiting, &mut self.searched, &HeadLimits::default()) {
                Ok(Some(head)) => return Ok(head),
                Ok(None) => {}
                Err(error) => {
                    self.last(Route::Other, error.into());
                    return Err(Next::Close);
                }
            }
            let begun = !waiting.is_empty();
            if !self.flush_all() {
                return Err(Next::Drop);
            }
            if !begun && self.service.is_closing() {
                return Err(Next::Close);
            }
            let (until, timeout) = if begun {
                (&mut head_until, self.service.limits.head_timeout)
            } else {
                (&mut idle_until, idle)
            };
            let until = *until.get_or_insert_with(|| Instant::now() + timeout);
            match self.fill(INPUT_BYTES, until) {
                Ok(()) => {}
                Err(Ended::Timeout) if begun => {
                    let detail = "the head did not arrive within --head-timeout";
                    self.last(Route::Other, Problem::RequestTimeout.report(detail));
                    return Err(Next::Close);
                }
                Err(Ended::Woken) if begun => {} // closing: but this one still comes in
                Err(Ended::Timeout | Ended::Woken) => return Err(Next::Close),
                Err(Ended::Closed | Ended::Broken) => return Err(Next::Drop),
            }
        }
    }

    /// Reads at least a byte into the input buffer, making room for `wanted`.
    pub(crate) fn fill(&mut self, wanted: usize, until: Instant) -> Result<(), Ended> {
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
            if self.input.capacity() > KEPT_BYTES {
                self.input = Vec::new();
            }
        } else if self.start > 0 && self.input.capacity() - self.input.len() < wanted {
            self.input.drain(..self.start);
            self.start = 0;
        }
        if self.input.capacity() - self.input.len() < wanted.min(INPUT_BYTES / 4) {
            self.input.reserve(wanted);
        }
        let service = &self.service;
        self.socket
            .read(&mut self.input, until, || !service.is_closing())
    }
}
