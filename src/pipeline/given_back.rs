//! Orders that the ledger has and finds no space for, given back on request: a
//! drain saves those that are acknowledged, and all are tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::primitive::{Mutex, MutexGuard};

/// Bounded by what a ledger may have.
pub(crate) struct GivenBack<T> {
    wanted: AtomicBool,
    orders: Mutex<Vec<Arc<T>>>,
}

impl<T> Default for GivenBack<T> {
    fn default() -> Self {
        Self {
            wanted: AtomicBool::new(false),
            orders: Mutex::new(Vec::new()),
        }
    }
}

impl<T> GivenBack<T> {
    /// Asks for them. The committer is to be woken then.
    pub(crate) fn request(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// Whether they have been asked for since the last call.
    pub(crate) fn is_requested(&self) -> bool {
        // Costs a load of a line that nobody writes before a drain.
        self.wanted.load(Ordering::Acquire) && self.wanted.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn push(&self, order: &Arc<T>) {
        self.lock().push(order.clone());
    }

    pub(crate) fn take(&self) -> Vec<Arc<T>> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<T>>> {
        self.orders.lock().expect("a panic ends the process")
    }
}
