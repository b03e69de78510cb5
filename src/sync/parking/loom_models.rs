//! The wake protocol, model-checked.

use std::sync::Arc;

use loom::sync::atomic::AtomicUsize;

use super::*;

/// A counting queue: what matters here is only whether an order is seen.
struct Queue {
    waiting: AtomicUsize,
    parking: Parking,
}

impl Queue {
    fn new(consumers: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting: AtomicUsize::new(0),
            parking: Parking::new(consumers, Idle::Yield),
        })
    }

    fn push(&self, urgency: Urgency) {
        self.waiting.fetch_add(1, Ordering::Release);
        self.parking.notify(urgency);
    }

    fn take(&self, me: usize, urgency: Urgency) {
        let next = self.parking.next(me, urgency, || {
            let mut seen = self.waiting.load(Ordering::Acquire);
            while seen > 0 {
                match self.waiting.compare_exchange(
                    seen,
                    seen - 1,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => return Dequeue::Item((), seen > 1),
                    Err(now) => seen = now,
                }
            }
            Dequeue::Empty
        });
        assert!(next.item.is_some());
    }
}

/// Every push is taken, or a consumer sleeps for ever and loom reports the
/// deadlock.
fn check(producers: usize, consumers: usize, each_takes: usize, urgency: Urgency) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(if producers + consumers > 3 { 2 } else { 3 });
    builder.check(move || {
        let queue = Queue::new(consumers);
        let takers: Vec<_> = (0..consumers)
            .map(|me| {
                let queue = queue.clone();
                loom::thread::spawn(move || (0..each_takes).for_each(|_| queue.take(me, urgency)))
            })
            .collect();
        let pushes = consumers * each_takes;
        let pushers: Vec<_> = (1..producers)
            .map(|_| {
                let queue = queue.clone();
                loom::thread::spawn(move || queue.push(urgency))
            })
            .collect();
        (0..pushes - pushers.len()).for_each(|_| queue.push(urgency));
        for thread in takers.into_iter().chain(pushers) {
            thread.join().unwrap();
        }
    });
}

#[test]
fn one_producer_one_consumer() {
    check(1, 1, 2, Urgency::Now);
}

#[test]
fn two_producers_one_consumer() {
    check(2, 1, 2, Urgency::Now);
}

#[test]
fn one_producer_two_consumers() {
    check(1, 2, 1, Urgency::Now);
}

#[test]
fn naps() {
    check(1, 1, 2, Urgency::Deferred);
    check(2, 1, 2, Urgency::Deferred);
    check(1, 2, 1, Urgency::Deferred);
}

#[test]
fn two_producers_two_consumers() {
    check(2, 2, 1, Urgency::Now);
}
