//! The limit on open connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http::api::service::Service;

/// Counts the connections of one kind that are open.
pub(crate) struct ConnectionLimit {
    service: Arc<Service>,
    open: AtomicUsize,
    max: usize,
}

/// Permits one connection; released when dropped, also when its coroutine
/// unwinds.
pub(crate) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
}

impl ConnectionLimit {
    pub(crate) fn new(service: Arc<Service>, max: usize) -> Arc<Self> {
        Arc::new(Self {
            service,
            open: AtomicUsize::new(0),
            max,
        })
    }

    /// Takes a permit; `None` if as many are taken as there can be. Only the
    /// accept loop calls this: two callers at once could take one too many.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<ConnectionPermit> {
        if self.open.load(Ordering::Relaxed) >= self.max {
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        self.service.metrics().http.connections.inc();
        Some(ConnectionPermit {
            limit: self.clone(),
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        // The gauge first: it never counts more than the limits allow.
        self.limit.service.metrics().http.connections.dec();
        self.limit.open.fetch_sub(1, Ordering::Relaxed);
    }
}
