//! What the dedupe window costs once it is full, its usual state: an unknown id (nearly every
//! order), a known one (a retry), and an insert. `base` is the floor: the harness, and making the
//! next id.
//!
//! Run: `cargo bench --bench window`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use order_processor::internals::{Known, Status, Window};

/// The default of `--dedupe-window`; a debug build only shows that the bench runs.
const IDS: u64 = if cfg!(debug_assertions) {
    10_000
} else {
    4_000_000
};

/// The n-th id: spread over the whole range, as keyed hashes are (SplitMix64's finalizer).
fn id(n: u64) -> u128 {
    let mix = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    };
    u128::from(mix(n)) << 64 | u128::from(mix(!n))
}

fn known(seq: u64) -> Known {
    Known {
        seq,
        status: Status::Processed,
        content: id(seq),
    }
}

fn window(criterion: &mut Criterion) {
    let window = Window::new(IDS as usize);
    let mut last = 2 * IDS;
    (1..=last).for_each(|seq| window.insert(id(seq), known(seq), 0));
    let mut group = criterion.benchmark_group("window");
    let mut n = 0;
    let mut next = || {
        n += 1;
        n
    };
    group.bench_function("base", |bencher| bencher.iter(|| black_box(id(next()))));
    group.bench_function("unknown", |bencher| {
        assert_eq!(window.get(id(u64::MAX)), None);
        bencher.iter(|| window.get(id(u64::MAX - next())));
    });
    group.bench_function("known", |bencher| {
        assert_eq!(window.get(id(last)), Some(known(last)));
        // A stride coprime to the window's size, so that ids come in no order.
        bencher.iter(|| window.get(id(last - next() * 1_000_003 % IDS)));
    });
    group.bench_function("insert", |bencher| {
        bencher.iter(|| {
            last += 1;
            window.insert(id(last), known(last), 0);
        });
    });
    group.finish();
}

criterion_group!(benches, window);
criterion_main!(benches);
