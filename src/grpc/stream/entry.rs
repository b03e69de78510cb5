//! A request of a stream without a response.

use std::sync::Arc;

use tokio::time::Instant;

use crate::admission::{Admission, Ticket};
use crate::grpc::proto::SubmitStreamResponse;
use crate::grpc::request::ANSWER_CHECK_INTERVAL;
use crate::grpc::stream::response::{committed, failed, queued};
use crate::grpc::{lookup, status};
use crate::ledger::{Outcome, Read};
use crate::pipeline::answer::Answer;
use crate::sync::oneshot::Oneshot;

pub(super) struct Entry {
    pub(super) index: u64,
    pub(super) id: String,
    pub(super) state: EntryState,
}

pub(super) enum EntryState {
    /// Answered; the response waits for its turn.
    Answered(SubmitStreamResponse),
    /// In flight, until its outcome is committed or `deadline` has passed.
    InFlight {
        ticket: Ticket,
        order_bytes: usize,
        deadline: Instant,
    },
    /// A duplicate of a failed order, whose reason is being read.
    ReadingReason {
        outcome: Outcome,
        read: Arc<Oneshot<Read>>,
    },
}

impl Entry {
    pub(super) fn answered(response: SubmitStreamResponse) -> Self {
        Self {
            index: response.index,
            id: String::new(),
            state: EntryState::Answered(response),
        }
    }

    /// Bytes of the order that its ticket keeps in memory.
    pub(super) fn order_bytes(&self) -> usize {
        match self.state {
            EntryState::InFlight { order_bytes, .. } => order_bytes,
            EntryState::Answered(_) | EntryState::ReadingReason { .. } => 0,
        }
    }

    /// When to check it again at the latest; `None`: it wakes the stream.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            EntryState::InFlight { deadline, .. } => Some(deadline),
            EntryState::Answered(_) | EntryState::ReadingReason { .. } => None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        match &self.state {
            EntryState::Answered(_) => true,
            EntryState::InFlight { ticket, .. } => ticket.answer().is_some(),
            EntryState::ReadingReason { read, .. } => read.get().is_some(),
        }
    }

    /// The response, if there is one. To be called until there is.
    pub(super) fn take_response(&mut self, admission: &Admission) -> Option<SubmitStreamResponse> {
        let index = self.index;
        match &mut self.state {
            EntryState::Answered(response) => Some(std::mem::take(response)),
            EntryState::ReadingReason { outcome, read } => {
                outcome.reason = lookup::failure_reason_of(read.get()?);
                let id = std::mem::take(&mut self.id);
                Some(committed(index, id, outcome, true))
            }
            EntryState::InFlight {
                ticket, deadline, ..
            } => {
                let answer = ticket.answer();
                if answer.is_none() {
                    if Instant::now() < *deadline {
                        return None;
                    }
                    if !ticket.ack_queued() {
                        // It ended at this very moment: the answer is about to
                        // be there.
                        *deadline = Instant::now() + ANSWER_CHECK_INTERVAL;
                        return None;
                    }
                }
                let id = std::mem::take(&mut self.id);
                let duplicate = ticket.is_duplicate();
                Some(match answer {
                    Some(Answer::Committed(outcome)) => committed(index, id, &outcome, duplicate),
                    Some(Answer::AlreadyThere(outcome)) => committed(index, id, &outcome, true),
                    Some(Answer::OtherContent) => failed(index, id, status::committed_otherwise()),
                    Some(Answer::Withdrawn(why)) => {
                        let error = status::withdrawn(&why, admission.retry_after());
                        failed(index, id, error)
                    }
                    None => queued(index, id, duplicate),
                })
            }
        }
    }
}
