//! Fairness between the connections of one I/O thread.

const TURN_REQUESTS: usize = 16;
const TURN_BYTES: usize = 64 << 10;

/// What a connection has done, requests served and bytes received or sent, since
/// the thread's other connections last ran. Every park begins a new turn; a
/// connection that never has to park gives way once its turn is over.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    requests: usize,
    bytes: usize,
}

impl Turn {
    pub(crate) fn count_request(&mut self) {
        self.requests += 1;
    }

    pub(crate) fn count_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.requests >= TURN_REQUESTS || self.bytes >= TURN_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_after_its_requests_or_its_bytes() {
        let mut turn = Turn::default();
        for _ in 1..TURN_REQUESTS {
            turn.count_request();
            turn.count_bytes(1);
        }
        assert!(!turn.is_over());
        turn.count_request();
        assert!(turn.is_over());

        let mut turn = Turn::default();
        turn.count_bytes(TURN_BYTES - 1);
        assert!(!turn.is_over());
        turn.count_bytes(1);
        assert!(turn.is_over());
    }
}
