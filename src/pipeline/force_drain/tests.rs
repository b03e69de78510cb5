//! The deadline against everybody else: the sums must come out even.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Barrier, Mutex};
use std::thread;

use crate::admission::{Admission, Admitted};
use crate::cpu::plan::Plan;
use crate::ledger::{CommitResult, Completion, Item, Ledger, LedgerFailed, memory};
use crate::order::{HashKey, Order};
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::{Processor, Rules, Verdict};
use crate::pipeline::{Evaluated, Settings};

use super::*;

fn started(processor: impl Processor, ledger: Option<Box<dyn Ledger<Evaluated>>>) -> Admission {
    start(Settings::for_tests(), processor, ledger)
}

/// The same with the worker that commits, too.
fn started_fused(processor: impl Processor) -> Admission {
    let mut settings = Settings::for_tests();
    settings.plan = Plan {
        fused: true,
        ..Plan::unpinned(1)
    };
    start(settings, processor, None)
}

fn start(
    settings: Settings,
    processor: impl Processor,
    ledger: Option<Box<dyn Ledger<Evaluated>>>,
) -> Admission {
    let pipeline = Pipeline::for_tests(&settings);
    let (memory, archive) = memory::open(100_000);
    let ledger = ledger.unwrap_or(Box::new(memory));
    let (archive, on_fault) = (Arc::new(archive), Arc::new(|fault| panic!("{fault}")));
    pipeline
        .start(
            &settings.plan,
            Arc::new(processor),
            ledger,
            archive,
            on_fault,
        )
        .unwrap();
    pipeline.gate.open();
    Admission::new(pipeline, HashKey::from_bytes([1; 16]))
}

fn json(id: &str) -> Vec<u8> {
    format!(r#"{{"id":"{id}","value":1}}"#).into_bytes()
}

fn ids(pending: &[Arc<InFlight>]) -> BTreeSet<String> {
    let ids: BTreeSet<_> = pending
        .iter()
        .map(|job| job.order.id().to_string())
        .collect();
    assert_eq!(ids.len(), pending.len(), "each once");
    ids
}

/// Takes some time for every third order.
struct Uneven {
    quick: bool,
    number: AtomicU64,
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

/// Submitters that acknowledge orders as queued or get an answer, up to and
/// past the deadline: every acknowledged order has an outcome or is pending,
/// and no other one is pending.
#[test]
fn every_acknowledged_order_is_pending_or_committed() {
    const SUBMITTERS: usize = 3;
    const ROUNDS: usize = 60;
    let mut pending = 0;
    for round in 0..ROUNDS {
        let uneven = Uneven {
            quick: round % 3 > 0,
            number: AtomicU64::new(0),
        };
        let admission = match round % 3 {
            2 => started_fused(uneven),
            _ => started(uneven, None),
        };
        let pipeline = admission.pipeline().clone();
        let (acked, refused) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
        let start = Barrier::new(SUBMITTERS + 1);
        thread::scope(|scope| {
            for me in 0..SUBMITTERS {
                let (admission, acked, refused, start) = (&admission, &acked, &refused, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut held = Vec::new();
                    for number in 0.. {
                        let id = format!("{me}-{number}");
                        match admission.submit(&json(&id), None) {
                            Ok(Admitted::Waiting(ticket)) => held.push((id, ticket)),
                            Ok(Admitted::Committed(_)) => unreachable!("each id once"),
                            Err(_) if admission.pipeline().gate.state() == GateState::Open => {
                                thread::yield_now();
                            }
                            Err(_) => break,
                        }
                        // Acknowledge an order some time after it came.
                        if number % 2 == 0 && held.len() > 5 {
                            let (id, ticket) = held.remove(number % 5);
                            acknowledge(id, &ticket, acked, refused);
                        }
                    }
                    for (id, ticket) in held {
                        acknowledge(id, &ticket, acked, refused);
                    }
                });
            }
            start.wait();
            while admission.pipeline().metrics.ledger.outcomes() < 20 + round as u64 {
                thread::yield_now();
            }
            pipeline.gate.close(GateState::Draining);
            assert_eq!(pipeline.force_drain(Duration::from_secs(60)), []);
        });
        assert_eq!((pipeline.gate.orders(), pipeline.gate.bytes()), (0, 0));
        let (acked, refused) = (acked.into_inner().unwrap(), refused.into_inner().unwrap());
        let saved = ids(&pipeline.take_pending().0);
        pending += saved.len();
        for id in &saved {
            assert!(
                acked.contains(id),
                "{id} is pending and was not acknowledged"
            );
        }
        assert!(saved.is_disjoint(&refused));
        for id in acked.difference(&saved) {
            let key = HashKey::from_bytes([1; 16]);
            let id = crate::order::OrderId::parse(id).unwrap();
            assert!(pipeline.window.get(key.id(&id)).is_some(), "{id} is lost");
        }
        let metrics = &pipeline.metrics;
        let drained = metrics.withdrawn.get(crate::metrics::WithdrawReason::Drain);
        let accepted = metrics.admission.accepted.get();
        assert_eq!(accepted, metrics.ledger.outcomes() + drained);
        pipeline.close();
    }
    assert!(pending > ROUNDS, "{pending} in {ROUNDS} rounds");

    fn acknowledge(
        id: String,
        ticket: &crate::admission::Ticket,
        acked: &Mutex<BTreeSet<String>>,
        refused: &Mutex<BTreeSet<String>>,
    ) {
        if ticket.ack_queued() {
            acked.lock().unwrap().insert(id);
            return;
        }
        // It has ended: the answer is there in a moment.
        let answer = loop {
            match ticket.answer() {
                Some(answer) => break answer,
                None => thread::yield_now(),
            }
        };
        if let Answer::Withdrawn(_) = answer {
            refused.lock().unwrap().insert(id);
        }
    }
}

/// Doesn't return before it is released.
struct Stuck {
    quick: bool,
    let_go: Arc<AtomicBool>,
}

impl Processor for Stuck {
    fn process(&self, _: &Order) -> Verdict {
        while !self.let_go.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        Verdict::Processed
    }
    fn is_quick(&self) -> bool {
        self.quick
    }
}

fn submit_five_and_acknowledge_four(admission: &Admission) {
    for number in 0..5 {
        let submitted = admission.submit(&json(&format!("o-{number}")), None);
        let Ok(Admitted::Waiting(ticket)) = submitted else {
            panic!("{submitted:?}");
        };
        assert!(number == 4 || ticket.ack_queued());
    }
    while admission.pipeline().depth() > 3 {
        thread::yield_now(); // until both workers have one
    }
}

#[test]
fn a_worker_that_hangs_is_not_waited_for() {
    let let_go = Arc::new(AtomicBool::new(false));
    let admission = started(
        Stuck {
            quick: false,
            let_go: let_go.clone(),
        },
        None,
    );
    submit_five_and_acknowledge_four(&admission);
    let pipeline = admission.pipeline();
    pipeline.gate.close(GateState::Draining);
    let start = Instant::now();
    assert_eq!(pipeline.force_drain(Duration::from_secs(60)), []);
    assert!(start.elapsed() < Duration::from_secs(30));
    let saved = ids(&pipeline.take_pending().0);
    let expected: BTreeSet<_> = (0..4).map(|number| format!("o-{number}")).collect();
    assert_eq!(saved, expected);
    // It comes back, and its verdict makes no difference any more.
    let_go.store(true, Ordering::SeqCst);
    pipeline.close();
    assert_eq!(pipeline.metrics.ledger.outcomes(), 0);
    assert_eq!(pipeline.gate.orders(), 0);
}

#[test]
fn a_quick_processor_that_hangs_is_counted() {
    let let_go = Arc::new(AtomicBool::new(false));
    let admission = started(
        Stuck {
            quick: true,
            let_go: let_go.clone(),
        },
        None,
    );
    submit_five_and_acknowledge_four(&admission);
    let pipeline = admission.pipeline();
    pipeline.gate.close(GateState::Draining);
    assert_eq!(pipeline.force_drain(Duration::from_millis(20)).len(), 2);
    assert_eq!(ids(&pipeline.take_pending().0).len(), 2);
    let_go.store(true, Ordering::SeqCst);
    assert!(
        pipeline
            .gate
            .wait_empty(Instant::now() + Duration::from_secs(60))
    );
    assert_eq!(pipeline.metrics.ledger.outcomes(), 0, "too late");
    pipeline.close();
}

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
    let admission = started(Rules::default(), Some(Box::new(late)));
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
    assert_eq!(pipeline.force_drain(Duration::from_millis(20)), []);
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
        // Told before the worker is done with it.
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

#[test]
fn process_slots_take_no_lock() {
    assert!(crossbeam_utils::atomic::AtomicCell::<Option<Arc<InFlight>>>::is_lock_free());
}
