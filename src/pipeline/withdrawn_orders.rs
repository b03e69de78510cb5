//! Acknowledged orders that get no outcome in this process, to be written to
//! the pending file.

use std::sync::Arc;

use crate::dedupe::claims::{Claim, Claims, Ended};
use crate::sync::primitive::{Mutex, MutexGuard};

/// Bounded by what can be inside: orders come here only once the gate is
/// closed, at the drain deadline or after the ledger has failed.
pub(crate) struct WithdrawnOrders<T>(Mutex<Vec<Arc<T>>>);

impl<T> Default for WithdrawnOrders<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T> WithdrawnOrders<T> {
    /// Adds an order whose claim was withdrawn.
    pub(crate) fn push(&self, order: &Arc<T>) {
        self.lock().push(order.clone());
    }

    /// Ends the claim of an order whose commit has failed. The next start finds
    /// out whether it was committed.
    pub(crate) fn end_in_doubt<W>(
        &self,
        claims: &Claims<W>,
        claim: Claim,
        order: &Arc<T>,
    ) -> Ended<W> {
        // Under the lock, for `take`.
        let mut orders = self.lock();
        let ended = claims.finish(claim);
        if ended.acked {
            orders.push(order.clone());
        }
        ended
    }

    /// Takes the orders, and returns the acknowledged ones that the ledger still
    /// has: one that comes back in doubt meanwhile is in one of the two.
    pub(crate) fn take<W>(&self, claims: &Claims<W>) -> (Vec<Arc<T>>, Vec<Claim>) {
        let mut orders = self.lock();
        let with_ledger = claims.sealed_acked();
        (std::mem::take(&mut *orders), with_ledger)
    }

    /// Visits the orders.
    pub(crate) fn each(&self, visit: impl FnMut(&Arc<T>)) {
        self.lock().iter().for_each(visit);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<T>>> {
        self.0.lock().expect("a panic ends the process")
    }
}
