//! Whether orders can be taken now, and if not, why: one line in the log when
//! that changes.

use std::time::{Duration, Instant};

use crate::ledger::Unavailable;

/// How long the stream counts as full after it has said so. Then an order is
/// let in to find out.
const FULL: Duration = Duration::from_secs(2);
/// How long messages may be without any acknowledgement before no more orders
/// are taken.
const STALL: Duration = Duration::from_secs(2);

pub(super) struct Health {
    connected: bool,
    /// Why the last question to the stream's leader was not answered well.
    unanswered: Option<String>,
    /// The stream is full until then, and what it said.
    full: Option<(Instant, String)>,
    /// The last reply to a message.
    replied: Instant,
    stalled: bool,
    reported: Option<Unavailable>,
}

impl Health {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            connected: true,
            unanswered: None,
            full: None,
            replied: now,
            stalled: false,
            reported: None,
        }
    }

    pub(super) fn connection(&mut self, connected: bool) {
        self.connected = connected;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// A message was acknowledged, or refused by the stream itself.
    pub(super) fn replied(&mut self, now: Instant) {
        self.replied = now;
        self.stalled = false;
    }

    pub(super) fn acknowledged(&mut self, now: Instant) {
        self.replied(now);
        self.full = None;
    }

    pub(super) fn full(&mut self, now: Instant, why: String) {
        self.replied(now);
        self.full = Some((now + FULL, why));
    }

    /// The leader has answered a question.
    pub(super) fn answered(&mut self) {
        self.unanswered = None;
    }

    pub(super) fn unanswered(&mut self, why: String) {
        self.unanswered = Some(why);
    }

    /// Whether there is something to ask the leader about.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.connected || self.unanswered.is_some() || self.stalled
    }

    /// Looks at the clock. `oldest` is when the oldest message without an
    /// acknowledgement was sent.
    pub(super) fn tick(&mut self, now: Instant, oldest: Option<Instant>) {
        if self.full.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.full = None;
        }
        self.stalled = oldest
            .is_some_and(|sent| now.saturating_duration_since(sent.max(self.replied)) > STALL);
    }

    /// Whether orders can be taken; `Some` if that has changed.
    pub(super) fn change(&mut self) -> Option<Option<Unavailable>> {
        let (state, why) = if !self.connected {
            (
                Some(Unavailable::Away),
                "there is no connection to a NATS server",
            )
        } else if let Some(why) = &self.unanswered {
            (Some(Unavailable::Away), &**why)
        } else if self.stalled {
            (Some(Unavailable::Away), "the stream acknowledges nothing")
        } else if let Some((_, why)) = &self.full {
            (Some(Unavailable::Full), &**why)
        } else {
            (None, "")
        };
        if state == self.reported {
            return None;
        }
        match state {
            None => tracing::info!("the stream takes outcomes again: ready"),
            Some(Unavailable::Full) => {
                tracing::error!(why, "the stream is full: not ready until there is space");
            }
            Some(Unavailable::Away) => {
                tracing::warn!(why, "the stream can't be reached: not ready until it can");
            }
        }
        self.reported = state;
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_reported_once_and_so_is_its_end() {
        let now = Instant::now();
        let mut health = Health::new(now);
        assert_eq!(health.change(), None);
        health.connection(false);
        assert_eq!(health.change(), Some(Some(Unavailable::Away)));
        assert_eq!(health.change(), None);
        health.connection(true);
        assert_eq!(health.change(), Some(None));
        health.unanswered("no leader".to_owned());
        assert_eq!(health.change(), Some(Some(Unavailable::Away)));
        health.answered();
        assert_eq!(health.change(), Some(None));
    }

    #[test]
    fn full_ends_with_an_acknowledgement_or_in_time() {
        let now = Instant::now();
        let mut health = Health::new(now);
        health.full(now, "maximum bytes exceeded".to_owned());
        assert_eq!(health.change(), Some(Some(Unavailable::Full)));
        health.tick(now + FULL / 2, None);
        assert_eq!(health.change(), None);
        health.tick(now + FULL, None);
        assert_eq!(health.change(), Some(None));
        health.full(now, String::new());
        health.acknowledged(now);
        assert_eq!(health.change(), None);
    }

    #[test]
    fn messages_without_any_acknowledgement_are_a_stall() {
        let now = Instant::now();
        let mut health = Health::new(now);
        let late = now + STALL * 2;
        health.tick(late, None);
        assert!(!health.is_in_doubt(), "nothing was sent");
        health.tick(late, Some(now));
        assert!(health.is_in_doubt());
        assert_eq!(health.change(), Some(Some(Unavailable::Away)));
        health.replied(late);
        health.tick(late + STALL / 2, Some(now));
        assert_eq!(health.change(), Some(None), "others are acknowledged");
    }
}
