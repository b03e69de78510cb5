//! A batch whose body has been read, waiting for outcomes.

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::http::api::batch::results::Results;
use crate::http::api::service::{BatchPermit, Service};
use crate::http::wire::reply::{NDJSON, Reply};
use crate::sync::memory_budget::MemoryPermit;
use crate::sync::watch_list::Watch;

/// How long reasons of earlier failures are read after the last byte, at least.
const READING: Duration = Duration::from_secs(1);

/// From the last byte of the body to the reply; hold it until the reply is out.
pub(crate) struct BatchCompletion {
    results: Results,
    until: Instant,
    /// When reasons are no longer waited for, either.
    reading_until: Instant,
    waker: Waker,
    watch: Option<Watch>,
    permit: BatchPermit,
    _memory: [MemoryPermit; 2],
}

impl BatchCompletion {
    /// Waits for so long.
    pub(super) fn new(
        results: Results,
        wait: Duration,
        waker: Waker,
        permit: BatchPermit,
        memory: [MemoryPermit; 2],
    ) -> Self {
        let now = Instant::now();
        Self {
            results,
            until: now + wait,
            reading_until: now + wait.max(READING),
            waker,
            watch: None,
            permit,
            _memory: memory,
        }
    }

    /// When to poll again at the latest.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// The reply, once every line has an answer or the time is up.
    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        if !self.is_settled(service) {
            return None;
        }
        self.watch = None;
        let reply = Reply::bytes(200, NDJSON, self.results.take());
        self.permit.answered();
        Some(reply)
    }

    fn is_settled(&mut self, service: &Service) -> bool {
        if self.results.settle() {
            return true;
        }
        // Listed first, then checked: what ends in between is not missed.
        self.watch = Some(service.admission.watch(&self.waker));
        if self.results.settle() {
            return true;
        }
        let now = Instant::now();
        if now < self.until {
            return false;
        }
        self.results.ack_queued();
        if now >= self.reading_until {
            self.results.stop_reading();
        }
        if self.results.settle() {
            return true;
        }
        self.until = if self.results.is_reading() {
            self.reading_until
        } else {
            // Some have just ended: their answers are about to be there.
            now + Duration::from_millis(1)
        };
        false
    }
}
