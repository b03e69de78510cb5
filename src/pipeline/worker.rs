//! A worker: takes an order, lets the processor judge it, hands it on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use core_affinity::CoreId;

use crate::cpu::topology;
use crate::order::Order;
use crate::pipeline::in_hand::InHand;
use crate::pipeline::processor::{Processor, Verdict};
use crate::pipeline::{Evaluated, Pipeline};
use crate::sync::parking::{Dequeue, Urgency};

/// How long the committer may be left asleep while more orders are at hand and
/// the processor is quick: one wake-up then serves all evaluated meanwhile.
const HOLD: Duration = Duration::from_micros(20);

/// Runs worker number `me` until the pipeline is closed.
pub(crate) fn run(pipeline: &Pipeline, me: usize, core: Option<CoreId>, processor: &dyn Processor) {
    if let Some(core) = core
        && let Err(why) = topology::pin_current(core)
    {
        tracing::warn!(worker = me, core = core.id, %why, "not pinned");
    }
    let metrics = &pipeline.metrics.workers[me];
    let quick = processor.is_quick();
    // Evaluated orders that lie in the commit queue and nobody was told of: since
    // when, and how soon they are wanted.
    let mut untold: Option<(Instant, Urgency)> = None;
    let mut last = Urgency::Now;
    loop {
        let next = pipeline.workers.next(me, last, || {
            let polled = pipeline.poll(&pipeline.intake).map(InHand::new);
            // The queue is empty: pass on what is held before waiting.
            if !matches!(polled, Dequeue::Item(..))
                && let Some((_, urgency)) = untold.take()
            {
                pipeline.committer.notify(urgency);
            }
            polled
        });
        metrics.parks.add(next.parks);
        metrics.wakes.add(next.parks);
        let Some(mut job) = next.item else { return };
        last = job.waiter.urgency();

        let taken = Instant::now();
        let verdict = if quick {
            evaluate(processor, &job.order)
        } else {
            // In one place at a time: in the cell, where the drain deadline finds
            // it, or in hand.
            let in_cell = job.let_go();
            pipeline.hands[me].store(Some(in_cell.clone()));
            let verdict = evaluate(processor, &in_cell.order);
            let Some(taken_out) = pipeline.hands[me].take() else {
                continue; // the deadline was faster, and has ended the order
            };
            job = InHand::new(taken_out);
            verdict
        };
        let at = Instant::now();
        metrics
            .queue
            .record(taken.saturating_duration_since(job.admitted));
        metrics.process.record(at - taken);

        hand_on(pipeline, me, Evaluated { job, verdict, at });
        let (since, urgency) = match untold {
            Some((since, Urgency::Now)) => (since, Urgency::Now),
            Some((since, Urgency::Deferred)) => (since, last),
            None => (taken, last),
        };
        untold = Some((since, urgency));
        if !quick || at - since >= HOLD {
            untold = None;
            pipeline.committer.notify(urgency);
        }
    }
}

/// Runs the processor; a panic in it is a failed order.
fn evaluate(processor: &dyn Processor, order: &Order) -> Verdict {
    // The processor's own state is its own business: it may be poisoned, and
    // panic again, and that fails the next order only.
    match catch_unwind(AssertUnwindSafe(|| processor.process(order))) {
        Ok(verdict) => verdict.bounded(),
        Err(panic) => {
            // Dropping what it panicked with may panic again; that is forgotten.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(again);
            }
            tracing::error!(id = %order.id(), "the processor panicked; the order has failed");
            Verdict::failed("the processor panicked")
        }
    }
}

/// Puts a evaluated order into the commit queue, waiting for room if need be.
fn hand_on(pipeline: &Pipeline, me: usize, evaluated: Evaluated) {
    let Err(evaluated) = pipeline.evaluated.push(evaluated) else {
        return;
    };
    pipeline.committer.notify(Urgency::Now);
    let mut held = Some(evaluated);
    pipeline.room.next(me, Urgency::Now, || {
        let evaluated = held.take().expect("put back below whenever it was refused");
        match pipeline.evaluated.push(evaluated) {
            Ok(()) => Dequeue::Item((), !pipeline.evaluated.is_full()),
            Err(evaluated) => {
                held = Some(evaluated);
                Dequeue::Empty
            }
        }
    });
}
