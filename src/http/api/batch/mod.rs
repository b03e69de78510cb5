//! `POST /submit` with `application/x-ndjson`: many orders, one a line.
//!
//! A [`Batch`] is a state machine without a socket: an engine feeds it the
//! body's bytes as they arrive, it offers an order for each line and keeps one
//! result for each. It never blocks; when the queue has no room for a line
//! ([`Batch::no_room`]) the engine stops reading, which the client feels as
//! TCP's own backpressure.
//!
//! # What it holds
//!
//! The piece of a line whose end has not come (`--max-body` at most); a result
//! for each line, [`RESULT_BYTES_MAX`] bytes at most and about 60 as a rule;
//! for each line without an answer a ticket. Lines past `--max-batch-orders`
//! are rejected unread; when there are as many of them again the whole batch
//! is refused, so that a result for each line stays bounded, too.
//!
//! # Waking
//!
//! Orders of a batch carry no waker: the pipeline then treats them as orders
//! that nobody waits for one by one, which spares wake-ups of its threads. The
//! batch watches the pipeline's progress instead, once it has to wait.

mod lines;
mod reasons;
mod results;

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::admission::{Admitted, Offered, Rejection};
use crate::http::api::batch::lines::{Line, Lines, is_blank};
use crate::http::api::batch::results::{Results, Verdict};
use crate::http::api::problem::Problem;
use crate::http::api::router::{closed, why_closed};
use crate::http::api::service::{BatchSlot, Service};
use crate::http::api::submit::{conflict, is_ndjson, wait_of};
use crate::http::wire::reply::{NDJSON, Reply};
use crate::http::wire::{BodyFraming, Method};
use crate::metrics::{Reason, Route};
use crate::order::{Invalid, Order, OrderId};
use crate::pipeline::gate::GateState;
use crate::sync::memory_budget::MemoryPermit;
use crate::sync::watch_list::Watch;

/// Bytes of a body that are read at a time: enough to make a system call and
/// the turn of the thread's other connections cheap beside the orders in it.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// How many times `--body-timeout` all of a batch may take to arrive, and how
/// many times `--write-timeout` its reply to be taken.
pub(crate) const BODY_TIMEOUTS: u32 = 20;
/// How long a drain waits for the rest of a body: long enough for what is on
/// its way, whose lines get a result each.
pub const LAST_BYTES: Duration = Duration::from_secs(1);

/// How long reasons of earlier failures are read after the last byte, at least.
const READING: Duration = Duration::from_secs(1);

const FULL: &str = "the queue is full; nothing was kept";

/// Whether a request is a batch.
pub(crate) fn is_batch(route: Route, method: Method, content_type: Option<&str>) -> bool {
    route == Route::Submit && method == Method::Post && is_ndjson(content_type)
}

/// A batch whose body is being read.
pub(crate) struct Batch {
    lines: Lines,
    results: Results,
    /// Lines so far, blank ones included.
    line: u64,
    /// Lines so far that are not blank.
    orders: usize,
    /// The order that finds no room.
    stuck: Option<Stuck>,
    /// One found none in time: this one and all after it are rejected.
    gave_up: bool,
    /// How long outcomes are waited for after the last byte.
    wait: Duration,
    waker: Waker,
    watch: Option<Watch>,
    slot: BatchSlot,
    _room: MemoryPermit,
}

/// The order of the last line taken.
struct Stuck {
    order: Order,
    /// When it is given up.
    until: Instant,
}

/// How far a piece of the body got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// All of it was taken.
    All,
    /// So many bytes; then an order found no room. See [`Batch::no_room`].
    Full(usize),
    /// There are more lines than anybody gets results for: refuse the batch.
    TooManyLines,
}

/// A batch whose body has been read, waiting for outcomes.
pub(crate) struct Finishing {
    batch: Batch,
    until: Instant,
    /// When reading is over, too.
    reading_until: Instant,
}

/// Why a batch was not begun: a reply, and what it counts as.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The reply.
    pub reply: Reply,
    /// The reason it is counted under, once.
    pub reason: Reason,
}

impl Batch {
    /// Begins a batch, before a byte of its body is read. `waker` wakes the
    /// coroutine that reads it.
    ///
    /// # Errors
    /// A [`Refusal`] of the whole: no length, a length over `--max-batch-body`,
    /// no orders taken now, `--max-batches` being read, no room for its buffers
    /// (`--body-bytes`).
    pub(crate) fn begin(
        service: &Arc<Service>,
        body: BodyFraming,
        prefer: [Option<&str>; 2],
        waker: &Waker,
    ) -> Result<Self, Box<Refusal>> {
        let limits = &service.limits;
        let refused = |reply, reason| Err(Box::new(Refusal { reply, reason }));
        match body {
            BodyFraming::None => {
                let report = Problem::LengthRequired.report("a batch is sent as the body");
                return refused(report.reply(), Reason::Invalid);
            }
            BodyFraming::Length(bytes) if bytes > limits.max_batch_body => {
                return refused(too_large(service), Reason::TooLarge);
            }
            BodyFraming::Length(_) | BodyFraming::Chunked => {}
        }
        match service.admission.state() {
            GateState::Open => {}
            state @ (GateState::LedgerDown | GateState::LedgerFull) => {
                return refused(closed(state), Reason::Ledger);
            }
            state => return refused(closed(state), Reason::Draining),
        }
        let Some(slot) = service.batch_slot() else {
            let report = Problem::TooManyBatches
                .report("as many batches are being read as --max-batches allows")
                .retry_after(1);
            return refused(report.reply(), Reason::Full);
        };
        // A piece of the body and a line; however small the limit is, one fits.
        let bytes = (READ_BYTES + limits.max_body).min(service.bodies.bytes_max());
        let Some(room) = service.bodies.try_acquire(bytes) else {
            let report = Problem::BodyMemory
                .report("all bodies being read are over their limit (--body-bytes)")
                .retry_after(1);
            return refused(report.reply(), Reason::Full);
        };
        Ok(Self {
            lines: Lines::new(limits.max_body),
            results: Results::new(&service.admission, waker),
            line: 0,
            orders: 0,
            stuck: None,
            gave_up: false,
            wait: wait_of(service, prefer).0,
            waker: waker.clone(),
            watch: None,
            slot,
            _room: room,
        })
    }

    /// Takes the next bytes of the body. Not before [`no_room`](Self::no_room)
    /// has said that there is no order stuck.
    pub(crate) fn feed(&mut self, service: &Service, bytes: &[u8]) -> Fed {
        debug_assert!(self.stuck.is_none(), "one order at a time");
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(0));
        let mut rest = bytes;
        let mut fed = Fed::All;
        while let Some(line) = lines.next(&mut rest) {
            if !self.take(service, &line) {
                fed = Fed::TooManyLines;
                break;
            }
            if self.stuck.is_some() {
                fed = Fed::Full(bytes.len() - rest.len());
                break;
            }
        }
        self.lines = lines;
        self.results.settle();
        fed
    }

    /// Takes the last line, which may lack its end, once the last byte has been
    /// fed. An order may be stuck then.
    pub(crate) fn end(&mut self, service: &Service) -> Fed {
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(0));
        match lines.last() {
            Some(line) if !self.take(service, &line) => Fed::TooManyLines,
            _ => Fed::All,
        }
    }

    /// Offers the order that is stuck once more. `None` when none is (any
    /// more): it was taken, or has waited for the ack timeout and is rejected.
    /// Else park until this time or until the waker is called, and ask again.
    pub(crate) fn no_room(&mut self, service: &Service) -> Option<Instant> {
        let Stuck { order, until } = self.stuck.take()?;
        // Listed first, then looked: what ends in between is not missed.
        self.watch = Some(service.admission.watch(&self.waker));
        self.offer(service, order, Some(until));
        self.results.settle();
        match &self.stuck {
            Some(stuck) => Some(stuck.until),
            None => {
                self.watch = None;
                None
            }
        }
    }

    /// Waits for outcomes, after [`end`](Self::end).
    pub(crate) fn finish(self) -> Finishing {
        let now = Instant::now();
        Finishing {
            until: now + self.wait,
            reading_until: now + self.wait.max(READING),
            batch: self,
        }
    }

    /// Deals with a line; `false` when there are too many.
    fn take(&mut self, service: &Service, line: &Line<'_>) -> bool {
        self.line += 1;
        if matches!(line, Line::Text(text) if is_blank(text)) {
            return true;
        }
        self.orders += 1;
        let max = service.limits.max_batch_orders;
        if self.orders > max {
            if self.orders > 2 * max {
                return false;
            }
            service.admission.reject(Reason::TooLarge);
            let detail = format!("the batch is over {max} orders (--max-batch-orders)");
            self.verdict("rejected", None, &detail);
            return true;
        }
        if self.gave_up {
            service.admission.reject(Reason::Full);
            self.verdict("rejected", None, FULL);
            return true;
        }
        match line {
            Line::Text(text) => match service.admission.decode(text) {
                Ok(order) => self.offer(service, order, None),
                Err(rejection) => self.rejected(None, &rejection),
            },
            Line::TooLong => {
                service.admission.reject(Reason::TooLarge);
                let max = service.limits.max_body;
                let detail = format!("the line is over the limit of {max} bytes (--max-body)");
                self.verdict("invalid", None, &detail);
            }
        }
        true
    }

    /// Offers the current line's order; `until` is when it is given up, unless
    /// this is the first time that it finds no room.
    fn offer(&mut self, service: &Service, order: Order, until: Option<Instant>) {
        let id = *order.id();
        match service.admission.offer(order, None) {
            Offered::Admitted(Admitted::Waiting(ticket)) => {
                self.results.wait(self.line, id, ticket);
            }
            Offered::Admitted(Admitted::Committed(outcome)) => {
                self.results.committed(self.line, id, outcome);
            }
            Offered::Rejected(rejection) => self.rejected(Some(&id), &rejection),
            Offered::Full(order) => {
                let now = Instant::now();
                let until = until.unwrap_or_else(|| now + service.limits.ack_timeout);
                if now < until {
                    self.stuck = Some(Stuck { order, until });
                    return;
                }
                let rejection = service.admission.give_up(order);
                self.gave_up = true;
                self.rejected(Some(&id), &rejection);
            }
        }
    }

    fn rejected(&mut self, id: Option<&OrderId>, rejection: &Rejection) {
        match rejection {
            Rejection::Invalid(invalid) => self.verdict("invalid", id, &in_a_line(invalid)),
            Rejection::Conflict { committed } => {
                self.verdict("conflict", id, conflict(*committed));
            }
            Rejection::Busy => {
                self.verdict(
                    "rejected",
                    id,
                    "the same id is being submitted at this moment",
                );
            }
            Rejection::Full { .. } => self.verdict("rejected", id, FULL),
            Rejection::Closed(state) => self.verdict("rejected", id, why_closed(*state).1),
        }
    }

    fn verdict(&mut self, status: &'static str, id: Option<&OrderId>, detail: &str) {
        self.results.verdict(Verdict {
            line: self.line,
            id,
            status,
            detail,
        });
    }
}

impl Finishing {
    /// When to poll again at the latest.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// The reply, once every line has an answer or the time is up.
    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        let Batch {
            results,
            watch,
            waker,
            ..
        } = &mut self.batch;
        if !results.settle() {
            // Listed first, then looked at: what ends in between is not missed.
            *watch = Some(service.admission.watch(waker));
            if !results.settle() {
                let now = Instant::now();
                if now < self.until {
                    return None;
                }
                results.ack_queued();
                if now >= self.reading_until {
                    results.stop_reading();
                }
                if !results.settle() {
                    self.until = if results.is_reading() {
                        self.reading_until
                    } else {
                        // Some ended this very moment: look again in another.
                        now + Duration::from_millis(1)
                    };
                    return None;
                }
            }
        }
        *watch = None;
        let reply = Reply::bytes(200, NDJSON, results.take());
        self.batch.slot.answered();
        Some(reply)
    }
}

/// The refusal of a body over `--max-batch-body`.
pub(crate) fn too_large(service: &Service) -> Reply {
    let max = service.limits.max_batch_body;
    let detail = format!("the batch is over the limit of {max} bytes (--max-batch-body)");
    Problem::BodyTooLarge.report(&detail).reply()
}

/// The refusal of a body that took longer than [`BODY_TIMEOUTS`].
pub(crate) fn took_too_long() -> Reply {
    let detail = format!(
        "the batch took over {BODY_TIMEOUTS} times --body-timeout to arrive; \
         what was taken of it stands"
    );
    Problem::RequestTimeout.report(&detail).reply()
}

/// The refusal of a body that has not ended [`LAST_BYTES`] into a drain.
pub(crate) fn drained() -> Reply {
    let detail = "this process is about to end; what was taken of the batch stands, and all of \
        it may be sent again, to another";
    Problem::Draining.report(detail).retry_after(1).reply()
}

/// The refusal of a body with [`Fed::TooManyLines`].
pub(crate) fn too_many_lines(service: &Service) -> Reply {
    let max = service.limits.max_batch_orders;
    let detail = format!(
        "the batch has more than twice the {max} orders of --max-batch-orders; \
         those up to the limit were taken"
    );
    Problem::BodyTooLarge.report(&detail).reply()
}

/// What is wrong with an order, without the line: that is the batch's.
fn in_a_line(invalid: &Invalid) -> String {
    let mut text = invalid.to_string();
    const LINE: &str = "at line 1 ";
    if let Some(at) = text.rfind(LINE) {
        text.replace_range(at..at + LINE.len(), "at ");
    }
    text
}
