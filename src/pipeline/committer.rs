//! The committer: the one thread that owns the ledger's write side.
//!
//! It takes all that has been evaluated, hands it to the ledger as one batch, and
//! passes the receipts on: window, metrics, claims, answers, those who watch
//! for progress, and one flush of the doors a batch. What arrives during one
//! commit is the next batch.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::dedupe::window::Known;
use crate::ledger::{CommitResult, Completion, Item, Ledger, LedgerFailed, Outcome, Status};
use crate::metrics::WithdrawReason;
use crate::pipeline::answer::{Answer, Withdrawal};
use crate::pipeline::gate::{Gate, GateState};
use crate::pipeline::processor::Verdict;
use crate::pipeline::window_monitor::WindowMonitor;
use crate::pipeline::{Evaluated, Fault, Pipeline, cost};
use crate::sync::parking::{Dequeue, Urgency};

/// Runs the committer until the pipeline is closed.
pub(crate) fn run(
    pipeline: &Pipeline,
    mut ledger: Box<dyn Ledger<Evaluated>>,
    on_fault: &dyn Fn(Fault),
) {
    let mut batch = Vec::new();
    let mut receipts = Vec::new();
    let mut back = Vec::new();
    // Whether the ledger has failed: it is not asked any more.
    let mut dead = false;
    let mut last = Urgency::Now;
    let mut reach = WindowMonitor::new(pipeline.window_reach);
    loop {
        let next = pipeline.committer.next(0, last, || {
            if !dead && let Err(why) = ledger.completions(&mut receipts) {
                dead = true;
                fail(pipeline, &why, on_fault);
            }
            if pipeline.is_force_draining() {
                ledger.reclaim(&mut back);
                back.drain(..)
                    .for_each(|evaluated: Evaluated| pipeline.take_back(evaluated.into_job()));
            }
            let room = if dead {
                usize::MAX
            } else {
                ledger.capacity_left()
            };
            if pipeline.gate.shed(!dead && ledger.is_full()) {
                pipeline.wake_queues.flush();
            }
            let mut taken = false;
            while batch.len() < room
                && let Some(evaluated) = pipeline.evaluated.pop()
            {
                taken = true;
                if dead {
                    pipeline.withdraw(&evaluated.into_job(), Withdrawal::Ledger);
                } else {
                    batch.extend(admit(pipeline, evaluated));
                }
            }
            if taken || !receipts.is_empty() {
                return Dequeue::Item(taken, false);
            }
            if pipeline.closed.load(Ordering::Acquire) {
                Dequeue::Closed
            } else {
                Dequeue::Empty
            }
        });
        let Some(taken) = next.item else { return };
        if taken {
            pipeline.room.notify(Urgency::Now);
        }
        if !batch.is_empty() {
            let somebody_waits = batch
                .iter()
                .any(|evaluated| evaluated.job.waiter.urgency() == Urgency::Now);
            last = if somebody_waits {
                Urgency::Now
            } else {
                Urgency::Deferred
            };
            ledger.append(&mut batch);
            if let Err(why) = ledger.completions(&mut receipts) {
                dead = true;
                fail(pipeline, &why, on_fault);
            }
        }
        publish(pipeline, &mut receipts);
        reach.look(&pipeline.window, Instant::now());
        pipeline.progress.notify();
        pipeline.wake_queues.flush();
    }
}

/// Lets an order into the batch, unless it was withdrawn or is to be.
fn admit(pipeline: &Pipeline, evaluated: Evaluated) -> Option<Evaluated> {
    if let Verdict::Retry(reason) = &evaluated.verdict {
        if evaluated.job.kept {
            pipeline.backlog.again(evaluated.into_job()); // it was promised an outcome
            return None;
        }
        let why = Withdrawal::Retry(reason.clone());
        pipeline.withdraw(&evaluated.into_job(), why);
        return None;
    }
    // The claim decides between commit and drain deadline: past this line the
    // order can't be withdrawn, and a withdrawn one doesn't get past it.
    if !pipeline.claims.begin_commit(evaluated.job.claim) {
        pipeline.withdraw(&evaluated.into_job(), Withdrawal::Drain);
        return None;
    }
    Some(evaluated)
}

/// Makes committed outcomes known: first to the window and the metrics, then
/// to those who wait.
fn publish(pipeline: &Pipeline, receipts: &mut Vec<Completion<Evaluated>>) {
    if receipts.is_empty() {
        return;
    }
    let now = Instant::now();
    let mut leaving = Leaving {
        gate: &pipeline.gate,
        orders: 0,
        bytes: 0,
    };
    let mut settled_seq = None;
    for Completion { item, result } in receipts.drain(..) {
        if let CommitResult::Committed { seq, .. } = result {
            settled_seq = Some(seq);
        }
        let answer = record(pipeline, &item, result, now);
        let job = item.into_job();
        leaving.orders += 1;
        leaving.bytes += cost(&job.order);
        let ended = match answer {
            Answer::Committed(_) => pipeline.claims.finish(job.claim),
            // The next start finds out whether it is there.
            Answer::Withdrawn(_) => pipeline.end_in_doubt(&job),
        };
        if job.kept && matches!(answer, Answer::Committed(_)) {
            pipeline.backlog.committed();
        }
        for waiter in ended.waiters {
            waiter.complete(answer.clone());
        }
        job.waiter.complete(answer);
    }
    if let Some(seq) = settled_seq {
        // Pairs with the Acquire load in `settled_seq`.
        pipeline.settled_seq.store(seq, Ordering::Release);
    }
    pipeline.throughput.count(leaving.orders, now);
}

/// Enters an outcome into the window and the metrics, while its claim stands;
/// answers what its submitter hears.
fn record(pipeline: &Pipeline, item: &Evaluated, result: CommitResult, now: Instant) -> Answer {
    let job = &item.job;
    let metrics = &pipeline.metrics.ledger;
    match result {
        CommitResult::Committed { seq, at } => {
            let status = item.status();
            let content = job.order.content_hash();
            let known = Known {
                seq,
                status,
                content,
            };
            pipeline.window.insert(job.order.id_hash(), known, at);
            match status {
                Status::Processed => metrics.processed.inc(),
                Status::Failed => metrics.failed.inc(),
            }
            metrics
                .commit
                .record(now.saturating_duration_since(item.at));
            metrics
                .total
                .record(now.saturating_duration_since(job.admitted));
            Answer::Committed(Outcome {
                seq,
                status,
                reason: item.reason().cloned(),
            })
        }
        CommitResult::AlreadyThere(outcome) => {
            // Not settled, and not reached: see there.
            pipeline.metrics.admission.duplicate.inc();
            Answer::Committed(outcome)
        }
        CommitResult::InDoubt => {
            pipeline.metrics.withdrawn.inc(WithdrawReason::Ledger);
            Answer::Withdrawn(Withdrawal::Ledger)
        }
    }
}

/// Orders that have ended, let out of the gate together: also if the one behind
/// them panics.
struct Leaving<'a> {
    gate: &'a Gate,
    orders: u64,
    bytes: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.gate.leave(self.orders, self.bytes);
    }
}

fn fail(pipeline: &Pipeline, why: &LedgerFailed, on_fault: &dyn Fn(Fault)) {
    pipeline.gate.close(GateState::LedgerDown);
    pipeline.wake_queues.flush();
    on_fault(Fault::Ledger(why.to_string()));
}
