//! Questions to the stream's leader: is the stream still the one that was
//! opened, can it commit, where does it end?

use std::time::Instant;

use crate::ledger::Item;
use crate::ledger::nats::api::ApiFailure;
use crate::ledger::nats::connect::jittered;
use crate::ledger::nats::limits::{
    MISSING_MAX, PROBE_IDLE, PROBE_IN_DOUBT, PROBE_WATCHED, UNANSWERED_MAX,
};
use crate::ledger::nats::protocol::code;
use crate::ledger::nats::publisher::{End, Probe, Publisher};
use crate::ledger::nats::stream::differences;
use crate::sync::crash;

impl<T: Item + 'static> Publisher<T> {
    /// Has the leader asked no later than then.
    pub(super) fn probe_by(&mut self, at: Instant) {
        self.probe_due = self.probe_due.min(at);
    }

    pub(super) fn probe(&mut self) {
        self.probing = true;
        self.watched = self.watched && (self.session.hooks.is_watched)();
        let interval = if self.watched {
            PROBE_WATCHED
        } else if self.health.is_in_doubt() {
            jittered(PROBE_IN_DOUBT)
        } else {
            jittered(PROBE_IDLE)
        };
        self.probe_due = Instant::now() + interval;
        let (api, done) = (self.session.api.clone(), self.probes.0.clone());
        tokio::spawn(async move {
            let _guard = crash::guard();
            let info = api.stream_info().await;
            let _ = done.send(info).await; // the ledger has ended otherwise
        });
    }

    pub(super) fn on_probe(&mut self, probe: Probe) -> Result<(), End> {
        self.probing = false;
        let stream = &self.session.api.stream;
        let failed = |why: String| Err(End::Failed(why));
        match probe {
            Ok(info) => {
                (self.missing, self.unanswered) = (0, 0);
                self.session.cluster.described(&info);
                if info.created != self.session.created {
                    return failed(format!(
                        "the stream {stream} was deleted and created again: it has forgotten ids"
                    ));
                }
                let differences = differences(&info.config, &self.session.options);
                if !differences.is_empty() {
                    let differences = differences.join("; ");
                    return failed(format!("the stream {stream} was changed: {differences}"));
                }
                if info.lacks_leader() {
                    self.health
                        .unanswered("the stream has no leader".to_owned());
                } else {
                    self.health.answered();
                }
                if self.session.position.update(info.state) {
                    (self.session.hooks.progress)();
                }
            }
            Err(failure) => {
                if failure.code() == code::STREAM_NOT_FOUND {
                    self.missing += 1;
                    if self.missing >= MISSING_MAX {
                        return failed(format!(
                            "the stream {stream} was deleted: it has forgotten ids"
                        ));
                    }
                }
                self.unanswered += 1;
                self.health.unanswered(failure.to_string());
                if failure == ApiFailure::TimedOut && self.unanswered >= UNANSWERED_MAX {
                    self.unanswered = 0;
                    self.reconnect();
                }
            }
        }
        Ok(())
    }

    /// Tries another server: this one may hang.
    pub(super) fn reconnect(&self) {
        let client = self.session.api.client.clone();
        tokio::spawn(async move {
            let _guard = crash::guard();
            if let Err(error) = client.force_reconnect().await {
                tracing::debug!(%error, "NATS client");
            }
        });
    }
}
