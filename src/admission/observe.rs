//! What front ends may see of the pipeline: its state, outcomes, progress.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::admission::shared::Admission;
use crate::ledger::{Archive, Find, Read, ReadError, ReadRange};
use crate::metrics::Metrics;
use crate::order::OrderId;
#[cfg(any(test, fuzzing))]
use crate::pipeline::Pipeline;
use crate::pipeline::gate::GateState;
use crate::sync::watch_list::Watch;

/// How far back the dedupe window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowReach {
    /// Outcomes it holds at most.
    pub(crate) orders: usize,
    /// The age of the oldest outcome, once the window is full.
    pub(crate) age: Option<Duration>,
}

/// Where an order is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// On its way to an outcome.
    InFlight,
    /// Committed under this sequence.
    Committed(u64),
    /// Neither in flight nor in the window.
    Unknown,
}

impl Admission {
    /// Looks an order up by its id.
    pub fn find(&self, id: &OrderId) -> OrderState {
        let id = self.key.id(id);
        // In this order: an order that is committed in between is in the
        // window by then.
        if self.pipeline.claims.contains(id) {
            return OrderState::InFlight;
        }
        match self.pipeline.window.get(id) {
            Some(known) => OrderState::Committed(known.seq),
            None => OrderState::Unknown,
        }
    }

    /// Whether orders are taken, or why not.
    pub(crate) fn state(&self) -> GateState {
        self.pipeline.gate.state()
    }

    /// Why the journal can't make its next segment, if it can't.
    pub(crate) fn no_segment_ahead(&self) -> Option<String> {
        let journal = self.pipeline.metrics.journal.get()?;
        journal.no_segment_ahead()
    }

    /// Whether no more orders will be taken in this process.
    pub(crate) fn is_closed(&self) -> bool {
        self.pipeline.gate.is_closed()
    }

    /// Where outcomes are read; `None` until the ledger is open.
    pub(crate) fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.pipeline.archive()
    }

    /// Reads the outcome with this sequence and hands it to `reply`, now or
    /// later, on whatever thread. Wakers that `reply` calls are flushed behind
    /// it. Before the ledger is open the answer is [`ReadError::Busy`].
    pub(crate) fn read(&self, seq: u64, reply: impl FnOnce(Read) + Send + 'static) {
        let Some(archive) = self.archive() else {
            return reply(Err(ReadError::Busy));
        };
        let wake_queues = self.pipeline.wake_queues.clone();
        let reply = move |read| {
            reply(read);
            wake_queues.flush();
        };
        archive.read(seq, Box::new(reply));
    }

    /// Looks an id up that [`find`](Self::find) doesn't know, in a ledger that
    /// other processes commit to as well; the rest as with
    /// [`read`](Self::read).
    pub(crate) fn find_committed(&self, id: &OrderId, reply: impl FnOnce(Find) + Send + 'static) {
        let Some(archive) = self.archive() else {
            return reply(Err(ReadError::Busy));
        };
        let wake_queues = self.pipeline.wake_queues.clone();
        let reply = move |found| {
            reply(found);
            wake_queues.flush();
        };
        archive.find(id, Box::new(reply));
    }

    /// Whether an id that [`find`](Self::find) doesn't know may be committed.
    pub(crate) fn is_shared(&self) -> bool {
        self.archive().is_some_and(|archive| archive.is_shared())
    }

    /// Reads the outcomes after sequence `after`, as [`Archive::read_range`]
    /// does; the rest as with [`read`](Self::read).
    pub(crate) fn read_range(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: impl FnOnce(ReadRange) + Send + 'static,
    ) {
        let Some(archive) = self.archive() else {
            return reply(Err(ReadError::Busy));
        };
        let wake_queues = self.pipeline.wake_queues.clone();
        let reply = move |read| {
            reply(read);
            wake_queues.flush();
        };
        archive.read_range(after, limit, bytes_max, Box::new(reply));
    }

    /// How far back the dedupe window reaches.
    pub(crate) fn window_reach(&self) -> WindowReach {
        WindowReach {
            orders: self.pipeline.window.capacity(),
            age: self.pipeline.window.age(),
        }
    }

    /// Has `waker` called when next an order ends, or when the service drains.
    /// Look at what you wait for after this call: it may have come already.
    pub(crate) fn watch(&self, waker: &Waker) -> Watch {
        let watch = self.pipeline.progress.watch(waker);
        self.pipeline.end_pause();
        if let Some(archive) = self.archive() {
            archive.watched();
        }
        watch
    }

    /// Has `waker` called when next [`state`](Self::state) changes; the rest as
    /// with [`watch`](Self::watch).
    pub(crate) fn watch_state(&self, waker: &Waker) -> Watch {
        self.pipeline.gate.changed.watch(waker)
    }

    /// Whole seconds after which a refused order should be sent again.
    pub(crate) fn retry_after(&self) -> u32 {
        let (pipeline, now) = (&self.pipeline, Instant::now());
        pipeline.throughput.retry_after(pipeline.depth(), now)
    }

    /// Counters and histograms.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.pipeline.metrics
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }
}
