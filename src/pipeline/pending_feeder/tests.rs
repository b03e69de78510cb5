//! Pending orders get their outcome: through a small queue, through retries;
//! and are refused where they don't fit.

use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::time::Instant;

use crate::cpu::plan::Plan;
use crate::ledger::memory;
use crate::metrics::WithdrawReason;
use crate::order::{HashKey, OrderId, decode};
use crate::pipeline::Settings;
use crate::pipeline::gate::GateState;
use crate::pipeline::pending_queue::{RETRY_PAUSE, RETRY_SPACING};
use crate::pipeline::processor::{Processor, Rules, Verdict};

use super::*;

fn key() -> HashKey {
    HashKey::from_bytes([1; 16])
}

fn orders(count: u64) -> Vec<(u64, Order)> {
    let order = |number| {
        let json = format!(r#"{{"id":"o-{number}","value":1}}"#);
        (number, decode(json.as_bytes(), &key()).unwrap())
    };
    (0..count).map(order).collect()
}

fn pipeline(queue_orders: usize, queue_bytes: u64) -> Arc<Pipeline> {
    Pipeline::for_tests(&Settings {
        queue_orders,
        queue_bytes,
        ..Settings::for_tests()
    })
}

/// Feeds them all and waits until they have their outcome.
fn finish(pipeline: &Arc<Pipeline>, processor: impl Processor) {
    let (memory, archive) = memory::open(100_000);
    let threads = pipeline.start(
        &Plan::unpinned(2),
        Arc::new(processor),
        Box::new(memory),
        Arc::new(archive),
        Arc::new(|fault| panic!("{fault}")),
    );
    let (done, is_done) = mpsc::channel();
    let feeder = pipeline.feed_pending(move || done.send(()).unwrap());
    pipeline.gate.open();
    is_done.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!((pipeline.gate.orders(), pipeline.gate.bytes()), (0, 0));
    feeder.unwrap().stop();
    pipeline.close();
    assert!(
        threads
            .unwrap()
            .join(Instant::now() + Duration::from_secs(60))
    );
}

#[test]
fn they_are_inside_and_known_before_the_gate_opens() {
    let pipeline = pipeline(16, 1 << 20);
    pipeline.claim_pending(orders(3)).unwrap();
    assert_eq!(pipeline.gate.state(), GateState::Recovering);
    let bytes: u64 = orders(3).iter().map(|(_, order)| cost(order)).sum();
    assert_eq!((pipeline.gate.orders(), pipeline.gate.bytes()), (3, bytes));
    assert_eq!(pipeline.metrics.admission.accepted.get(), 3);
    let id = key().id(&OrderId::parse("o-1").unwrap());
    assert!(pipeline.claims.contains(id));
    finish(&pipeline, Rules::default());
    assert_eq!(pipeline.metrics.ledger.processed.get(), 3);
}

#[test]
fn thousands_go_through_one_slot() {
    let pipeline = pipeline(1, 64 << 20);
    pipeline.claim_pending(orders(5000)).unwrap();
    finish(&pipeline, Rules::default());
    assert_eq!(pipeline.metrics.ledger.processed.get(), 5000);
}

#[test]
fn a_retry_is_tried_again_later() {
    /// The first tries come to nothing.
    struct Later(AtomicU64);
    impl Processor for Later {
        fn process(&self, _: &Order) -> Verdict {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0..5 => Verdict::retry("not now"),
                _ => Verdict::Processed,
            }
        }
    }
    let pipeline = pipeline(2, 1 << 20);
    pipeline.claim_pending(orders(4)).unwrap();
    let start = Instant::now();
    finish(&pipeline, Later(AtomicU64::new(0)));
    assert!(start.elapsed() >= RETRY_PAUSE);
    assert_eq!(pipeline.metrics.ledger.processed.get(), 4);
    assert_eq!(pipeline.metrics.withdrawn.get(WithdrawReason::Retry), 0);
}

#[test]
fn retries_are_spaced() {
    let pipeline = pipeline(2, 1 << 20);
    pipeline.claim_pending(orders(2)).unwrap();
    let queue = &pipeline.pending_queue;
    let start = Instant::now();
    for _ in 0..2 {
        let job = queue.take().unwrap();
        queue.retry(job);
    }
    assert!(matches!(queue.next(start), NextPending::Later(_)));
    let due = Instant::now() + RETRY_PAUSE;
    assert!(matches!(queue.next(due), NextPending::Order(_)));
    let NextPending::Later(pause) = queue.next(due) else {
        panic!("the second one comes later");
    };
    assert_eq!(pause, RETRY_SPACING);
    assert!(matches!(queue.next(due + pause), NextPending::Order(_)));
    assert!(matches!(queue.next(due + pause), NextPending::Nothing));
}

/// Whether they were pending or returned by the processor: both have one share
/// of the queue.
#[test]
fn what_is_fed_is_counted_while_both_kinds_wait() {
    let pipeline = pipeline(16, 1 << 20);
    pipeline.claim_pending(orders(5)).unwrap();
    let queue = &pipeline.pending_queue;
    queue.set_open(3);
    let returned = [(); 2].map(|()| {
        let mut job = Arc::into_inner(queue.take().unwrap()).unwrap();
        job.pending = false;
        Arc::new(job)
    });
    for job in &returned {
        queue.retry(job.clone());
        queue.retry(queue.take_retry().unwrap()); // is counted once
    }
    assert_eq!(queue.fed(), 0);
    let [first, second] = [(); 2].map(|()| queue.take().unwrap());
    assert_eq!(queue.fed(), 2);
    for fed in 3..=4 {
        queue.take_retry().unwrap();
        assert_eq!(queue.fed(), fed);
    }
    queue.committed(&first);
    queue.committed(&returned[0]);
    assert_eq!(queue.fed(), 2);
    queue.put_first(second);
    pipeline.withdraw(&returned[1], Withdrawal::Drain);
    assert_eq!(queue.fed(), 0);
    assert_eq!(queue.open(), 2);
}

/// However many wait, once the processor takes them again.
#[test]
fn retries_catch_up_when_the_trouble_passes() {
    let pipeline = pipeline(16, 1 << 20);
    pipeline.claim_pending(orders(20)).unwrap();
    let queue = &pipeline.pending_queue;
    for _ in 0..20 {
        let job = queue.take().unwrap();
        queue.retry(job);
    }
    for _ in 0..7 {
        queue.trouble_passes();
    }
    let due = Instant::now() + RETRY_PAUSE;
    for _ in 0..19 {
        assert!(matches!(queue.next(due), NextPending::Order(_)));
    }
    queue.retry(queue.take().unwrap());
    let due = Instant::now() + RETRY_PAUSE;
    queue.retry(queue.take().unwrap());
    assert!(matches!(queue.next(due), NextPending::Later(_)));
}

/// New orders that keep the queue full don't starve those that are tried again.
#[test]
fn a_late_retry_gets_any_slot() {
    let pipeline = pipeline(2, 1 << 20);
    pipeline.claim_pending(orders(3)).unwrap();
    let queue = &pipeline.pending_queue;
    let job = queue.take().unwrap();
    let before = Instant::now();
    queue.retry(job);
    assert!(queue.overdue(before + RETRY_PAUSE).is_none());
    let after = Instant::now();
    assert!(queue.overdue(after + 2 * RETRY_PAUSE).is_some());
    assert!(queue.overdue(after + 3 * RETRY_PAUSE).is_none());
}

#[test]
fn too_many_and_too_long_ones_are_refused() {
    let small = pipeline(1, 64 << 20);
    let most = small.gate.orders_max();
    let refused = small.claim_pending(orders(most + 7)).unwrap_err();
    assert_eq!(refused, PendingRefused::Orders(8));
    // What it asks for will do.
    let larger = pipeline(8, 64 << 20);
    larger.claim_pending(orders(most + 7)).unwrap();

    let bytes: u64 = orders(3).iter().map(|(_, order)| cost(order)).sum();
    let refused = pipeline(16, bytes - 1)
        .claim_pending(orders(3))
        .unwrap_err();
    assert_eq!(refused, PendingRefused::Bytes(bytes));
    pipeline(16, bytes).claim_pending(orders(3)).unwrap();

    let mut twice = orders(2);
    twice.extend(orders(1));
    let refused = pipeline(16, 1 << 20).claim_pending(twice).unwrap_err();
    assert_eq!(
        refused,
        PendingRefused::Twice(OrderId::parse("o-0").unwrap())
    );
}

/// As many as can have been inside fit into the table of claims.
#[test]
fn the_most_that_can_be_inside_can_be_claimed() {
    let pipeline = pipeline(1, 64 << 20);
    let most = pipeline.gate.orders_max();
    pipeline.claim_pending(orders(most)).unwrap();
    assert!(most > 1000, "more than a bucket holds");
    assert_eq!(pipeline.pending_queue.open() as u64, most);
}
