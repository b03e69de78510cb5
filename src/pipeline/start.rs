//! The pipeline's threads.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::cpu::plan::Plan;
use crate::ledger::{Archive, Ledger, LedgerFailed};
use crate::pipeline::evaluated::Evaluated;
use crate::pipeline::processor::Processor;
use crate::pipeline::shared::Pipeline;
use crate::pipeline::source::{Evaluator, FromWorkers};
use crate::pipeline::{committer, worker};
use crate::sync::crash;

pub struct Threads(Vec<JoinHandle<()>>);

impl Pipeline {
    /// Starts the workers and the committer, which owns `ledger`; `archive` is
    /// its read side. `on_fault` is called by the committer once, if its ledger
    /// fails.
    ///
    /// # Errors
    /// When the system gives no more threads.
    ///
    /// # Panics
    /// If it was started before.
    pub fn start(
        self: &Arc<Self>,
        plan: &Plan,
        processor: Arc<dyn Processor>,
        ledger: Box<dyn Ledger<Evaluated>>,
        archive: Arc<dyn Archive>,
        on_fault: Arc<dyn Fn(LedgerFailed) + Send + Sync>,
    ) -> io::Result<Threads> {
        self.set_archive(archive);
        if self.is_fused() {
            return self.start_fused(plan, processor, ledger, on_fault);
        }
        let mut threads = Vec::with_capacity(plan.workers + 1);
        for me in 0..plan.workers {
            let (pipeline, processor) = (self.clone(), processor.clone());
            let core = plan.worker_cores.get(me).copied().flatten();
            threads.push(crash::spawn(format!("worker-{me}"), move || {
                worker::run(&pipeline, me, core, &*processor);
            })?);
        }
        let pipeline = self.clone();
        threads.push(crash::spawn("committer", move || {
            let source = FromWorkers(&pipeline);
            committer::run(&pipeline, source, ledger, &*on_fault);
        })?);
        Ok(Threads(threads))
    }

    /// Evaluates and commits what is in the intake queue now, on this thread,
    /// in the place of all that [`start`](Self::start) starts. The ledger back,
    /// and whether there was something.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn run_round(
        &self,
        processor: &dyn Processor,
        ledger: Box<dyn Ledger<Evaluated>>,
    ) -> (Box<dyn Ledger<Evaluated>>, bool) {
        committer::round(self, Evaluator::new(self, processor), ledger)
    }

    /// One thread takes orders off the intake queue, evaluates and commits
    /// them.
    fn start_fused(
        self: &Arc<Self>,
        plan: &Plan,
        processor: Arc<dyn Processor>,
        ledger: Box<dyn Ledger<Evaluated>>,
        on_fault: Arc<dyn Fn(LedgerFailed) + Send + Sync>,
    ) -> io::Result<Threads> {
        let pipeline = self.clone();
        let core = plan.worker_cores.first().copied().flatten();
        let thread = crash::spawn("worker-0", move || {
            worker::pin(0, core);
            let source = Evaluator::new(&pipeline, &*processor);
            committer::run(&pipeline, source, ledger, &*on_fault);
        })?;
        Ok(Threads(vec![thread]))
    }
}

impl Threads {
    /// Waits for the threads to end, after [`Pipeline::close`]; until `deadline`
    /// at most, since the last thing that a ledger does is on a disk that may
    /// not answer. Whether they have ended.
    pub fn join(self, deadline: Instant) -> bool {
        // They don't know who waits, so it polls, once in its life.
        while !self.0.iter().all(JoinHandle::is_finished) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        for thread in self.0 {
            thread.join().expect("a panic ends the process");
        }
        true
    }
}
