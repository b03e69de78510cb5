//! Seeded random numbers, and tests that run over many seeds.

/// SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True so many times out of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Runs a random test with `count` seeds, or as many as `ORDERS_TEST_SEEDS` says,
/// or only the one in `ORDERS_TEST_SEED`.
pub(crate) fn for_seeds(count: u64, test: impl Fn(u64)) {
    struct PrintOnPanic(u64);
    impl Drop for PrintOnPanic {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("again with ORDERS_TEST_SEED={}", self.0);
            }
        }
    }
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let seeds = match number("ORDERS_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ORDERS_TEST_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let _print = PrintOnPanic(seed);
        test(seed);
    }
}
