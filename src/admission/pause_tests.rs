//! The pause before a commit that nobody waits for, with one thread that evaluates
//! and commits and with two: whoever begins to wait ends it. It takes so long
//! here that a test which sees it through has failed.

use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::cpu::plan::Plan;
use crate::ledger::memory;
use crate::order::HashKey;
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::Rules;
use crate::pipeline::{Pipeline, Settings};

use super::*;

const PAUSE: Duration = Duration::from_secs(600);

fn json(number: usize) -> Vec<u8> {
    format!(r#"{{"id":"o-{number}","value":1}}"#).into_bytes()
}

/// A pipeline whose committer pauses, and the number of the last order, which is
/// queued.
fn paused(fused: bool) -> (Admission, usize) {
    let settings = Settings {
        plan: Plan {
            fused,
            ..Plan::unpinned(1)
        },
        commit_delay: PAUSE,
        ..Settings::for_tests()
    };
    let pipeline = Pipeline::for_tests(&settings);
    let (ledger, archive) = memory::open(100_000);
    let on_fault = Arc::new(|fault| panic!("{fault}"));
    pipeline
        .start(
            &settings.plan,
            Arc::new(Rules::default()),
            Box::new(ledger),
            Arc::new(archive),
            on_fault,
        )
        .unwrap();
    pipeline.gate.open();
    let admission = Admission::new(pipeline.clone(), HashKey::from_bytes([1; 16]));
    for number in 0.. {
        while !matches!(
            admission.submit(&json(number), None),
            Ok(Admitted::Waiting(_))
        ) {
            thread::yield_now(); // full, since it pauses
            if pipeline.committer_parking().is_pausing() {
                break;
            }
        }
        if pipeline.committer_parking().is_pausing() && pipeline.gate.orders() > 0 {
            return (admission, number);
        }
    }
    unreachable!("numbers don't end")
}

/// All orders get their outcome, before a pause that was there when the test
/// `began` is over.
fn ends(admission: &Admission, began: Instant) {
    let pipeline = admission.pipeline();
    pipeline.gate.close(GateState::Draining);
    pipeline.end_pause(); // the next one may have begun
    assert!(
        pipeline.gate.wait_empty(began + PAUSE / 2),
        "a pause went on"
    );
    assert!(began.elapsed() < PAUSE / 2, "a pause went on");
    pipeline.close();
}

#[test]
fn an_urgent_order_ends_it() {
    for fused in [true, false] {
        let began = Instant::now();
        let (admission, last) = paused(fused);
        let mut answer = None;
        while answer.is_none() {
            // The queue may be full of what came before.
            answer = admission.submit_and_wait(&json(last + 1), PAUSE).ok();
        }
        assert!(matches!(answer, Some(Some(_))), "{answer:?}");
        ends(&admission, began);
    }
}

#[test]
fn a_duplicate_that_waits_ends_it() {
    for fused in [true, false] {
        let began = Instant::now();
        let (admission, queued) = loop {
            let (admission, last) = paused(fused);
            // The oldest order that is still queued. There is none if the pause
            // was about to end when it was seen.
            let queued = (0..=last).find(|number| {
                let id = crate::order::OrderId::parse(&format!("o-{number}")).unwrap();
                admission.find(&id) == OrderState::InFlight
            });
            if let Some(queued) = queued {
                break (admission, queued);
            }
            ends(&admission, began);
        };
        let answer = admission.submit_and_wait(&json(queued), PAUSE);
        assert!(matches!(answer, Ok(Some(_))), "{answer:?}");
        ends(&admission, began);
    }
}

#[test]
fn half_a_queue_ends_it() {
    for fused in [true, false] {
        let began = Instant::now();
        let (admission, last) = paused(fused);
        let pipeline = admission.pipeline().clone();
        let committed = || pipeline.metrics.ledger.processed.get();
        let (before, mut number) = (committed(), last);
        while committed() == before {
            number += 1;
            // Full at most for the moment until the committer has woken.
            let _ = admission.submit(&json(number), None);
        }
        pipeline.gate.close(GateState::Draining);
        pipeline.end_pause(); // it may pause again by now
        ends(&admission, began);
    }
}

#[test]
fn a_watcher_ends_it() {
    for fused in [true, false] {
        let began = Instant::now();
        let (admission, _) = paused(fused);
        let pipeline = admission.pipeline().clone();
        while pipeline.gate.orders() > 0 {
            // Listed again each time, as a watcher that waits on is: what comes
            // behind a commit may begin the next pause.
            let _watch = admission.watch(Waker::noop());
            thread::yield_now();
        }
        ends(&admission, began);
    }
}

#[test]
fn a_drain_ends_it() {
    for fused in [true, false] {
        let began = Instant::now();
        let (admission, _) = paused(fused);
        let pipeline = admission.pipeline().clone();
        pipeline.gate.close(GateState::Draining);
        pipeline.end_pause();
        ends(&admission, began);
    }
}
