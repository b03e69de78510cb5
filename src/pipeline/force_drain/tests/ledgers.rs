//! Ledgers that are late, fail, or answer in doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::admission::{Admission, Admitted};
use crate::ledger::{CommitResult, Completion, Item, Ledger, LedgerFailed, memory};
use crate::order::HashKey;
use crate::pipeline::force_drain::tests::{Stuck, ids, json, started};
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::Rules;
use crate::pipeline::{Evaluated, Pipeline, Settings};

/// A ledger that takes its time.
struct Late {
    memory: memory::MemoryLedger<Evaluated>,
    has_some: Arc<AtomicBool>,
    let_go: Arc<AtomicBool>,
}

impl Ledger<Evaluated> for Late {
    fn capacity_left(&self) -> usize {
        self.memory.capacity_left()
    }
    fn append(&mut self, batch: &mut Vec<Evaluated>) {
        self.has_some.store(true, Ordering::SeqCst);
        while !self.let_go.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        self.memory.append(batch);
    }
    fn completions(&mut self, done: &mut Vec<Completion<Evaluated>>) -> Result<(), LedgerFailed> {
        self.memory.completions(done)
    }
}

#[test]
fn what_the_ledger_has_is_counted_until_it_comes_back() {
    let (has_some, let_go) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
    let late = Late {
        memory: memory::open(16).0,
        has_some: has_some.clone(),
        let_go: let_go.clone(),
    };
    let admission = started(
        &Settings::for_tests(),
        Rules::default(),
        Some(Box::new(late)),
    );
    for number in 0..5 {
        match admission.submit(&json(&format!("o-{number}")), None) {
            Ok(Admitted::Waiting(ticket)) => assert!(ticket.ack_queued()),
            other => panic!("{other:?}"),
        }
    }
    while !has_some.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let pipeline = admission.pipeline();
    pipeline.gate.close(GateState::Draining);
    assert_eq!(pipeline.force_drain(Duration::from_secs(1)), []);
    let (pending, with_ledger) = pipeline.take_pending();
    let with_ledger = with_ledger.len();
    assert!(with_ledger > 0);
    assert_eq!(pending.len() + with_ledger, 5);
    let_go.store(true, Ordering::SeqCst);
    assert!(
        pipeline
            .gate
            .wait_empty(Instant::now() + Duration::from_secs(60))
    );
    assert_eq!(pipeline.metrics.ledger.outcomes(), with_ledger as u64);
    assert_eq!(pipeline.take_pending().1, [], "it has its outcome");
    pipeline.close();
}

/// A ledger that can't go on.
struct Broken;

impl Ledger<Evaluated> for Broken {
    fn capacity_left(&self) -> usize {
        100
    }
    fn append(&mut self, _: &mut Vec<Evaluated>) {
        unreachable!("`completions` said before that it has failed");
    }
    fn completions(&mut self, _: &mut Vec<Completion<Evaluated>>) -> Result<(), LedgerFailed> {
        Err(LedgerFailed("broken".into()))
    }
}

/// One whose answers are all in doubt.
#[derive(Default)]
struct Doubtful(Vec<Evaluated>);

impl Ledger<Evaluated> for Doubtful {
    fn capacity_left(&self) -> usize {
        100
    }
    fn append(&mut self, batch: &mut Vec<Evaluated>) {
        self.0.append(batch);
    }
    fn completions(&mut self, done: &mut Vec<Completion<Evaluated>>) -> Result<(), LedgerFailed> {
        let result = CommitResult::InDoubt;
        let completions = self.0.drain(..).map(|item| {
            assert_eq!(item.reason(), None);
            let result = result.clone();
            Completion { item, result }
        });
        done.extend(completions);
        Ok(())
    }
}

#[test]
fn pending_outlive_a_ledger_that_fails() {
    let ledgers: [Box<dyn Ledger<Evaluated>>; 2] = [Box::new(Broken), Box::<Doubtful>::default()];
    for ledger in ledgers {
        // Acknowledged before the worker is done with it.
        let let_go = Arc::new(AtomicBool::new(false));
        let stuck = Stuck {
            quick: true,
            let_go: let_go.clone(),
        };
        let settings = Settings {
            queue_orders: 16,
            window: 16,
            ..Settings::for_tests()
        };
        let pipeline = Pipeline::for_tests(&settings);
        let (_, archive) = memory::open::<Evaluated>(16);
        pipeline.gate.open();
        let admission = Admission::new(pipeline.clone(), HashKey::from_bytes([1; 16]));
        for number in 0..5 {
            let submitted = admission.submit(&json(&format!("o-{number}")), None);
            let Ok(Admitted::Waiting(ticket)) = submitted else {
                panic!("{submitted:?}");
            };
            assert!(number == 4 || ticket.ack_queued());
        }
        let faults = Arc::new(|_| ());
        pipeline
            .start(
                &settings.plan,
                Arc::new(stuck),
                ledger,
                Arc::new(archive),
                faults,
            )
            .unwrap();
        let_go.store(true, Ordering::SeqCst);
        pipeline.gate.close(GateState::Draining);
        let empty = pipeline
            .gate
            .wait_empty(Instant::now() + Duration::from_secs(60));
        assert!(empty);
        assert_eq!(ids(&pipeline.take_pending().0).len(), 4);
        assert!(pipeline.take_pending().0.is_empty(), "taken once");
        pipeline.close();
    }
}
