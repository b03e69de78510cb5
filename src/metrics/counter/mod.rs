//! Counters and gauges that cost their writer a few instructions and never a
//! lock.
//!
//! Two kinds, by who writes. An [`OwnedCounter`] has one writing thread: a
//! load, an addition, a store. A [`ShardedCounter`] has many: each thread adds
//! to a cell on its own cache line, and the reader sums the cells. A
//! [`CounterFamily`] is the second kind for a labelled metric.
//!
//! Additions are `Release` and reads `Acquire` (no cost on x86-64). So a thread
//! that reads a counter written late in an order's life, and then one written
//! early, sees no order leave that it doesn't see come in. A scrape reads
//! outcomes before acceptances for that reason (see
//! [`OrderCounts`](crate::metrics::order_counts::OrderCounts)).

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

use crate::metrics::label::Label;

#[cfg(test)]
mod tests;

/// Cells of a sharded counter. More threads than this share cells, which is
/// slower and still exact.
const SHARDS: usize = 16;

/// A counter that one thread writes and any thread reads.
///
/// The owner may change over time if the hand-over synchronises the two (a
/// spawn, a join, a channel). Two writers at once would lose additions, since
/// there is no read-modify-write.
///
/// Not padded: counters of one owner belong side by side on its cache line. Pad
/// the struct that holds them.
#[derive(Debug, Default)]
pub struct OwnedCounter(AtomicU64);

impl OwnedCounter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `n`; only the owner may call it. Wraps at 2^64, as a Prometheus
    /// counter may.
    #[inline]
    pub fn add(&self, n: u64) {
        let value = self.0.load(Ordering::Relaxed).wrapping_add(n);
        // Pairs with the Acquire load in `get`: see the module's docs.
        self.0.store(value, Ordering::Release);
    }

    /// Adds one; only the owner may call it.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// The value, from any thread. Never less than what the same reader saw
    /// before.
    #[inline]
    pub fn get(&self) -> u64 {
        // Pairs with the Release store in `add`.
        self.0.load(Ordering::Acquire)
    }
}

/// A counter that any thread may write.
#[derive(Debug, Default)]
pub struct ShardedCounter(Shards<1>);

impl ShardedCounter {
    /// A counter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `n` to the calling thread's cell.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.add(0, n);
    }

    /// Adds one to the calling thread's cell.
    #[inline]
    pub fn inc(&self) {
        self.0.add(0, 1);
    }

    /// The sum of all cells. Never less than what the same reader saw before.
    pub fn get(&self) -> u64 {
        self.0.sum(0)
    }
}

/// One sharded counter for each of the `N` values of the label `L`.
///
/// A thread's cells for all the values lie together, so the whole family takes
/// `N` words a shard and not a cache line for each value.
#[derive(Debug)]
pub struct CounterFamily<L, const N: usize> {
    shards: Shards<N>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, const N: usize> Default for CounterFamily<L, N> {
    fn default() -> Self {
        const { assert!(N == L::COUNT, "a cell for each value of the label") };
        Self {
            shards: Shards::default(),
            label: PhantomData,
        }
    }
}

impl<L: Label, const N: usize> CounterFamily<L, N> {
    /// All counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `n` under `label`, in the calling thread's cell.
    #[inline]
    pub fn add(&self, label: L, n: u64) {
        self.shards.add(label.index(), n);
    }

    /// Adds one under `label`, in the calling thread's cell.
    #[inline]
    pub fn inc(&self, label: L) {
        self.add(label, 1);
    }

    /// The value under `label`. Never less than what the same reader saw
    /// before.
    pub fn get(&self, label: L) -> u64 {
        self.shards.sum(label.index())
    }
}

/// A level that any thread raises and lowers, such as connections open now.
///
/// One cell: for events as rare as a connection's, contention is not worth a
/// table.
#[derive(Debug, Default)]
pub struct Gauge(CachePadded<AtomicI64>);

impl Gauge {
    /// A gauge at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the level by one.
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Lowers the level by one; call it once for each `inc`.
    pub fn dec(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Puts a level where it stays, such as a limit known at start.
    pub fn set(&self, level: usize) {
        let level = i64::try_from(level).unwrap_or(i64::MAX);
        self.0.store(level, Ordering::Relaxed);
    }

    /// The level. Zero when a racing read finds more `dec` than `inc`.
    pub fn get(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// `SHARDS` rows of `N` cells, a row on cache lines of its own.
#[derive(Debug)]
struct Shards<const N: usize>(Box<[CachePadded<[AtomicU64; N]>]>);

impl<const N: usize> Default for Shards<N> {
    fn default() -> Self {
        let row = || CachePadded::new([const { AtomicU64::new(0) }; N]);
        Self((0..SHARDS).map(|_| row()).collect())
    }
}

impl<const N: usize> Shards<N> {
    #[inline]
    fn add(&self, cell: usize, n: u64) {
        // Pairs with the Acquire loads in `sum`: see the module's docs. Atomic
        // because threads past `SHARDS` share a row, and because a coroutine
        // can move between asking for the row and here.
        self.0[shard()][cell].fetch_add(n, Ordering::Release);
    }

    fn sum(&self, cell: usize) -> u64 {
        // Pairs with the Release additions in `add`.
        self.0.iter().fold(0, |sum, row| {
            sum.wrapping_add(row[cell].load(Ordering::Acquire))
        })
    }
}

/// The calling thread's row, below `SHARDS`; assigned in turn when a thread
/// first asks.
///
/// Never inlined: a coroutine may wake up on another thread, and inlining would
/// let the compiler keep a thread-local's address from before it parked. A
/// stale *row*, on the other hand, is only slower.
#[inline(never)]
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const NONE: usize = usize::MAX;
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(NONE) };
    }
    let mine = MINE.get();
    if mine != NONE {
        return mine;
    }
    let row = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    MINE.set(row);
    row
}
