//! Fairness between the connections of one I/O thread.

const QUANTUM_REQUESTS: usize = 16;
/// The most that is written at a time.
pub(crate) const QUANTUM_BYTES: usize = 64 << 10;

/// What a connection has done, requests served and bytes received or sent,
/// since the thread's other connections last ran. Every park begins a new
/// quantum; a connection that never has to park gives way once its quantum is
/// spent.
#[derive(Debug, Default)]
pub(crate) struct Quantum {
    requests: usize,
    bytes: usize,
}

impl Quantum {
    pub(crate) fn count_request(&mut self) {
        self.requests += 1;
    }

    pub(crate) fn count_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.requests >= QUANTUM_REQUESTS || self.bytes >= QUANTUM_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_spent_by_requests_or_by_bytes() {
        let mut quantum = Quantum::default();
        for _ in 1..QUANTUM_REQUESTS {
            quantum.count_request();
            quantum.count_bytes(1);
        }
        assert!(!quantum.is_spent());
        quantum.count_request();
        assert!(quantum.is_spent());

        let mut quantum = Quantum::default();
        quantum.count_bytes(QUANTUM_BYTES - 1);
        assert!(!quantum.is_spent());
        quantum.count_bytes(1);
        assert!(quantum.is_spent());
    }
}
