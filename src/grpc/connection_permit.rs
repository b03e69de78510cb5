//! The limit on open connections, and how many there are.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::GrpcMetrics;

pub(super) struct ConnectionLimit {
    permits: Arc<Semaphore>,
    metrics: Arc<GrpcMetrics>,
}

/// Permits one connection, from its acceptance until its socket is closed: one
/// that says nothing, or is slow in its TLS handshake, counts like others.
pub(crate) struct ConnectionPermit {
    metrics: Arc<GrpcMetrics>,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionLimit {
    pub(super) fn new(connections_max: usize, metrics: Arc<GrpcMetrics>) -> Self {
        metrics.connections_max.set(connections_max);
        Self {
            permits: Arc::new(Semaphore::new(connections_max)),
            metrics,
        }
    }

    /// `None` if there are as many connections as there may be.
    pub(super) fn try_acquire(&self) -> Option<ConnectionPermit> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        self.metrics.connections.inc();
        Some(ConnectionPermit {
            metrics: self.metrics.clone(),
            _permit: permit,
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        // Before the permit is free: the figure is never above the limit.
        self.metrics.connections.dec();
    }
}
