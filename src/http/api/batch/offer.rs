//! The lines of one batch, each offered to the pipeline, and their results.

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::access::Quota;
use crate::admission::{Admitted, BulkWaiting, Offered, Rejection, wording};
use crate::clock::Moment;
use crate::http::api::batch::lines::{Line, is_blank};
use crate::http::api::batch::result_line::LineResult;
use crate::http::api::batch::results::Results;
use crate::http::api::service::Service;
use crate::metrics::Reason;
use crate::order::{Invalid, Order, OrderId, Submission};

/// The lines so far, and what they came to.
pub(super) struct LineOffers {
    pub(super) results: Results,
    submission: Submission,
    /// Lines so far, blank ones included.
    line: u64,
    /// Lines so far that are not blank.
    orders: usize,
    /// When the lines came that are being taken.
    arrived: Moment,
    blocked: Option<BlockedOrder>,
    /// One waited for too long: that one and all after it are rejected, for
    /// this.
    gave_up: Option<(Reason, &'static str)>,
    quota: Option<Quota>,
    /// How long the orders may still wait for the client's rate, all together:
    /// a slow client must not hold one of the few batches for hours.
    rate_patience: Duration,
}

/// The order of the last line, which has to wait.
enum BlockedOrder {
    /// The queue is full for it.
    Queue {
        order: Order,
        /// When it is rejected.
        until: Instant,
        /// Space in the queue is kept for it.
        waiting: BulkWaiting,
    },
    /// The client's rate is used up.
    Rate { order: Order, ready_at: Instant },
}

impl BlockedOrder {
    /// When to try again at the latest.
    fn until(&self) -> Instant {
        match self {
            Self::Queue { until, .. } => *until,
            Self::Rate { ready_at, .. } => *ready_at,
        }
    }
}

/// The least wait for a rate: orders that come through together cost one
/// wake-up.
const RATE_WAIT_MIN: Duration = Duration::from_millis(10);

/// There are more lines than a batch gets results for.
#[derive(Debug)]
pub(super) struct TooManyLines;

impl LineOffers {
    pub(super) fn new(
        service: &Service,
        submission: Submission,
        waker: &Waker,
        body_bytes: u64,
        quota: Option<Quota>,
    ) -> Self {
        Self {
            submission,
            results: Results::new(&service.admission, waker, body_bytes),
            quota,
            rate_patience: service.limits.ack_timeout,
            line: 0,
            orders: 0,
            arrived: Moment::now(),
            blocked: None,
            gave_up: None,
        }
    }

    /// The lines to follow have come now. The clocks are read once for all of
    /// them: two readings an order are a good part of what an order costs.
    pub(super) fn have_arrived(&mut self) {
        self.arrived = Moment::now();
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Offers the order of the next line; [blocks](Self::is_blocked) if the
    /// queue is full, or the client's rate used up.
    pub(super) fn take(&mut self, service: &Service, line: &Line<'_>) -> Result<(), TooManyLines> {
        self.line += 1;
        if matches!(line, Line::Text(text) if is_blank(text)) {
            return Ok(());
        }
        self.orders += 1;
        let max = service.limits.max_batch_orders;
        if self.orders > max {
            if self.orders > 2 * max {
                return Err(TooManyLines);
            }
            service.admission.reject(Reason::TooLarge);
            let detail = format!("the batch is over {max} orders (--max-batch-orders)");
            self.push("rejected", None, &detail);
            return Ok(());
        }
        if let Some((reason, detail)) = self.gave_up {
            service.admission.reject(reason);
            self.push("rejected", None, detail);
            return Ok(());
        }
        match line {
            Line::Text(text) => match service.admission.decode(text) {
                Ok(mut order) => {
                    order.set_submission(self.submission);
                    self.charge(service, order);
                }
                Err(rejection) => self.rejected(None, &rejection),
            },
            Line::TooLong => {
                service.admission.reject(Reason::TooLarge);
                let max = service.limits.max_body;
                let detail = format!("the line is over the limit of {max} bytes (--max-body)");
                self.push("invalid", None, &detail);
            }
        }
        Ok(())
    }

    /// Offers the blocked order once more. When to try again at the latest, if
    /// the queue is still full; past that the order is rejected.
    pub(super) fn retry(&mut self, service: &Service) -> Option<Instant> {
        let blocked = self.blocked.take()?;
        self.have_arrived();
        match blocked {
            BlockedOrder::Queue {
                order,
                until,
                waiting,
            } => self.offer(service, order, Some((until, waiting))),
            BlockedOrder::Rate { ready_at, .. } if self.arrived.instant < ready_at => {
                self.blocked = Some(blocked);
            }
            BlockedOrder::Rate { order, .. } => self.charge(service, order),
        }
        self.blocked.as_ref().map(BlockedOrder::until)
    }

    /// Offers an order as soon as its client's rate lets it through.
    fn charge(&mut self, service: &Service, order: Order) {
        let now = self.arrived.instant;
        let charged = self.quota.as_ref().map(|quota| quota.charge(now));
        let Some(Err(over)) = charged else {
            return self.offer(service, order, None);
        };
        let wait = over.wait().max(RATE_WAIT_MIN.min(over.refill() / 2));
        if let Some(left) = self.rate_patience.checked_sub(wait) {
            self.rate_patience = left;
            let ready_at = now + wait;
            self.blocked = Some(BlockedOrder::Rate { order, ready_at });
            return;
        }
        if let Some(quota) = &self.quota {
            quota.count_over_rate();
        }
        service.admission.reject(Reason::RateLimited);
        self.gave_up = Some((Reason::RateLimited, over.detail()));
        let id = *order.id();
        self.push("rejected", Some(&id), over.detail());
    }

    /// Offers the current line's order. `blocked` is when it is rejected, and
    /// what keeps space for it, unless this is the first time that the queue is
    /// full for it.
    fn offer(&mut self, service: &Service, order: Order, blocked: Option<(Instant, BulkWaiting)>) {
        let id = *order.id();
        // So that no two orders of a batch have the same time: pending orders
        // are sorted by it.
        self.arrived.unix_nanos += 1;
        match service.admission.offer(order, None, Some(self.arrived)) {
            Offered::Admitted(Admitted::Waiting(ticket)) => {
                self.results.wait(self.line, id, ticket);
            }
            Offered::Admitted(Admitted::Committed(outcome)) => {
                self.results.duplicate(self.line, id, outcome);
            }
            Offered::Rejected(rejection) => self.rejected(Some(&id), &rejection),
            Offered::Full(order) => {
                let now = Instant::now();
                let (until, waiting) = blocked.unwrap_or_else(|| {
                    let until = now + service.limits.ack_timeout;
                    (until, service.admission.wait_in_bulk())
                });
                if now < until {
                    self.blocked = Some(BlockedOrder::Queue {
                        order,
                        until,
                        waiting,
                    });
                    return;
                }
                let rejection = service.admission.give_up(order);
                self.gave_up = Some((Reason::Full, wording::FULL));
                self.rejected(Some(&id), &rejection);
            }
        }
    }

    fn rejected(&mut self, id: Option<&OrderId>, rejection: &Rejection) {
        match rejection {
            Rejection::Invalid(invalid) => self.push("invalid", id, &in_a_line(invalid)),
            Rejection::Conflict { committed } => {
                self.push("conflict", id, wording::conflict(*committed));
            }
            Rejection::Busy => self.push("rejected", id, wording::BUSY),
            Rejection::Full { .. } => self.push("rejected", id, wording::FULL),
            Rejection::Closed(state) => self.push("rejected", id, wording::closed(*state)),
        }
    }

    fn push(&mut self, status: &'static str, id: Option<&OrderId>, detail: &str) {
        self.results.push(LineResult {
            line: self.line,
            id,
            status,
            detail,
        });
    }
}

/// What is wrong with an order, without the line: that is the batch's.
fn in_a_line(invalid: &Invalid) -> String {
    let mut text = invalid.to_string();
    const LINE: &str = "at line 1 ";
    if let Some(at) = text.rfind(LINE) {
        text.replace_range(at..at + LINE.len(), "at ");
    }
    if invalid.may_be_many() {
        text += "; each order is on a line of its own (curl: --data-binary)";
    }
    text
}
