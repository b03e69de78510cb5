//! A batch whose body is being read.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::access::Quota;
use crate::http::api::batch::completion::BatchCompletion;
use crate::http::api::batch::lines::Lines;
use crate::http::api::batch::offer::LineOffers;
use crate::http::api::batch::refusal::BatchRefusal;
use crate::http::api::prefer::AckWait;
use crate::http::api::service::{BatchPermit, Service};
use crate::http::wire::{BodyFraming, ContentCoding, FieldLines};
use crate::order::Submission;
use crate::sync::memory_budget::MemoryPermit;
use crate::sync::watch_list::Watch;

/// Bytes of a body that are read at a time: enough to make a system call and
/// the turn of the thread's other connections cheap beside the orders in it.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// By how much the memory for the results of a batch grows.
const RESULTS_STEP: usize = 16 << 10;

/// A batch whose body is being read.
pub(crate) struct Batch {
    lines: Lines,
    offers: LineOffers,
    ack_wait: AckWait,
    waker: Waker,
    /// Calls the waker when an order leaves the queue, while one is blocked.
    watch: Option<Watch>,
    permit: BatchPermit,
    memory: MemoryPermit,
    results: MemoryPermit,
    /// The bytes of that permit.
    result_bytes: usize,
}

/// How much of a piece of the body was consumed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Consumed {
    All,
    /// So many bytes; then the queue was full for an order. See
    /// [`Batch::retry_blocked`].
    Blocked(usize),
    /// There are more lines than a batch gets results for: refuse it.
    TooManyLines,
    /// There is no memory for the results: refuse it.
    OutOfMemory,
}

impl Batch {
    /// Begins a batch, before a byte of its body is read; all of its orders are
    /// part of this submission, and charged to `quota`. `waker` wakes the
    /// coroutine that reads it.
    ///
    /// # Errors
    /// A [`BatchRefusal`] of the whole: no length, a length over
    /// `--max-batch-body`, a content coding that isn't known, no orders taken
    /// now, `--max-batches` being read, no memory for its buffers
    /// (`--body-bytes`) or results (`--reply-bytes`).
    pub(crate) fn begin(
        service: &Arc<Service>,
        body: BodyFraming,
        coding: ContentCoding,
        prefer: FieldLines<'_>,
        submission: Submission,
        waker: &Waker,
        quota: Option<Quota>,
    ) -> Result<Self, Box<BatchRefusal>> {
        let limits = &service.limits;
        BatchRefusal::check_length(limits, body)?;
        BatchRefusal::check_coding(coding)?;
        BatchRefusal::check_gate(service.admission.state())?;
        let permit = service
            .batch_permit()
            .ok_or_else(BatchRefusal::too_many_batches)?;
        // A piece of the body, a line and a decoder; however small the limit is,
        // one fits.
        let needed = READ_BYTES + limits.max_body + coding.memory_bytes();
        let bytes = needed.min(service.bodies.bytes_max());
        let memory = service
            .bodies
            .try_acquire(bytes)
            .ok_or_else(BatchRefusal::out_of_memory)?;
        let results = service
            .results
            .try_acquire(RESULTS_STEP)
            .ok_or_else(BatchRefusal::out_of_reply_memory)?;
        let body_bytes = match (body, coding) {
            (BodyFraming::Length(bytes), ContentCoding::Identity) => bytes,
            _ => 0, // not known
        };
        Ok(Self {
            lines: Lines::new(limits.max_body),
            offers: LineOffers::new(service, submission, waker, body_bytes, quota),
            ack_wait: AckWait::of(limits, prefer),
            waker: waker.clone(),
            watch: None,
            permit,
            memory,
            results,
            result_bytes: RESULTS_STEP,
        })
    }

    /// Takes the next bytes of the body. Not before
    /// [`retry_blocked`](Self::retry_blocked) has said that no order is
    /// blocked.
    pub(crate) fn feed(&mut self, service: &Service, bytes: &[u8]) -> Consumed {
        debug_assert!(!self.offers.is_blocked(), "one order at a time");
        self.offers.have_arrived();
        let mut rest = bytes;
        let mut consumed = Consumed::All;
        while let Some(line) = self.lines.next(&mut rest) {
            if self.offers.take(service, &line).is_err() {
                consumed = Consumed::TooManyLines;
                break;
            }
            if !self.has_result_memory() {
                consumed = Consumed::OutOfMemory;
                break;
            }
            if self.offers.is_blocked() {
                consumed = Consumed::Blocked(bytes.len() - rest.len());
                break;
            }
        }
        self.offers.results.settle();
        consumed
    }

    /// Takes the last line, which may lack its end, once the last byte has been
    /// fed. Its order may be blocked then.
    pub(crate) fn end(&mut self, service: &Service) -> Consumed {
        self.offers.have_arrived();
        if let Some(line) = self.lines.last()
            && self.offers.take(service, &line).is_err()
        {
            return Consumed::TooManyLines;
        }
        if self.has_result_memory() {
            Consumed::All
        } else {
            Consumed::OutOfMemory
        }
    }

    /// Whether the results so far are in memory that is permitted. As those
    /// that have no answer count with the longest there is, they won't grow.
    fn has_result_memory(&mut self) -> bool {
        let bytes = self.offers.results.bytes();
        if bytes > self.result_bytes {
            let bytes = bytes.next_multiple_of(RESULTS_STEP);
            if !self.results.grow_to(bytes) {
                return false;
            }
            self.result_bytes = bytes;
        }
        true
    }

    /// Offers the blocked order once more. `None` when none is blocked (any
    /// more): it was taken, or has waited for the ack timeout and is rejected.
    /// Else park until this time or until the waker is called, and ask again.
    pub(crate) fn retry_blocked(&mut self, service: &Service) -> Option<Instant> {
        if !self.offers.is_blocked() {
            return None;
        }
        // Listed first, then offered: what ends in between is not missed.
        self.watch = Some(service.admission.watch(&self.waker));
        let until = self.offers.retry(service);
        self.offers.results.settle();
        if until.is_none() {
            self.watch = None;
        }
        until
    }

    /// Waits for outcomes, after [`end`](Self::end).
    pub(crate) fn finish(self) -> BatchCompletion {
        let (results, wait) = (self.offers.results, self.ack_wait.time);
        let memory = [self.memory, self.results];
        BatchCompletion::new(results, wait, self.waker, self.permit, memory)
    }
}
