//! What all calls share.

use std::sync::Arc;

use tokio::sync::watch;

use crate::access::{Access, AccessSample};
use crate::admission::Admission;
use crate::grpc::call_permits::CallPermits;
use crate::grpc::limits::{Limits, RECORD_BYTES_MAX};
use crate::grpc::ready_queue::{ReadyQueue, TaskWaker};
use crate::metrics::{DenyReason, GrpcMetrics};
use crate::peer::Proxies;
use crate::sync::memory_budget::MemoryBudget;

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DrainPhase {
    Serving,
    /// The gate is closed for good.
    Draining,
    /// No order is in flight: each has its outcome or was withdrawn.
    Drained,
}

/// What calls that wait react to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signals {
    pub(super) drain: DrainPhase,
    /// How often the tokens were read again.
    pub(super) reloads: u64,
}

pub(super) struct FrontEnd {
    pub(super) admission: Arc<Admission>,
    pub(super) access: Arc<Access>,
    pub(super) access_sample: AccessSample,
    pub(super) proxies: Proxies,
    pub(super) limits: Limits,
    pub(super) permits: CallPermits,
    pub(super) metrics: Arc<GrpcMetrics>,
    /// Of records that are being sent.
    pub(super) records: Arc<MemoryBudget>,
    ready_queue: Arc<ReadyQueue>,
    /// Written by the thread that handles signals and drains, read by the
    /// listener and by calls that wait.
    signals: watch::Sender<Signals>,
}

impl FrontEnd {
    pub(super) fn new(
        admission: Arc<Admission>,
        access: Arc<Access>,
        proxies: Proxies,
        limits: Limits,
        ready_queue: Arc<ReadyQueue>,
    ) -> Self {
        let metrics = admission.metrics().grpc.get_or_init(Arc::default).clone();
        Self {
            metrics,
            permits: CallPermits::new(limits.connections_max),
            access_sample: AccessSample::new(limits.access_log),
            admission,
            access,
            proxies,
            limits,
            records: MemoryBudget::with_oversize(RECORD_BYTES_MAX),
            ready_queue,
            signals: watch::Sender::new(Signals {
                drain: DrainPhase::Serving,
                reloads: 0,
            }),
        }
    }

    /// Counts a call that is refused for who makes it.
    pub(super) fn count_denied(&self, reason: DenyReason) {
        self.admission.metrics().denied.inc(reason);
    }

    /// A waker for one call.
    pub(super) fn task_waker(&self) -> Arc<TaskWaker> {
        self.ready_queue.task_waker()
    }

    pub(super) fn signals(&self) -> watch::Receiver<Signals> {
        self.signals.subscribe()
    }

    pub(super) fn enter_phase(&self, phase: DrainPhase) {
        self.signals.send_modify(|now| now.drain = phase);
    }

    /// Has calls that last check their tokens.
    pub(super) fn tokens_reloaded(&self) {
        self.signals.send_modify(|now| now.reloads += 1);
    }
}
