//! `Submit`: one order.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::admission::{Admitted, Ticket};
use crate::grpc::error::CallError;
use crate::grpc::front_end::{DrainPhase, FrontEnd};
use crate::grpc::proto::{OrderStatus, SubmitRequest, SubmitResponse};
use crate::grpc::ready_queue::TaskWaker;
use crate::grpc::request::{ANSWER_CHECK_INTERVAL, commit_wait, decode_order};
use crate::grpc::{convert, lookup, status};
use crate::ledger::{Outcome, Status};
use crate::order::Submission;
use crate::pipeline::answer::Answer;

/// Takes one order and waits for its outcome.
pub(super) async fn submit(
    front_end: &FrontEnd,
    request: SubmitRequest,
    submission: Submission,
) -> Result<SubmitResponse, CallError> {
    let SubmitRequest {
        order,
        ack_mode,
        wait,
    } = request;
    let wait = commit_wait(front_end, ack_mode, wait)?;
    let admission = &front_end.admission;
    let order = decode_order(admission, order, submission)?;
    let id = *order.id();
    let task_waker = front_end.task_waker();
    let waker = task_waker.waker();
    let admitted = admission
        .admit(order, (!wait.is_zero()).then_some(&waker))
        .map_err(|rejection| status::rejected(&rejection))?;
    let (outcome, duplicate) = match admitted {
        Admitted::Committed(mut outcome) => {
            if outcome.status == Status::Failed {
                outcome.reason = lookup::failure_reason(front_end, outcome.seq, &task_waker).await;
            }
            (Some(outcome), true)
        }
        Admitted::Waiting(ticket) => {
            let mut duplicate = ticket.is_duplicate();
            let outcome = match answer(front_end, &ticket, &task_waker, wait).await {
                Some(Answer::Committed(outcome)) => Some(outcome),
                Some(Answer::AlreadyThere(outcome)) => {
                    duplicate = true;
                    Some(outcome)
                }
                Some(Answer::OtherContent) => return Err(status::committed_otherwise()),
                Some(Answer::Withdrawn(why)) => {
                    return Err(status::withdrawn(&why, admission.retry_after()));
                }
                None => None,
            };
            (outcome, duplicate)
        }
    };
    Ok(response(id.as_str(), outcome, duplicate))
}

/// Waits for a ticket's answer; `None`: the time is up and the order is
/// acknowledged as queued.
async fn answer(
    front_end: &FrontEnd,
    ticket: &Ticket,
    task_waker: &TaskWaker,
    wait: Duration,
) -> Option<Answer> {
    let mut deadline = Instant::now() + wait;
    let mut signals = front_end.signals();
    // A drain that ends at its deadline withdraws orders without waking anyone.
    let mut drained = false;
    loop {
        if let Some(answer) = ticket.answer() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            if ticket.ack_queued() {
                return None;
            }
            // It ended at this very moment: the answer is about to be there.
            deadline = Instant::now() + ANSWER_CHECK_INTERVAL;
        }
        tokio::select! {
            biased;
            answer = task_waker.wait_for(|| ticket.answer()) => return Some(answer),
            () = sleep_until(deadline) => {}
            _ = signals.wait_for(|now| now.drain == DrainPhase::Drained), if !drained => drained = true,
        }
    }
}

fn response(id: &str, outcome: Option<Outcome>, duplicate: bool) -> SubmitResponse {
    let (status, seq, reason) = match outcome {
        None => (OrderStatus::Queued, 0, String::new()),
        Some(outcome) => (
            convert::order_status(outcome.status),
            outcome.seq,
            convert::reason(&outcome),
        ),
    };
    SubmitResponse {
        id: id.to_owned(),
        status: status.into(),
        seq,
        duplicate,
        reason,
    }
}
