//! What an order costs inside the process, stage by stage.
//!
//! `base` is the harness itself: ids made, nothing submitted. Each bench checks
//! that it did what it times.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use order_processor::internals::Answer;
use order_processor::internals::HashKey;
use order_processor::internals::Plan;
use order_processor::internals::Rules;
use order_processor::internals::open_memory;
use order_processor::internals::{Admission, Admitted};
use order_processor::internals::{Claimed, Claims};
use order_processor::internals::{Dequeue, Idle, Parking, Urgency};
use order_processor::internals::{Pipeline, Settings};

const WAIT: Duration = Duration::from_secs(60);

/// A number's order, written where the last one was.
fn order(number: u64, json: &mut Vec<u8>) {
    json.clear();
    write!(json, r#"{{"id":"bench-{number}","value":100.50}}"#).expect("memory takes it");
}

fn started() -> Admission {
    let plan = Plan::unpinned(1);
    let window = 100_000;
    let (ledger, archive) = open_memory(window);
    let settings = Settings {
        queue_orders: 4096,
        queue_bytes: 64 << 20,
        window,
        plan: plan.clone(),
        window_reach: WAIT,
        commit_delay: Duration::ZERO,
    };
    let pipeline = Pipeline::new(&settings);
    pipeline.wake_queues.register(Vec::new());
    pipeline
        .start(
            &plan,
            Arc::new(Rules::default()),
            Box::new(ledger),
            Arc::new(archive),
            Arc::new(|_| ()),
        )
        .expect("two threads");
    pipeline.gate.open();
    Admission::new(pipeline, HashKey::from_bytes([7; 16]))
}

fn queue_hop(c: &mut Criterion) {
    let queue = ArrayQueue::new(1024);
    c.bench_function("queue hop, one thread", |b| {
        b.iter(|| {
            queue.push(black_box(1_u64)).expect("it is empty");
            assert_eq!(queue.pop(), Some(1));
        });
    });
}

fn claim(c: &mut Criterion) {
    let claims = Claims::<()>::new(4096);
    let mut number = 0_u128;
    c.bench_function("claim an id, commit it, let it go", |b| {
        b.iter(|| {
            number = number.wrapping_add(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let Claimed::Mine(claim) = claims.claim(number, 1) else {
                panic!("a new id");
            };
            assert!(
                claims.queued(claim)
                    && claims.begin_commit(claim)
                    && claims.finish(claim).waiters.is_empty()
            );
        });
    });
}

/// From a push to the consumer that was asleep, and back: two wake-ups.
fn wake_up(c: &mut Criterion) {
    struct Side {
        queue: ArrayQueue<u64>,
        parking: Parking,
    }
    impl Side {
        fn new() -> Self {
            Self {
                queue: ArrayQueue::new(1),
                parking: Parking::new(1, Idle::Yield),
            }
        }
        fn give(&self, item: u64) {
            self.queue.push(item).expect("one at a time");
            self.parking.notify(Urgency::Now);
        }
        fn take(&self) -> u64 {
            let poll = || {
                self.queue
                    .pop()
                    .map_or(Dequeue::Empty, |item| Dequeue::Item(item, false))
            };
            self.parking
                .next(0, Urgency::Now, poll)
                .item
                .expect("never closed")
        }
    }
    let (there, back) = (Arc::new(Side::new()), Arc::new(Side::new()));
    let echo = {
        let (there, back) = (there.clone(), back.clone());
        thread::spawn(move || {
            loop {
                match there.take() {
                    0 => return,
                    item => back.give(item),
                }
            }
        })
    };
    c.bench_function("wake-up, there and back", |b| {
        b.iter(|| {
            there.give(7);
            assert_eq!(back.take(), 7);
        });
    });
    there.give(0);
    echo.join().expect("the echo ended");
}

fn submit(c: &mut Criterion) {
    let mut json = Vec::new();
    let numbers = AtomicUsize::new(0);
    let mut next = || {
        order(numbers.fetch_add(1, Ordering::Relaxed) as u64, &mut json);
        json.clone()
    };
    c.bench_function("base: make an order's text", |b| b.iter(&mut next));

    let admission = started();
    c.bench_function("submit one and wait", |b| {
        b.iter(|| {
            let answer = admission.submit_and_wait(&next(), WAIT);
            assert!(matches!(answer, Ok(Some(Answer::Committed(_)))));
        });
    });

    const BATCH: usize = 1000;
    let mut group = c.benchmark_group("submit, many in flight");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("1000", |b| {
        b.iter(|| {
            for _ in 1..BATCH {
                assert!(matches!(
                    admission.submit(&next(), None),
                    Ok(Admitted::Waiting(_))
                ));
            }
            let last = admission.submit_and_wait(&next(), WAIT);
            assert!(matches!(last, Ok(Some(Answer::Committed(_)))));
        });
    });
    group.finish();
}

criterion_group!(benches, queue_hop, claim, wake_up, submit);
criterion_main!(benches);
