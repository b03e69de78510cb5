//! What those who wait cost the thread that ends their wait, however many they
//! are: duplicates of an order in flight, and watchers of progress.
//!
//! Each case is measured with few and with many waiters beside the ones it is
//! about; `base` is the same without any. Run: `cargo bench --bench waiters`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use order_processor::internals::{Claimed, Claims, Watch, WatchList};

/// Duplicates of each order.
const DUPLICATES: usize = 15;
/// A debug build only shows that the bench runs.
const MANY: usize = if cfg!(debug_assertions) { 256 } else { 32_768 };
const WATCHERS: [usize; 3] = [1, 100, 10_000];

/// The n-th id, spread as keyed hashes are.
fn id(n: usize) -> u128 {
    (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// Claims an id and lets duplicates wait for it; then ends it.
fn claim_and_end(claims: &Claims<()>, id: u128, duplicates: &[Arc<()>]) -> usize {
    let Claimed::Mine(claim) = claims.claim(id, 1) else {
        panic!("a new id");
    };
    assert!(claims.queued(claim));
    for duplicate in duplicates {
        assert!(claims.attach(claim, duplicate));
    }
    assert!(claims.begin_commit(claim));
    claims.finish(claim).waiters.len()
}

fn duplicates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("claim with 15 duplicates");
    let duplicates: Vec<_> = (0..DUPLICATES).map(|_| Arc::new(())).collect();
    for in_flight in [0, MANY] {
        let claims = Claims::<()>::new(65_536);
        for n in 0..in_flight {
            let Claimed::Mine(claim) = claims.claim(id(n), 1) else {
                panic!("a new id");
            };
            assert!(claims.queued(claim));
            for duplicate in &duplicates {
                assert!(claims.attach(claim, duplicate));
            }
        }
        let mut n = in_flight;
        let mut next = || {
            n += 1;
            id(n)
        };
        assert_eq!(claim_and_end(&claims, next(), &duplicates), DUPLICATES);
        if in_flight == 0 {
            group.bench_function("base: without duplicates", |bencher| {
                bencher.iter(|| claim_and_end(&claims, next(), &[]));
            });
        }
        group.bench_function(BenchmarkId::new("in flight", in_flight), |bencher| {
            bencher.iter(|| claim_and_end(&claims, next(), &duplicates));
        });
    }
    group.finish();
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A list with so many watchers, and the relay that wakes them if they are
/// many.
fn watched(watchers: usize) -> (Arc<WatchList>, Arc<Count>, Vec<Watch>) {
    let list = Arc::<WatchList>::default();
    let relay = Arc::<Count>::default();
    list.set_relay(Waker::from(relay.clone()));
    let watches = (0..watchers).map(|_| list.watch(Waker::noop())).collect();
    (list, relay, watches)
}

fn watches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("watch list");
    let nobody = WatchList::default();
    group.bench_function("base: notify nobody", |bencher| {
        bencher.iter(|| black_box(&nobody).notify());
    });
    for watchers in WATCHERS {
        let (list, relay, _watches) = watched(watchers);
        if watchers == WATCHERS[2] {
            list.notify();
            assert_eq!(relay.0.load(Ordering::Relaxed), 1, "the relay wakes them");
        }
        group.bench_function(BenchmarkId::new("notify", watchers), |bencher| {
            bencher.iter_batched_ref(
                || watched(watchers),
                |(list, ..)| list.notify(),
                BatchSize::NumIterations(100),
            );
        });
        group.bench_function(
            BenchmarkId::new("watch and drop, among", watchers),
            |bencher| {
                bencher.iter(|| list.watch(Waker::noop()));
            },
        );
        // The oldest leaves and lists itself again.
        let (list, _, watches) = watched(watchers);
        let mut watches = std::collections::VecDeque::from(watches);
        group.bench_function(
            BenchmarkId::new("oldest leaves, among", watchers),
            |bencher| {
                bencher.iter(|| {
                    drop(watches.pop_front());
                    watches.push_back(list.watch(Waker::noop()));
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, duplicates, watches);
criterion_main!(benches);
