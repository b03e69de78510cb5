//! Switches the concurrency primitives of the wake protocols between the
//! standard library and `loom`, which model-checks them
//! (`ORDERS_MODELS=1 cargo test --lib loom`).

#[cfg(all(test, orders_loom))]
pub(crate) use loom::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering, fence},
    thread::{Thread, current, park, yield_now},
};
#[cfg(not(all(test, orders_loom)))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering, fence},
    thread::{Thread, current, park, park_timeout, yield_now},
};

/// Loom has no notion of time: a timed park may end at any moment.
#[cfg(all(test, orders_loom))]
pub(crate) fn park_timeout(_: std::time::Duration) {
    yield_now();
}
