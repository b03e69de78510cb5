//! Admissions that the end of the service overtakes.

use std::time::Duration;

use crate::admission::shared::Entered;
use crate::metrics::Reason;
use crate::order::{HashKey, Order};
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
        first: false,
    };
    pipeline.gate.close(GateState::Draining);
    assert_eq!(pipeline.force_drain(Duration::ZERO), 0);
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
