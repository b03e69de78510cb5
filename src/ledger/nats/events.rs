//! What happens to the connection, and what the log says of it.

use std::time::{Duration, Instant};

use async_nats::Event;

use crate::ledger::Item;
use crate::ledger::nats::publisher::Publisher;

/// Lines about refusals that are as many as orders.
const LOG_EVERY: Duration = Duration::from_secs(5);

impl<T: Item + 'static> Publisher<T> {
    pub(super) fn on_event(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Connected => {
                self.failure = None;
                self.tick_due = now;
                self.probe_by(now);
                // Acknowledgements that were under way are lost.
                for entry in self.in_flight.values_mut() {
                    entry.due = now;
                }
            }
            Event::Disconnected | Event::Closed => self.tick_due = now,
            Event::ServerError(error) => self.log(&error.to_string()),
            Event::ClientError(error) => self.log_failure(&error.to_string()),
            Event::SlowConsumer(_) | Event::LameDuckMode | Event::Draining => {}
        }
    }

    /// Logs a refusal, but not one for each of thousands of orders.
    pub(super) fn log(&mut self, why: &str) {
        let now = Instant::now();
        if self.logged.is_none_or(|last| now - last >= LOG_EVERY) {
            self.logged = Some(now);
            tracing::warn!("NATS: {why}");
        }
    }

    /// Logs why there is no connection, but not again with each attempt.
    fn log_failure(&mut self, why: &str) {
        if self.failure.as_deref() == Some(why) {
            return;
        }
        let before = self.logged;
        self.log(why);
        if self.logged != before {
            self.failure = Some(why.to_owned());
        }
    }
}
