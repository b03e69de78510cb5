//! The gate and the orders in doubt, model-checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread;

use crate::dedupe::claims::{Claimed, Claims};
use crate::pipeline::gate::{Gate, GateState};
use crate::pipeline::withdrawn_orders::WithdrawnOrders;
use crate::sync::modelled::check;
use crate::sync::primitive::{AtomicUsize, Ordering};

/// A drain that finds the gate empty finds everything done that was done for
/// the orders inside, and none comes in afterwards.
#[test]
fn closed_and_empty_is_final() {
    check(3, || {
        let gate = Arc::new(Gate::new(1000, 10));
        gate.open();
        let done = Arc::new(AtomicUsize::new(0));
        let drain = {
            let (gate, done) = (gate.clone(), done.clone());
            thread::spawn(move || {
                gate.close(GateState::Draining);
                assert!(gate.wait_empty(Instant::now() + Duration::from_secs(3600)));
                done.load(Ordering::Relaxed)
            })
        };
        let entered = gate.enter(1).is_ok();
        if entered {
            done.store(1, Ordering::Relaxed);
            gate.leave(1, 1);
        }
        assert_eq!(drain.join().unwrap(), usize::from(entered));
    });
}

/// An acknowledged order that comes back from the ledger in doubt while the
/// pending file is written is written or counted, and not both.
#[test]
fn an_order_in_doubt_is_pending_or_with_the_ledger() {
    check(3, || {
        let claims = Arc::new(Claims::<()>::new(1));
        let withdrawn = Arc::new(WithdrawnOrders::default());
        let Claimed::Mine(claim) = claims.claim(7, 1) else {
            panic!("alone");
        };
        assert!(claims.queued(claim) && claims.ack_queued(claim) && claims.begin_commit(claim));
        claims.seal();
        let committer = {
            let (claims, withdrawn) = (claims.clone(), withdrawn.clone());
            thread::spawn(move || withdrawn.end_in_doubt(&claims, claim, &Arc::new(())).acked)
        };
        let (pending, with_ledger) = withdrawn.take(&claims);
        assert_eq!(pending.len() + with_ledger.len(), 1);
        assert!(committer.join().unwrap());
    });
}
