//! When orders should leave.

use std::hash::{BuildHasher, RandomState};

#[derive(Clone, Copy)]
pub enum Arrivals {
    /// Independent clients: gaps are exponentially distributed.
    Poisson,
    /// All gaps are the same.
    Constant,
}

/// Moments in nanoseconds since the start, without an end.
pub struct Schedule {
    arrivals: Arrivals,
    gap_ns_mean: f64,
    at_ns: f64,
    random: u64,
}

impl Schedule {
    pub fn new(arrivals: Arrivals, rate: f64) -> Self {
        Self {
            arrivals,
            gap_ns_mean: 1e9 / rate,
            at_ns: 0.0,
            random: RandomState::new().hash_one(0),
        }
    }

    pub fn next_ns(&mut self) -> u64 {
        self.at_ns += match self.arrivals {
            Arrivals::Constant => self.gap_ns_mean,
            Arrivals::Poisson => self.gap_ns_mean * -self.uniform().ln(),
        };
        self.at_ns as u64
    }

    /// Above 0, up to 1. SplitMix64: Steele, Lea, Flood, "Fast splittable
    /// pseudorandom number generators", 2014.
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_gaps_are_the_rates() {
        let mut schedule = Schedule::new(Arrivals::Constant, 4.0);
        let first: Vec<_> = (0..3).map(|_| schedule.next_ns()).collect();
        assert_eq!(first, [250_000_000, 500_000_000, 750_000_000]);
    }

    /// Of 100,000 gaps the mean is within 2 % of the rate's (six standard
    /// deviations), and as many are longer than the mean as should be: 1 in e.
    #[test]
    fn poisson_gaps_are_exponentially_distributed() {
        let mut schedule = Schedule::new(Arrivals::Poisson, 1000.0);
        let (mut before, mut longer) = (0, 0);
        for _ in 0..100_000 {
            let at = schedule.next_ns();
            longer += u32::from(at - before > 1_000_000);
            before = at;
        }
        let mean = before as f64 / 100_000.0;
        assert!((mean - 1e6).abs() < 2e4, "mean {mean} ns");
        let share = f64::from(longer) / 100_000.0;
        assert!(
            (share - (-1.0_f64).exp()).abs() < 0.01,
            "{share} are longer"
        );
    }
}
