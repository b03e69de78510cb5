//! A pipeline for the tests of this and upper layers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::cpu::plan::Plan;
use crate::ledger::{Ledger, memory};
use crate::order::Order;
use crate::pipeline::evaluated::Evaluated;
use crate::pipeline::processor::{Processor, Verdict};
use crate::pipeline::settings::Settings;
use crate::pipeline::shared::Pipeline;

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

    /// The same with one worker, which commits, too.
    pub(crate) fn fused_for_tests() -> Self {
        Self {
            plan: Plan {
                fused: true,
                ..Plan::unpinned(1)
            },
            ..Self::for_tests()
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
    /// One whose threads run, in front of this ledger, or of one in memory.
    pub(super) fn started(
        settings: &Settings,
        processor: impl Processor,
        ledger: Option<Box<dyn Ledger<Evaluated>>>,
    ) -> Arc<Self> {
        let pipeline = Self::for_tests(settings);
        let (memory, archive) = memory::open(100_000);
        let ledger = ledger.unwrap_or(Box::new(memory));
        let (archive, on_fault) = (Arc::new(archive), Arc::new(|fault| panic!("{fault}")));
        let processor = Arc::new(processor);
        pipeline
            .start(&settings.plan, processor, ledger, archive, on_fault)
            .unwrap();
        pipeline.gate.open();
        pipeline
    }
}

/// Takes some time for every third order.
pub(super) struct Uneven {
    quick: bool,
    number: AtomicU64,
}

impl Uneven {
    pub(super) fn new(quick: bool) -> Self {
        Self {
            quick,
            number: AtomicU64::new(0),
        }
    }
}

impl Processor for Uneven {
    fn process(&self, _: &Order) -> Verdict {
        if self
            .number
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(3)
        {
            thread::sleep(Duration::from_micros(100));
        }
        Verdict::Processed
    }
    fn is_quick(&self) -> bool {
        self.quick
    }
}
