//! A pipeline for the tests of this and upper layers.

use std::sync::Arc;
use std::time::Duration;

use crate::cpu::plan::Plan;
use crate::pipeline::shared::{Pipeline, Settings};

impl Settings {
    /// A queue of 256 orders, two workers, a window of 100,000 outcomes.
    pub(crate) fn for_tests() -> Self {
        Self {
            queue_orders: 256,
            queue_bytes: 1 << 20,
            window: 100_000,
            plan: Plan::unpinned(2),
            window_reach: Duration::ZERO,
            commit_delay: Duration::from_millis(1),
        }
    }
}

impl Pipeline {
    /// A pipeline without wake queues to flush.
    pub(crate) fn for_tests(settings: &Settings) -> Arc<Self> {
        let pipeline = Self::new(settings);
        pipeline.wake_queues.register(Vec::new());
        pipeline
    }
}
