//! Where the buckets end: one scale for durations, one for the size of a batch.

/// The longer scale's buckets, and the one above the last bound.
pub(super) const CELLS: usize = DURATION_BOUNDS_NS.len() + 1;

/// In steps of 1, 2, 3, 5 from 1 µs to 60 s: a stage of 10 µs and one of 300 ms are each known to
/// within a factor of two.
#[rustfmt::skip]
pub(super) const DURATION_BOUNDS_NS: [u64; 32] = [
    1_000, 2_000, 3_000, 5_000,
    10_000, 20_000, 30_000, 50_000,
    100_000, 200_000, 300_000, 500_000,
    1_000_000, 2_000_000, 3_000_000, 5_000_000,
    10_000_000, 20_000_000, 30_000_000, 50_000_000,
    100_000_000, 200_000_000, 300_000_000, 500_000_000,
    1_000_000_000, 2_000_000_000, 3_000_000_000, 5_000_000_000,
    10_000_000_000, 20_000_000_000, 30_000_000_000, 60_000_000_000,
];

/// The same in seconds, written as OpenMetrics 1.0 asks ("Considerations: Canonical Numbers").
#[rustfmt::skip]
const DURATION_LABELS: [&str; 32] = [
    "1e-06", "2e-06", "3e-06", "5e-06",
    "1e-05", "2e-05", "3e-05", "5e-05",
    "0.0001", "0.0002", "0.0003", "0.0005",
    "0.001", "0.002", "0.003", "0.005",
    "0.01", "0.02", "0.03", "0.05",
    "0.1", "0.2", "0.3", "0.5",
    "1.0", "2.0", "3.0", "5.0",
    "10.0", "20.0", "30.0", "60.0",
];

/// Powers of two up to the default queue's capacity: group commit doubles its batch as load doubles.
#[rustfmt::skip]
const ORDER_BOUNDS: [u64; 17] = [
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512,
    1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536,
];

#[rustfmt::skip]
const ORDER_LABELS: [&str; 17] = [
    "1.0", "2.0", "4.0", "8.0", "16.0", "32.0", "64.0", "128.0", "256.0", "512.0",
    "1024.0", "2048.0", "4096.0", "8192.0", "16384.0", "32768.0", "65536.0",
];

/// What a histogram measures and where its buckets end.
#[derive(Debug)]
pub(super) struct Scale {
    /// Upper bounds, inclusive, ascending; nanoseconds or orders.
    pub(super) bounds: &'static [u64],
    /// The bounds as values of `le`.
    pub(super) labels: &'static [&'static str],
    /// A value's smallest steps in one step of the sum: sums of durations are kept in microseconds.
    pub(super) values_per_sum_step: u64,
    /// Decimal places between a step of the sum and the unit on the wire.
    pub(super) sum_decimals: u32,
}

pub(super) static DURATIONS: Scale = Scale {
    bounds: &DURATION_BOUNDS_NS,
    labels: &DURATION_LABELS,
    values_per_sum_step: NANOS_PER_SUM_STEP,
    sum_decimals: 6,
};

pub(super) static ORDERS: Scale = Scale {
    bounds: &ORDER_BOUNDS,
    labels: &ORDER_LABELS,
    values_per_sum_step: 1,
    sum_decimals: 0,
};

pub(super) const NANOS_PER_SUM_STEP: u64 = 1_000;

const _: () = assert!(ORDER_BOUNDS.len() < CELLS);
