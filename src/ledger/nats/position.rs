//! Where the stream begins and ends, as far as this instance knows.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::ledger::nats::protocol::StreamState;

/// Sequences only grow, here as in the stream: an older answer that comes late
/// changes nothing.
#[derive(Debug, Default)]
pub(super) struct Position {
    last: AtomicU64,
    oldest: AtomicU64,
    /// Tells the NATS thread that a reader waits at the end.
    pub(super) watched: Notify,
}

impl Position {
    pub(super) fn last(&self) -> u64 {
        // Pairs with the Release maximum in `reaches`: who reads the sequence
        // finds the outcome.
        self.last.load(Ordering::Acquire)
    }

    pub(super) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Relaxed).max(1)
    }

    /// The stream has this sequence; whether that is news.
    pub(super) fn reaches(&self, seq: u64) -> bool {
        self.last.fetch_max(seq, Ordering::Release) < seq
    }

    /// What the leader says; whether there is more to read.
    pub(super) fn update(&self, state: StreamState) -> bool {
        self.oldest.fetch_max(state.first_seq, Ordering::Relaxed);
        self.reaches(state.last_seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_grows() {
        let position = Position::default();
        assert_eq!((position.oldest(), position.last()), (1, 0));
        assert!(position.reaches(7) && !position.reaches(7) && !position.reaches(3));
        let state = |first_seq, last_seq| StreamState {
            first_seq,
            last_seq,
        };
        assert!(position.update(state(5, 9)) && !position.update(state(4, 8)));
        assert_eq!((position.oldest(), position.last()), (5, 9));
    }
}
