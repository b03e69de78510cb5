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

    fn push_urgent(&self) {
        self.waiting.fetch_add(1, Ordering::Release);
        self.parking.notify_urgent();
    }

    /// A round of the only consumer: it pauses, then takes what it sees.
    fn pause_and_take(&self) -> usize {
        self.parking.pause(0, Duration::ZERO, || false);
        let next = self.parking.next(0, Urgency::Now, || {
            self.parking.begin_round();
            // What is read may be out of date, as with any queue.
            match self.waiting.load(Ordering::Acquire) {
                0 => Dequeue::Empty,
                seen => {
                    self.waiting.fetch_sub(seen, Ordering::AcqRel);
                    Dequeue::Item(seen, false)
                }
            }
        });
        next.item.expect("never closed")
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

/// Urgent pushes end a pause, or are seen before it begins.
#[test]
fn pauses() {
    for producers in [1, 2] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let queue = Queue::new(1);
            let consumer = queue.clone();
            let consumer = loom::thread::spawn(move || {
                let mut taken = 0;
                while taken < 2 {
                    taken += consumer.pause_and_take();
                }
            });
            let other = (producers == 2).then(|| {
                let queue = queue.clone();
                loom::thread::spawn(move || queue.push_urgent())
            });
            (0..3 - producers).for_each(|_| queue.push_urgent());
            consumer.join().unwrap();
            if let Some(other) = other {
                other.join().unwrap();
            }
        });
    }
}
