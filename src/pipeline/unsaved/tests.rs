//! Looking for orders against everybody who moves them: each is found, and goes
//! on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::admission::{Admission, Admitted, Ticket};
use crate::order::{HashKey, Order};
use crate::pipeline::Settings;
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::{Processor, Verdict};
use crate::pipeline::test_pipeline::Uneven;

use super::*;

fn admission(pipeline: Arc<Pipeline>) -> Admission {
    Admission::new(pipeline, HashKey::from_bytes([1; 16]))
}

fn submit(admission: &Admission, number: usize) -> Ticket {
    let json = format!(r#"{{"id":"o-{number}","value":1}}"#);
    match admission.submit(json.as_bytes(), None) {
        Ok(Admitted::Waiting(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_is_found_or_has_its_outcome_and_all_go_on() {
    const ORDERS: usize = 200;
    let mut found_in_all = 0;
    for round in 0..30 {
        let settings = match round % 3 {
            2 => Settings::fused_for_tests(),
            _ => Settings::for_tests(),
        };
        let uneven = Uneven::new(round % 3 > 0);
        let admission = admission(Pipeline::started(&settings, uneven, None));
        let pipeline = admission.pipeline();
        let tickets: Vec<_> = (0..ORDERS).map(|it| submit(&admission, it)).collect();
        // Every second one is acknowledged, if it is there still.
        let acked: HashSet<Claim> = tickets
            .iter()
            .step_by(2)
            .filter(|ticket| ticket.ack_queued())
            .map(|ticket| ticket.claim())
            .collect();
        pipeline.gate.close(GateState::Draining);
        pipeline.claims.defer_acks();
        let mut saved = HashSet::new();
        let end = Instant::now() + Duration::from_secs(60);
        while !pipeline.gate.wait_empty(Instant::now()) {
            assert!(Instant::now() < end, "all go on");
            for job in pipeline.find_unsaved(&saved) {
                assert!(saved.insert(job.claim), "found once");
            }
        }
        assert!(saved.is_subset(&acked), "others are left alone");
        found_in_all += saved.len();
        assert_eq!(pipeline.metrics.ledger.outcomes(), ORDERS as u64);
        pipeline.close();
    }
    assert!(found_in_all > 30, "{found_in_all}");
}

/// What waits for a worker, and what is with one that doesn't come back.
#[test]
fn all_that_can_be_found_is_found_at_once() {
    struct Stuck(Arc<AtomicU64>);
    impl Processor for Stuck {
        fn process(&self, _: &Order) -> Verdict {
            while self.0.load(Ordering::SeqCst) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            Verdict::Processed
        }
    }
    let let_go = Arc::new(AtomicU64::new(0));
    let stuck = Stuck(let_go.clone());
    let pipeline = Pipeline::started(&Settings::for_tests(), stuck, None);
    let admission = admission(pipeline.clone());
    let tickets: Vec<_> = (0..10).map(|it| submit(&admission, it)).collect();
    while pipeline.depth() > 8 {
        thread::yield_now(); // until both workers have one
    }
    assert!(tickets[..9].iter().all(Ticket::ack_queued));
    pipeline.gate.close(GateState::Draining);
    pipeline.claims.defer_acks();
    let mut saved = HashSet::new();
    while saved.len() < 9 {
        saved.extend(pipeline.find_unsaved(&saved).iter().map(|job| job.claim));
    }
    assert!(pipeline.find_unsaved(&saved).is_empty());
    // One that is to be acknowledged now has to be saved before, and so has one
    // that was acknowledged already.
    assert!(!tickets[0].ack_queued());
    let save = |claim: &Claim| pipeline.claims.set_saved(*claim);
    saved.iter().for_each(save);
    let late = &tickets[9];
    assert!(!late.ack_queued() && !late.ack_queued());
    let found = pipeline.find_unsaved(&saved);
    assert_eq!(found.len(), 1);
    save(&found[0].claim);
    assert!(late.ack_queued() && tickets[0].ack_queued());
    let_go.store(1, Ordering::SeqCst);
    assert!(
        pipeline
            .gate
            .wait_empty(Instant::now() + Duration::from_secs(60))
    );
    assert_eq!(pipeline.metrics.ledger.outcomes(), 10);
    pipeline.close();
}
