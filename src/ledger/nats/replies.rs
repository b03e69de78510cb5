//! What the stream replies to a message: stored, refused for good, refused for
//! now.

use std::time::Instant;

use async_nats::{Message, StatusCode};

use crate::clock;
use crate::ledger::nats::message;
use crate::ledger::nats::protocol::{ApiError, PubAck, code};
use crate::ledger::nats::publisher::{End, Publisher};
use crate::ledger::{CommitResult, Item};

impl<T: Item + 'static> Publisher<T> {
    pub(super) fn on_reply(&mut self, message: &Message) -> Result<(), End> {
        let number = message.subject.strip_prefix(&*self.inbox);
        let number = number.and_then(|number| number.parse().ok());
        // One that comes after its order was answered says nothing new.
        let Some((number, entry)) =
            number.and_then(|number| Some((number, self.in_flight.get_mut(&number)?)))
        else {
            return Ok(());
        };
        let now = Instant::now();
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            entry.was_refused(now);
            self.health
                .unanswered("no stream takes the messages".to_owned());
            self.probe_by(now);
            return Ok(());
        }
        match serde_json::from_slice(&message.payload) {
            Ok(PubAck {
                error: Some(error), ..
            }) => self.on_refusal(number, &error, now)?,
            Ok(PubAck { seq, error: None }) if seq > 0 => {
                if seq <= entry.after_seq {
                    return Err(End::Failed(format!(
                        "the stream {} acknowledges sequence {seq} after {}: it was created again or has \
                         lost outcomes, and has forgotten ids",
                        self.session.api.stream, entry.after_seq
                    )));
                }
                self.health.acknowledged(now);
                self.session.position.reaches(seq);
                let at = clock::unix_nanos();
                self.complete(number, CommitResult::Committed { seq, at });
            }
            _ => {
                entry.was_refused(now);
                self.log("an acknowledgement can't be read");
            }
        }
        Ok(())
    }

    pub(super) fn on_refusal(
        &mut self,
        number: u64,
        error: &ApiError,
        now: Instant,
    ) -> Result<(), End> {
        let Some(entry) = self.in_flight.get_mut(&number) else {
            return Ok(());
        };
        let taken = error.err_code == code::WRONG_LAST_SEQUENCE
            || error.err_code == code::STORE_FAILED && error.description.contains("per subject");
        if taken {
            self.health.replied(now);
            self.read(number);
            return Ok(());
        }
        entry.was_refused(now);
        match error.err_code {
            code::STREAM_NOT_MATCH => {
                return Err(End::Failed(format!(
                    "the subjects {} belong to another stream than {}",
                    message::SUBJECTS,
                    self.session.api.stream
                )));
            }
            code::STORE_FAILED | code::STORAGE_EXCEEDED | code::INSUFFICIENT_RESOURCES => {
                self.health.full(now, error.to_string());
            }
            code::CLUSTER_NOT_AVAILABLE | code::NOT_ENABLED | code::NOT_ENABLED_FOR_ACCOUNT => {
                self.health.unanswered(error.to_string());
                self.probe_by(now);
            }
            // Too many at once, the same id in flight elsewhere, a leader that
            // is catching up: it passes.
            _ => self.log(&error.to_string()),
        }
        Ok(())
    }
}
