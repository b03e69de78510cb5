//! Handshakes of TLS, on all ports together.

use crate::metrics::counter::{CounterFamily, Gauge};
use crate::metrics::label::HandshakeResult;

/// Written by any thread that serves connections.
#[derive(Debug, Default)]
pub struct TlsMetrics {
    /// Handshakes that are over.
    pub handshakes: CounterFamily<HandshakeResult, { HandshakeResult::COUNT }>,
    /// Handshakes that have begun.
    pub in_flight: Gauge,
}

/// A handshake in flight, counted as over when this is dropped.
#[must_use = "it counts as long as it is held"]
pub(crate) struct Handshaking<'a> {
    metrics: &'a TlsMetrics,
    result: HandshakeResult,
}

impl TlsMetrics {
    /// A handshake begins.
    pub(crate) fn begin(&self) -> Handshaking<'_> {
        self.in_flight.inc();
        Handshaking {
            metrics: self,
            result: HandshakeResult::Unfinished,
        }
    }
}

impl Handshaking<'_> {
    /// It has ended, and how.
    pub(crate) fn end(mut self, result: HandshakeResult) {
        self.result = result;
    }
}

impl Drop for Handshaking<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.handshakes.inc(self.result);
    }
}
