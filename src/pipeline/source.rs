//! Where the committer's orders come from: the commit queue, or, fused with the
//! only worker, the intake queue.

use std::time::Instant;

use crate::clock;
use crate::pipeline::evaluate::evaluate;
use crate::pipeline::evaluated::Evaluated;
use crate::pipeline::processor::Processor;
use crate::pipeline::shared::Pipeline;
use crate::pipeline::stall::SLOW_ROUND;
use crate::sync::parking::Urgency;

/// Gives evaluated orders, some at a time.
pub(crate) trait Source {
    /// The next one, if there is one now.
    fn pop(&mut self) -> Option<Evaluated>;

    /// Called behind each round of [`pop`](Self::pop) that gave something, with
    /// what was taken into the batch since.
    fn end_round(&mut self, taken: &mut [Evaluated]);

    /// The committer has slept so many times.
    fn parked(&self, times: u64);
}

/// Orders that workers have evaluated.
pub(crate) struct FromWorkers<'a>(pub(crate) &'a Pipeline);

impl Source for FromWorkers<'_> {
    fn pop(&mut self) -> Option<Evaluated> {
        self.0.commit_queue.pop()
    }

    fn end_round(&mut self, _: &mut [Evaluated]) {
        self.0.commit_space.notify(Urgency::Now);
    }

    fn parked(&self, _: u64) {}
}

/// Orders that this thread evaluates itself. A hand-over between threads costs
/// more than a quick processor where cores are few.
pub(crate) struct Evaluator<'a> {
    pipeline: &'a Pipeline,
    processor: &'a dyn Processor,
    /// When the round began, and the orders in it. The clock is read twice a
    /// round, not twice an order: it costs as much as a quick processor.
    round: Option<(Instant, u32)>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(pipeline: &'a Pipeline, processor: &'a dyn Processor) -> Self {
        Self {
            pipeline,
            processor,
            round: None,
        }
    }
}

impl Source for Evaluator<'_> {
    fn pop(&mut self) -> Option<Evaluated> {
        let job = self.pipeline.intake.pop()?;
        let (began, orders) = self.round.get_or_insert_with(|| {
            let now = Instant::now();
            self.pipeline.round.begin(clock::millis());
            (now, 0)
        });
        *orders += 1;
        let (queued, at) = (began.saturating_duration_since(job.admitted), *began);
        self.pipeline.metrics.workers[0].queue.record(queued);
        let verdict = evaluate(self.processor, &job.order);
        Some(Evaluated { job, verdict, at })
    }

    fn end_round(&mut self, taken: &mut [Evaluated]) {
        let Some((began, orders)) = self.round.take() else {
            return;
        };
        self.pipeline.round.end();
        let now = Instant::now();
        let took = now - began;
        if took >= SLOW_ROUND {
            tracing::warn!(
                orders,
                "a processor that says that it is quick took {took:.1?}: no order was committed \
                 meanwhile"
            );
        }
        for evaluated in taken {
            evaluated.at = now;
        }
        let each = took / orders;
        let process = &self.pipeline.metrics.workers[0].process;
        process.record_times(each, u64::from(orders));
    }

    fn parked(&self, times: u64) {
        let metrics = &self.pipeline.metrics.workers[0];
        metrics.parks.add(times);
        metrics.wakes.add(times);
    }
}
