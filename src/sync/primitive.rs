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
