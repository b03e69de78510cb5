//! Admissions that the end of the service overtakes.

use std::time::Duration;

use crate::admission::shared::Entered;
use crate::metrics::Reason;
use crate::order::{HashKey, Order};
use crate::pipeline::answer::Withdrawal;
use crate::pipeline::gate::GateState;
use crate::pipeline::{Pipeline, Settings, cost};

use super::*;

fn order(admission: &Admission, id: &str) -> Order {
    let json = format!(r#"{{"id":"{id}","value":1}}"#);
    admission.decode(json.as_bytes()).unwrap()
}

/// An order becomes pending while another with its id is between the gate and
/// its claim: the second one is rejected.
#[test]
fn a_pending_id_is_not_claimed_again() {
    let pipeline = Pipeline::for_tests(&Settings::for_tests());
    pipeline.gate.open();
    let admission = Admission::new(pipeline.clone(), HashKey::random());
    match admission.admit(order(&admission, "a"), None) {
        Ok(Admitted::Waiting(ticket)) => assert!(ticket.ack_queued()),
        other => panic!("{other:?}"),
    }
    let late = order(&admission, "a");
    let bytes = cost(&late);
    pipeline.gate.enter(bytes).unwrap();
    let entered = Entered {
        pipeline: &pipeline,
        bytes,
        bulk: false,
        first: false,
    };
    pipeline.gate.close(GateState::Draining);
    assert_eq!(pipeline.force_drain(Duration::ZERO), []);
    match admission.admit_entered(late, None, None, entered) {
        Offered::Rejected(Rejection::Closed(GateState::Draining)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!((pipeline.depth(), pipeline.gate.orders()), (0, 0));
    assert_eq!(pipeline.take_pending().0.len(), 1);
    assert_eq!(pipeline.metrics.admission.accepted.get(), 1);
    let draining = Reason::Draining;
    assert_eq!(pipeline.metrics.admission.rejected.get(draining), 1);
}

/// Single orders keep the queue full, and those in bulk get their part of it.
#[test]
fn orders_in_bulk_have_a_share_while_they_wait() {
    let pipeline = Pipeline::for_tests(&Settings {
        queue_orders: 8,
        ..Settings::for_tests()
    });
    pipeline.gate.open();
    let admission = Admission::new(pipeline.clone(), HashKey::random());
    let mut numbers = 0..;
    let mut next = || order(&admission, &format!("o-{}", numbers.next().unwrap()));
    let mut single = || admission.admit(next(), None).is_ok();
    // As a worker does.
    let take = || pipeline.intake.pop().unwrap();
    assert!((0..8).all(|_| single()) && !single());
    let mut numbers = 0..;
    let mut next = || order(&admission, &format!("b-{}", numbers.next().unwrap()));
    let mut bulk = || matches!(admission.offer(next(), None, None), Offered::Admitted(_));
    assert!(!bulk());
    drop(take());
    assert!(single(), "nobody waits");

    let waiting = admission.wait_in_bulk();
    assert!(!bulk());
    // A quarter of 8.
    for _ in 0..2 {
        drop(take());
        assert!(!single() && bulk() && !bulk());
    }
    drop(take());
    assert!(!bulk() && single(), "the share is used");
    assert!(!single());
    let mut taken: Vec<_> = (0..8).map(|_| take()).collect();
    assert_eq!(taken.iter().filter(|job| job.bulk).count(), 2);
    // Those that left count no more.
    taken.retain(|job| job.bulk);
    for job in &taken {
        pipeline.withdraw(job, Withdrawal::Drain);
    }
    assert!((0..6).all(|_| single()) && !single() && bulk() && bulk());
    drop(waiting);
    drop(take());
    assert!(single(), "nobody waits any more");
}
