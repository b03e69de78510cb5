//! Switches the concurrency primitives of what is model-checked between the
//! standard library (and crossbeam) and `loom`
//! (`ORDERS_MODELS=1 cargo test --lib loom`).

#[cfg(all(test, orders_loom))]
pub(crate) use {
    crate::sync::modelled::{
        AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, AtomicWaker, OnceLock, SegQueue,
        zeroed_slice_box,
    },
    loom::{
        sync::atomic::{Ordering, fence},
        sync::{Mutex, MutexGuard},
        thread::{Thread, current, park, yield_now},
    },
};
#[cfg(not(all(test, orders_loom)))]
pub(crate) use {
    atomic_waker::AtomicWaker,
    crossbeam_queue::SegQueue,
    std::{
        sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
        sync::{Mutex, MutexGuard, OnceLock},
        thread::{Thread, current, park, park_timeout, yield_now},
    },
};

/// Fresh zero pages.
///
/// # Panics
/// When there is no memory for them.
#[cfg(not(all(test, orders_loom)))]
pub(crate) fn zeroed_slice_box<T: bytemuck::Zeroable>(len: usize) -> Box<[T]> {
    bytemuck::allocation::try_zeroed_slice_box(len).unwrap_or_else(|()| {
        let mib = len.saturating_mul(size_of::<T>()) >> 20;
        panic!("no memory for a table of {mib} MiB")
    })
}

/// A timed park that is there to be ended.
#[cfg(not(all(test, orders_loom)))]
pub(crate) use std::thread::park_timeout as park_pause;

/// It must be ended: a model would not notice a wake-up that a timeout
/// replaces.
#[cfg(all(test, orders_loom))]
pub(crate) fn park_pause(_: std::time::Duration) {
    park();
}

/// Loom has no notion of time: a timed park may end at any moment.
#[cfg(all(test, orders_loom))]
pub(crate) fn park_timeout(_: std::time::Duration) {
    yield_now();
}
