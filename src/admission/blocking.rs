//! Submissions by a plain thread that waits.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::admission::outcome::{Admitted, Rejection};
use crate::admission::shared::Admission;
use crate::pipeline::answer::Answer;

impl Admission {
    /// Submits an order as JSON text from a plain thread, and waits for its
    /// answer; `None` if there is none after `timeout`: the order is
    /// acknowledged as queued then.
    ///
    /// # Errors
    /// A [`Rejection`]; nothing remains of the order then.
    pub fn submit_and_wait(
        &self,
        json: &[u8],
        timeout: Duration,
    ) -> Result<Option<Answer>, Rejection> {
        let deadline = Instant::now() + timeout;
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let ticket = match self.submit(json, Some(&waker))? {
            Admitted::Waiting(ticket) => ticket,
            Admitted::Committed(outcome) => return Ok(Some(Answer::Committed(outcome))),
        };
        loop {
            if let Some(answer) = ticket.answer() {
                return Ok(Some(answer));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && ticket.ack_queued() {
                return Ok(None);
            }
            // An order that is just ending is answered in a moment.
            thread::park_timeout(left.max(Duration::from_millis(1)));
        }
    }
}

/// Wakes a plain thread.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
