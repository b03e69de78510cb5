//! Randomness for fuzz tests that can be repeated.

/// xorshift64*: enough randomness for a fuzz test, and the same everywhere for one seed.
pub(crate) struct Random(u64);

impl Random {
    /// Seeded by `ORDERS_TEST_SEED`, or the clock; prints the seed, which a failed test shows.
    pub(crate) fn seeded() -> Self {
        let clock = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("after 1970").as_nanos() as u64
        };
        let given = std::env::var("ORDERS_TEST_SEED").ok();
        let seed = given.map_or_else(clock, |seed| {
            seed.parse().expect("ORDERS_TEST_SEED is a number")
        });
        println!("ORDERS_TEST_SEED={seed}");
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    pub(crate) fn pick<'a>(&mut self, from: &'a [u8]) -> &'a u8 {
        &from[self.below(from.len())]
    }
}
