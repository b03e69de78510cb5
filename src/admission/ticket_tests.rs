//! What a ticket keeps alive.

use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::cpu::plan::Plan;
use crate::ledger::memory::MemoryLedger;
use crate::ledger::{Completion, Ledger, LedgerFailed, memory};
use crate::order::HashKey;
use crate::pipeline::processor::Rules;
use crate::pipeline::{Evaluated, InFlight, Pipeline, Settings};

use super::*;

/// A ledger that remembers which orders it had, without holding them.
struct Noting {
    inner: MemoryLedger<Evaluated>,
    seen: Arc<Mutex<Vec<Weak<InFlight>>>>,
}

impl Ledger<Evaluated> for Noting {
    fn capacity_left(&self) -> usize {
        self.inner.capacity_left()
    }

    fn append(&mut self, batch: &mut Vec<Evaluated>) {
        let seen = batch.iter().map(|evaluated| Arc::downgrade(&evaluated.job));
        self.seen.lock().unwrap().extend(seen);
        self.inner.append(batch);
    }

    fn completions(&mut self, done: &mut Vec<Completion<Evaluated>>) -> Result<(), LedgerFailed> {
        self.inner.completions(done)
    }
}

/// A batch, or a stream, keeps the tickets of answered orders for as long as a
/// slow one before them takes, or a client that takes no responses. The orders
/// must not stay with them: they are out of the queue's budget by then.
#[test]
fn a_ticket_holds_no_order_once_it_has_an_answer() {
    let plan = Plan::unpinned(1);
    let pipeline = Pipeline::new(&Settings {
        queue_orders: 64,
        queue_bytes: 1 << 20,
        window: 1000,
        plan: plan.clone(),
        window_reach: Duration::ZERO,
        commit_delay: Duration::ZERO,
    });
    pipeline.wake_queues.register(Vec::new());
    let (inner, archive) = memory::open(1000);
    let seen = Arc::default();
    let ledger = Box::new(Noting {
        inner,
        seen: Arc::clone(&seen),
    });
    let on_fault = Arc::new(|fault| panic!("{fault}"));
    let threads = pipeline
        .start(
            &plan,
            Arc::new(Rules::default()),
            ledger,
            Arc::new(archive),
            on_fault,
        )
        .unwrap();
    pipeline.gate.open();
    let admission = Admission::new(pipeline.clone(), HashKey::from_bytes([1; 16]));
    let tickets: Vec<_> = (0..50)
        .map(|number| {
            let json = format!(r#"{{"id":"{number}","value":{}}}"#, number % 2);
            match admission.submit(json.as_bytes(), None) {
                Ok(Admitted::Waiting(ticket)) => ticket,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let patience = Instant::now() + Duration::from_secs(30);
    let wait_for = |what: &str, holds: &dyn Fn() -> bool| {
        while !holds() {
            assert!(Instant::now() < patience, "{what}");
            thread::yield_now();
        }
    };
    for ticket in &tickets {
        wait_for("no answer", &|| ticket.answer().is_some());
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), tickets.len());
    for order in &*seen {
        // The committer answers first and lets go then.
        wait_for("still held", &|| order.strong_count() == 0);
    }
    assert!(tickets.iter().all(|ticket| ticket.answer().is_some()));
    pipeline.close();
    assert!(threads.join(Instant::now() + Duration::from_secs(60)));
}
