//! The committer: the one thread that owns the ledger's write side.
//!
//! It takes all orders that have been evaluated, hands them to the ledger as
//! one batch, and publishes the completions: window, metrics, claims, answers,
//! watchers of progress, and one flush of the wake queues a batch. What arrives
//! during one commit is the next batch (group commit).

use std::collections::VecDeque;
use std::time::Instant;

use crate::clock;
use crate::dedupe::window::Known;
use crate::ledger::{CommitResult, Completion, Held, Item, Ledger, LedgerFailed, Outcome, Status};
use crate::metrics::WithdrawReason;
use crate::pipeline::answer::{Answer, Withdrawal};
use crate::pipeline::evaluated::Evaluated;
use crate::pipeline::gate::GateState;
use crate::pipeline::in_flight::cost;
use crate::pipeline::pace::Pace;
use crate::pipeline::processor::Verdict;
use crate::pipeline::shared::Pipeline;
use crate::pipeline::source::Source;
use crate::pipeline::window_monitor::WindowMonitor;
use crate::sync::parking::{Dequeue, Urgency};

/// How many orders ahead memory is prefetched: the tables that an order's
/// claim and its outcome are in are larger than the caches.
const AHEAD: usize = 16;

/// Runs the committer until the pipeline is closed.
pub(crate) fn run(
    pipeline: &Pipeline,
    source: impl Source,
    ledger: Box<dyn Ledger<Evaluated>>,
    on_fault: &dyn Fn(LedgerFailed),
) {
    let mut monitor = WindowMonitor::new(pipeline.window_reach);
    let mut committer = Committer::new(pipeline, source, ledger, on_fault);
    let mut last = Urgency::Now;
    let mut pace = Pace::new(Instant::now());
    loop {
        if last == Urgency::Deferred && pace.pays(pipeline.commit_delay) {
            pipeline.pace_commit();
        }
        let next = pipeline
            .committer_parking()
            .next(0, last, || committer.poll());
        committer.source.parked(next.parks);
        if next.item.is_none() {
            return;
        }
        if let Some(urgency) = committer.append() {
            last = urgency;
        }
        let published = committer.publish();
        let now = Instant::now();
        pace.published(published, now);
        monitor.check(&pipeline.window, now);
        pipeline.progress.notify();
        pipeline.wake_queues.flush();
    }
}

/// One round of it, on the caller's thread: the ledger back, and whether there
/// was something to do.
#[cfg(any(test, fuzzing))]
pub(super) fn round(
    pipeline: &Pipeline,
    source: impl Source,
    ledger: Box<dyn Ledger<Evaluated>>,
) -> (Box<dyn Ledger<Evaluated>>, bool) {
    let mut committer = Committer::new(pipeline, source, ledger, &|why| panic!("{why:?}"));
    let worked = matches!(committer.poll(), Dequeue::Item((), _));
    if worked {
        committer.append();
        committer.publish();
        pipeline.progress.notify();
        pipeline.wake_queues.flush();
    }
    (committer.ledger, worked)
}

struct Committer<'a, S> {
    pipeline: &'a Pipeline,
    source: S,
    ledger: Box<dyn Ledger<Evaluated>>,
    on_fault: &'a dyn Fn(LedgerFailed),
    /// The ledger has failed: it is not called any more.
    failed: bool,
    /// Evaluated orders whose claims are on their way into the cache. Empty
    /// between two rounds.
    ahead: VecDeque<Evaluated>,
    /// The next batch.
    batch: Vec<Evaluated>,
    completions: Vec<Completion<Evaluated>>,
}

impl<'a, S: Source> Committer<'a, S> {
    fn new(
        pipeline: &'a Pipeline,
        source: S,
        ledger: Box<dyn Ledger<Evaluated>>,
        on_fault: &'a dyn Fn(LedgerFailed),
    ) -> Self {
        Self {
            pipeline,
            source,
            ledger,
            on_fault,
            failed: false,
            ahead: VecDeque::with_capacity(AHEAD + 1),
            batch: Vec::new(),
            completions: Vec::new(),
        }
    }

    /// Collects completions and the next batch.
    fn poll(&mut self) -> Dequeue<()> {
        let pipeline = self.pipeline;
        if !self.failed {
            self.collect_completions();
        }
        let requested = pipeline.given_back.is_requested();
        if requested || pipeline.is_force_draining() {
            self.reclaim(requested);
        }
        let free = if self.failed {
            usize::MAX
        } else {
            self.ledger.capacity_left()
        };
        let unavailable = self.ledger.unavailable().filter(|_| !self.failed);
        if pipeline.gate.shed(unavailable) {
            pipeline.wake_queues.flush();
        }
        pipeline.committer_parking().begin_round();
        let mut taken = false;
        let batched = self.batch.len();
        while self.batch.len() + self.ahead.len() < free
            && let Some(evaluated) = self.source.pop()
        {
            taken = true;
            if self.failed {
                pipeline.withdraw(&evaluated.job, Withdrawal::Ledger);
                continue;
            }
            pipeline.claims.prefetch_change(evaluated.job.claim);
            self.ahead.push_back(evaluated);
            if self.ahead.len() > AHEAD {
                self.admit_next();
            }
        }
        while !self.ahead.is_empty() {
            self.admit_next();
        }
        if taken {
            self.source.end_round(&mut self.batch[batched..]);
        }
        if taken || !self.completions.is_empty() {
            Dequeue::Item((), false)
        } else if pipeline.is_closed() {
            Dequeue::Closed
        } else {
            Dequeue::Empty
        }
    }

    fn admit_next(&mut self) {
        let next = self.ahead.pop_front();
        self.batch
            .extend(next.and_then(|evaluated| admit(self.pipeline, evaluated)));
    }

    /// Hands the batch to the ledger; how urgent its orders were, if there were
    /// any.
    fn append(&mut self) -> Option<Urgency> {
        if self.batch.is_empty() {
            return None;
        }
        let urgent = self
            .batch
            .iter()
            .any(|evaluated| evaluated.job.urgency() == Urgency::Now);
        self.ledger.append(&mut self.batch);
        self.collect_completions();
        Some(if urgent {
            Urgency::Now
        } else {
            Urgency::Deferred
        })
    }

    fn collect_completions(&mut self) {
        if let Err(why) = self.ledger.completions(&mut self.completions) {
            self.failed = true;
            self.pipeline.gate.close(GateState::LedgerDown);
            self.pipeline.wake_queues.flush();
            (self.on_fault)(why);
        }
    }

    /// Takes back what the ledger can't write: for the force drain to find, or
    /// `requested` by a drain that saves it, to be tried again.
    fn reclaim(&mut self, requested: bool) {
        let mut unwritten = Vec::new();
        self.ledger.reclaim(&mut unwritten);
        for Evaluated { job, .. } in unwritten {
            if self.pipeline.claims.take_back(job.claim) {
                if requested {
                    self.pipeline.given_back.push(&job);
                }
                self.pipeline.pending_queue.put(job);
            }
        }
        if requested {
            self.pipeline.pending_queue.wake_feeder();
        }
    }

    /// Makes committed outcomes known: first to the window and the metrics,
    /// then to the submitters. Returns how many.
    fn publish(&mut self) -> u64 {
        if self.completions.is_empty() {
            return 0;
        }
        let pipeline = self.pipeline;
        let now = Instant::now();
        let (mut orders, mut bytes) = (0, 0);
        let (mut bulk_orders, mut bulk_bytes) = (0, 0);
        let mut settled_seq = None;
        let mut completions = self.completions.drain(..);
        while let Some(Completion { item, result }) = completions.next() {
            if let Some(next) = completions.as_slice().get(AHEAD) {
                let job = &next.item.job;
                pipeline.claims.prefetch_change(job.claim);
                pipeline.window.prefetch_insert(job.order.id_hash());
            }
            if let CommitResult::Committed { seq, .. } = result {
                settled_seq = Some(seq);
            }
            let answer = record(pipeline, &item, result, now);
            let job = item.job;
            let order_bytes = cost(&job.order);
            orders += 1;
            bytes += order_bytes;
            if job.bulk {
                bulk_orders += 1;
                bulk_bytes += order_bytes;
            }
            let waiters = match answer {
                Answer::Committed(_) | Answer::AlreadyThere(_) | Answer::OtherContent => {
                    pipeline.pending_queue.committed(&job);
                    pipeline.claims.finish(job.claim).waiters
                }
                Answer::Withdrawn(_) => {
                    pipeline.pending_queue.withdrawn(&job);
                    let withdrawn = &pipeline.withdrawn_orders;
                    let ended = withdrawn.end_in_doubt(&pipeline.claims, job.claim, &job);
                    ended.waiters
                }
            };
            for waiter in waiters {
                waiter.complete(answer.clone());
            }
            job.complete(answer);
        }
        if let Some(seq) = settled_seq {
            pipeline.settle(seq);
        }
        pipeline.bulk.leave(bulk_orders, bulk_bytes);
        pipeline.gate.leave(orders, bytes);
        pipeline.throughput.count(orders, now);
        orders
    }
}

/// Lets an order into the batch, unless it was withdrawn or is to be.
fn admit(pipeline: &Pipeline, evaluated: Evaluated) -> Option<Evaluated> {
    if let Verdict::Retry(reason) = evaluated.verdict {
        pipeline.retry(evaluated.job, reason);
        return None;
    }
    let job = &evaluated.job;
    // The claim decides between commit and force drain: past this line the
    // order can't be withdrawn, and a withdrawn one doesn't get past it.
    if !pipeline.claims.begin_commit(job.claim) {
        pipeline.withdraw(job, Withdrawal::Drain);
        return None;
    }
    Some(evaluated)
}

/// Enters an outcome into the window and the metrics, while its claim is held;
/// returns the submitter's answer.
fn record(pipeline: &Pipeline, item: &Evaluated, result: CommitResult, now: Instant) -> Answer {
    let job = &item.job;
    let metrics = &pipeline.metrics.ledger;
    match result {
        CommitResult::Committed { seq, at } => {
            let status = item.status();
            let known = Known {
                seq,
                status,
                content: job.order.content_hash(),
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
            metrics.already_there_same.inc();
            let known = Known {
                seq: outcome.seq,
                status: outcome.status,
                content: job.order.content_hash(),
            };
            let at = clock::unix_nanos();
            pipeline.window.insert(job.order.id_hash(), known, at);
            Answer::AlreadyThere(outcome)
        }
        CommitResult::OtherContent(held) => {
            metrics.already_there_other.inc();
            if let Some(Held {
                seq,
                status,
                content,
            }) = held
            {
                let known = Known {
                    seq,
                    status,
                    content,
                };
                let at = clock::unix_nanos();
                pipeline.window.insert(job.order.id_hash(), known, at);
            }
            Answer::OtherContent
        }
        CommitResult::InDoubt => {
            pipeline.metrics.withdrawn.inc(WithdrawReason::Ledger);
            Answer::Withdrawn(if pipeline.gate.state() == GateState::LedgerDown {
                Withdrawal::Ledger
            } else {
                Withdrawal::Unconfirmed
            })
        }
    }
}
