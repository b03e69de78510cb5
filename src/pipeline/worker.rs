//! A worker: takes an order, has the processor evaluate it, passes it on.

use std::time::{Duration, Instant};

use core_affinity::CoreId;

use crate::cpu::topology;
use crate::pipeline::evaluate::evaluate;
use crate::pipeline::evaluated::Evaluated;
use crate::pipeline::processor::Processor;
use crate::pipeline::shared::Pipeline;
use crate::sync::parking::{Dequeue, Urgency};

/// How long the committer may stay asleep while more orders are queued and the
/// processor is quick: one wake-up then serves all that were evaluated
/// meanwhile.
const HOLD: Duration = Duration::from_micros(20);

/// Runs worker number `me` until the pipeline is closed.
pub(crate) fn run(pipeline: &Pipeline, me: usize, core: Option<CoreId>, processor: &dyn Processor) {
    pin(me, core);
    let metrics = &pipeline.metrics.workers[me];
    let quick = processor.is_quick();
    let mut held = HeldWakeup::default();
    let mut last = Urgency::Now;
    loop {
        let next = pipeline.workers.next(me, last, || {
            let polled = pipeline.poll(&pipeline.intake);
            // The queue is empty: wake the committer before waiting.
            if !matches!(polled, Dequeue::Item(..)) {
                held.release(pipeline);
            }
            polled
        });
        metrics.parks.add(next.parks);
        metrics.wakes.add(next.parks);
        let Some(job) = next.item else { return };
        last = job.urgency();

        let taken = Instant::now();
        let (job, verdict) = if quick {
            let verdict = evaluate(processor, &job.order);
            (job, verdict)
        } else {
            // In the slot, where a force drain finds it.
            pipeline.in_process[me].store(Some(job.clone()));
            let verdict = evaluate(processor, &job.order);
            drop(job);
            let Some(job) = pipeline.take_processed(me) else {
                continue; // the force drain was faster, and has ended the order
            };
            (job, verdict)
        };
        let at = Instant::now();
        metrics
            .queue
            .record(taken.saturating_duration_since(job.admitted));
        metrics.process.record(at - taken);

        pass_on(pipeline, me, Evaluated { job, verdict, at });
        held.hold(last, taken);
        if !quick || held.is_due(at) {
            held.release(pipeline);
        }
    }
}

/// Pins the calling thread, worker number `me`.
pub(crate) fn pin(me: usize, core: Option<CoreId>) {
    if let Some(core) = core
        && let Err(why) = topology::pin_current(core)
    {
        tracing::warn!(worker = me, core = core.id, %why, "not pinned");
    }
}

/// A wake-up of the committer that is held back: since when, and how urgent the
/// orders are that it is for.
#[derive(Default)]
struct HeldWakeup(Option<(Instant, Urgency)>);

impl HeldWakeup {
    fn hold(&mut self, urgency: Urgency, now: Instant) {
        self.0 = Some(match self.0 {
            Some((since, Urgency::Now)) => (since, Urgency::Now),
            Some((since, Urgency::Deferred)) => (since, urgency),
            None => (now, urgency),
        });
    }

    fn is_due(&self, now: Instant) -> bool {
        self.0.is_some_and(|(since, _)| now - since >= HOLD)
    }

    fn release(&mut self, pipeline: &Pipeline) {
        if let Some((_, urgency)) = self.0.take() {
            pipeline.notify_committer(urgency);
        }
    }
}

/// Puts an evaluated order into the commit queue, and waits while it is full.
fn pass_on(pipeline: &Pipeline, me: usize, evaluated: Evaluated) {
    let Err(evaluated) = pipeline.commit_queue.push(evaluated) else {
        return;
    };
    pipeline.notify_committer(Urgency::Now);
    let mut refused = Some(evaluated);
    pipeline.commit_space.next(me, Urgency::Now, || {
        let evaluated = refused
            .take()
            .expect("put back below whenever it is refused");
        match pipeline.commit_queue.push(evaluated) {
            Ok(()) => Dequeue::Item((), !pipeline.commit_queue.is_full()),
            Err(evaluated) => {
                refused = Some(evaluated);
                Dequeue::Empty
            }
        }
    });
}
