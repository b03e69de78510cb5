//! A worker: takes an order, lets the processor judge it, hands it on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use core_affinity::CoreId;

use super::{
    InFlight, Judged, Pipeline, affinity,
    processor::{Processor, Verdict},
    wake::{Haste, Poll},
};

/// How long the committer may be left asleep while more orders are at hand and
/// the processor is quick: one wake-up then serves all judged meanwhile.
const HOLD: Duration = Duration::from_micros(20);

/// Runs worker number `me` until the pipeline is closed.
pub(super) fn run(pipeline: &Pipeline, me: usize, core: Option<CoreId>, processor: &dyn Processor) {
    if let Some(core) = core
        && let Err(why) = affinity::pin_current(core)
    {
        tracing::warn!(worker = me, core = core.id, %why, "not pinned");
    }
    let metrics = &pipeline.metrics.workers[me];
    let quick = processor.is_quick();
    // Judged orders that lie in the commit queue and nobody was told of: since
    // when, and how soon they are wanted.
    let mut untold: Option<(Instant, Haste)> = None;
    let mut last = Haste::Now;
    loop {
        let next = pipeline.workers.next(me, last, || {
            match pipeline.poll(&pipeline.intake) {
                found @ Poll::Item(..) => found,
                other => {
                    // The queue is empty: pass on what is held before waiting.
                    if let Some((_, haste)) = untold.take() {
                        pipeline.committer.notify(haste);
                    }
                    other
                }
            }
        });
        metrics.parks.add(next.parks);
        metrics.wakes.add(next.parks);
        let Some(job) = next.item else { return };
        last = job.waiter.haste();

        if !quick {
            pipeline.hands[me].store(Some(job.clone()));
        }
        let taken = Instant::now();
        let verdict = judge(processor, &job);
        let at = Instant::now();
        if !quick && pipeline.hands[me].take().is_none() {
            continue; // the drain deadline was faster, and has ended the order
        }
        metrics
            .queue
            .record(taken.saturating_duration_since(job.admitted));
        metrics.process.record(at - taken);

        let judged = Judged {
            job,
            verdict,
            at,
            in_hand: true,
        };
        hand_on(pipeline, me, judged);
        let (since, haste) = match untold {
            Some((since, Haste::Now)) => (since, Haste::Now),
            Some((since, Haste::CanWait)) => (since, last),
            None => (taken, last),
        };
        untold = Some((since, haste));
        if !quick || at - since >= HOLD {
            untold = None;
            pipeline.committer.notify(haste);
        }
    }
}

/// Runs the processor; a panic in it is a failed order.
fn judge(processor: &dyn Processor, job: &Arc<InFlight>) -> Verdict {
    // The processor's own state is its own business: it may be poisoned, and
    // panic again, and that fails the next order only.
    match catch_unwind(AssertUnwindSafe(|| processor.process(&job.order))) {
        Ok(verdict) => verdict.bounded(),
        Err(panic) => {
            // Dropping what it panicked with may panic again; that is forgotten.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(again);
            }
            tracing::error!(id = %job.order.id(), "the processor panicked; the order has failed");
            Verdict::failed("the processor panicked")
        }
    }
}

/// Puts a judged order into the commit queue, waiting for room if need be.
fn hand_on(pipeline: &Pipeline, me: usize, judged: Judged) {
    let Err(judged) = pipeline.judged.push(judged) else {
        return;
    };
    pipeline.committer.notify(Haste::Now);
    let mut held = Some(judged);
    pipeline.room.next(me, Haste::Now, || {
        let judged = held.take().expect("put back below whenever it was refused");
        match pipeline.judged.push(judged) {
            Ok(()) => Poll::Item((), !pipeline.judged.is_full()),
            Err(judged) => {
                held = Some(judged);
                Poll::Empty
            }
        }
    });
}
