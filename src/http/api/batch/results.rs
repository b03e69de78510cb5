//! The results of a batch, in the order of its lines.
//!
//! A result is held as the bytes that will be sent. Only lines that have no
//! answer yet, and those behind them, are in a list, with their tickets; a
//! ticket holds an answer when there is one, and no order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use crate::admission::{Admission, Ticket};
use crate::http::api::batch::reasons::{FailureReasons, READ_SEQS_MAX, ReasonRead};
use crate::http::api::batch::result_line::{
    LineResult, RESULT_BYTES_MAX, answered, committed, queued,
};
use crate::ledger::{Outcome, Status};
use crate::order::OrderId;

/// What is reserved for a body at most: address space, which takes no memory
/// before it is written to. Growing instead copies each result about once more,
/// through memory that is fresh each time.
const TEXT_BYTES: u64 = 2 << 20;
const UNSETTLED_LINES: usize = 4096;
/// About the least that an order's line takes, and its result.
const LINE_BYTES: usize = 64;

/// The results so far.
pub(super) struct Results {
    /// What is final, from the first line on.
    text: Vec<u8>,
    /// The lines after it. The first had no answer when it was last checked.
    unsettled: VecDeque<UnsettledLine>,
    /// Why orders failed that failed before.
    reasons: FailureReasons,
}

struct UnsettledLine {
    line: u64,
    id: OrderId,
    state: LineState,
}

enum LineState {
    InFlight(Ticket),
    /// A duplicate of a committed order. Why that failed, if it did, is read.
    Duplicate(Outcome),
    /// Acknowledged as queued.
    Queued,
    Written(Box<[u8]>),
}

impl Results {
    /// Results of a body of about so many bytes.
    pub(super) fn new(admission: &Arc<Admission>, waker: &Waker, body_bytes: u64) -> Self {
        let bytes = body_bytes.min(TEXT_BYTES) as usize;
        Self {
            text: Vec::with_capacity(bytes),
            unsettled: VecDeque::with_capacity(bytes.div_ceil(LINE_BYTES).min(UNSETTLED_LINES)),
            reasons: FailureReasons::new(admission, waker),
        }
    }

    /// Bytes of the results, with the longest there are for lines that have
    /// none yet.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.unsettled.len() * RESULT_BYTES_MAX
    }

    /// Adds a line whose order is on its way.
    pub(super) fn wait(&mut self, line: u64, id: OrderId, ticket: Ticket) {
        self.add(line, id, LineState::InFlight(ticket));
    }

    /// Adds a duplicate of a committed order.
    pub(super) fn duplicate(&mut self, line: u64, id: OrderId, outcome: Outcome) {
        if self.unsettled.is_empty() && outcome.status == Status::Processed {
            return committed(&mut self.text, line, &id, &outcome, true);
        }
        self.add(line, id, LineState::Duplicate(outcome));
    }

    /// Adds a line that is invalid, rejected or in conflict.
    pub(super) fn push(&mut self, result: LineResult<'_>) {
        let Some(first) = self.unsettled.front() else {
            return result.write(&mut self.text);
        };
        let mut text = Vec::with_capacity(128);
        result.write(&mut text);
        // The id is in the text; any will do.
        let id = first.id;
        self.add(result.line, id, LineState::Written(text.into()));
    }

    fn add(&mut self, line: u64, id: OrderId, state: LineState) {
        self.unsettled.push_back(UnsettledLine { line, id, state });
    }

    /// Writes what is final, as far as the first line that is not; whether all
    /// are.
    pub(super) fn settle(&mut self) -> bool {
        while let Some(UnsettledLine { line, id, state }) = self.unsettled.front_mut() {
            match state {
                LineState::InFlight(ticket) => match ticket.answer() {
                    Some(answer) => {
                        let duplicate = ticket.is_duplicate();
                        answered(&mut self.text, *line, id, &answer, duplicate);
                    }
                    None => return false,
                },
                LineState::Duplicate(outcome) => {
                    if outcome.status == Status::Failed {
                        match self.reasons.of(outcome.seq) {
                            ReasonRead::Done(reason) => outcome.reason = reason,
                            ReasonRead::Reading => return false,
                            ReasonRead::NotBegun => {
                                let first = outcome.seq;
                                self.reasons.read(self.seqs_to_read(first));
                                continue; // the archive may have answered already
                            }
                        }
                    }
                    committed(&mut self.text, *line, id, outcome, true);
                }
                LineState::Queued => queued(&mut self.text, *line, id),
                LineState::Written(text) => self.text.extend_from_slice(text),
            }
            self.unsettled.pop_front();
        }
        true
    }

    /// The sequences to read from `first` on: as far as lines soon to come ask
    /// for them.
    fn seqs_to_read(&self, first: u64) -> Range<u64> {
        let seqs = first..first + READ_SEQS_MAX;
        let soon = self.unsettled.iter().take(READ_SEQS_MAX as usize);
        let wanted = soon.filter_map(|unsettled| match &unsettled.state {
            LineState::Duplicate(outcome) if outcome.status == Status::Failed => Some(outcome.seq),
            _ => None,
        });
        let last = wanted.filter(|seq| seqs.contains(seq)).max();
        first..last.unwrap_or(first) + 1
    }

    /// Whether a line waits for no more than the reason of its failure.
    pub(super) fn is_reading(&self) -> bool {
        self.reasons.is_reading()
    }

    /// Reads no more reasons: what is not known by now is left out.
    pub(super) fn stop_reading(&mut self) {
        self.reasons.stop();
    }

    /// Acknowledges every line that still waits as queued. Those that have just
    /// ended keep waiting: their answers are about to be there.
    pub(super) fn ack_queued(&mut self) {
        for unsettled in &mut self.unsettled {
            if let LineState::InFlight(ticket) = &unsettled.state
                && ticket.answer().is_none()
                && ticket.ack_queued()
            {
                unsettled.state = LineState::Queued;
            }
        }
    }

    /// The text, once all are final.
    pub(super) fn take(&mut self) -> Vec<u8> {
        debug_assert!(self.unsettled.is_empty(), "nothing waits any more");
        std::mem::take(&mut self.text)
    }
}
