//! The demonstration processor: random delays and failures.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::order::Order;
use crate::pipeline::processor::api::{Processor, Verdict};

/// Waits a random delay for each order and fails a share of them.
#[derive(Debug)]
pub(crate) struct Simulate {
    delay: RangeInclusive<Duration>,
    fail_ratio: f64,
    state: AtomicU64,
}

impl Simulate {
    /// `fail_ratio` is from 0 to 1.
    pub(crate) fn new(delay: RangeInclusive<Duration>, fail_ratio: f64) -> Self {
        Self {
            delay,
            fail_ratio,
            state: AtomicU64::new(RandomState::new().hash_one(())),
        }
    }

    /// A number in 0..1, by SplitMix64 (Steele, Lea, Flood: "Fast splittable
    /// pseudorandom number generators", 2014).
    fn random(&self) -> f64 {
        let mut z = self
            .state
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Processor for Simulate {
    fn process(&self, _: &Order) -> Verdict {
        let spread = self.delay.end().saturating_sub(*self.delay.start());
        let delay = *self.delay.start() + spread.mul_f64(self.random());
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        if self.random() < self.fail_ratio {
            Verdict::failed("simulated failure")
        } else {
            Verdict::Processed
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::order::{HashKey, decode};

    use super::*;

    #[test]
    fn fails_about_the_share_asked_for() {
        let order = decode(br#"{"id":"a","value":1}"#, &HashKey::from_bytes([0; 16])).unwrap();
        for (share, expected) in [(0.0, 0..=0), (0.1, 800..=1200), (1.0, 10_000..=10_000)] {
            let processor = Simulate::new(Duration::ZERO..=Duration::ZERO, share);
            let failed = (0..10_000)
                .filter(|_| processor.process(&order) != Verdict::Processed)
                .count();
            assert!(expected.contains(&failed), "{failed} of 10000 for {share}");
        }
    }
}
