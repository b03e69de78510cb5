//! The deadline against everybody else: the sums must come out even.

mod ledgers;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Barrier, Mutex};
use std::thread;

use crate::admission::{Admission, Admitted};
use crate::ledger::Ledger;
use crate::order::{HashKey, Order};
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::{Processor, Verdict};
use crate::pipeline::test_pipeline::Uneven;
use crate::pipeline::{Evaluated, Settings};

use super::*;

fn started(
    settings: &Settings,
    processor: impl Processor,
    ledger: Option<Box<dyn Ledger<Evaluated>>>,
) -> Admission {
    let pipeline = Pipeline::started(settings, processor, ledger);
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

/// Submitters that acknowledge orders as queued or get an answer, up to and
/// past the deadline: every acknowledged order has an outcome or is pending,
/// and no other one is pending.
#[test]
fn every_acknowledged_order_is_pending_or_committed() {
    const SUBMITTERS: usize = 3;
    const ROUNDS: usize = 60;
    let mut pending = 0;
    for round in 0..ROUNDS {
        let settings = match round % 3 {
            2 => Settings::fused_for_tests(),
            _ => Settings::for_tests(),
        };
        let admission = started(&settings, Uneven::new(round % 3 > 0), None);
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
        &Settings::for_tests(),
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
        &Settings::for_tests(),
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

#[test]
fn process_slots_take_no_lock() {
    assert!(crossbeam_utils::atomic::AtomicCell::<Option<Arc<InFlight>>>::is_lock_free());
}
