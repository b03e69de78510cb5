//! What the stream replies to a message: stored, refused for good, refused for
//! now.

use std::time::Instant;

use async_nats::{Message, StatusCode};

use crate::clock;
use crate::ledger::nats::message;
use crate::ledger::nats::protocol::{ApiError, PubAck, code};
use crate::ledger::nats::publisher::{BATCH_MARK, End, Publisher};
use crate::ledger::{CommitResult, Item};

impl<T: Item + 'static> Publisher<T> {
    pub(super) fn on_reply(&mut self, message: &Message) -> Result<(), End> {
        let Some(number) = message.subject.strip_prefix(&*self.inbox) else {
            return Ok(());
        };
        if let Some(batch) = number.strip_prefix(BATCH_MARK) {
            return match batch.parse() {
                Ok(batch) => self.on_batch_reply(batch, message),
                Err(_) => Ok(()),
            };
        }
        match number.parse() {
            // One that comes after its order was answered says nothing new.
            Ok(number) if self.in_flight.contains_key(&number) => {
                self.on_order_reply(number, message)
            }
            _ => Ok(()),
        }
    }

    fn on_order_reply(&mut self, number: u64, message: &Message) -> Result<(), End> {
        let now = Instant::now();
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            self.refuse(number, now);
            self.no_responders(now);
            return Ok(());
        }
        match serde_json::from_slice(&message.payload) {
            Ok(PubAck {
                error: Some(error), ..
            }) => {
                if error.is_taken() {
                    self.health.replied(now);
                    self.read(number);
                    return Ok(());
                }
                self.refuse(number, now);
                return self.on_trouble(&error, now);
            }
            Ok(PubAck { seq, error: None }) if seq > 0 => {
                self.check_sequence(number, seq)?;
                self.health.acknowledged(now);
                self.session.position.reaches(seq);
                let at = clock::unix_nanos();
                self.complete(number, CommitResult::Committed { seq, at });
            }
            _ => {
                self.refuse(number, now);
                self.log("an acknowledgement can't be read");
            }
        }
        Ok(())
    }

    /// A sequence that is not larger than what was known when the message was
    /// sent: the stream is not what it was.
    pub(super) fn check_sequence(&self, number: u64, seq: u64) -> Result<(), End> {
        let after = self.in_flight.get(&number).map_or(0, |it| it.after_seq);
        if seq > after {
            return Ok(());
        }
        Err(End::Failed(format!(
            "the stream {} acknowledges sequence {seq} after {after}: it was created again or has \
             lost outcomes, and has forgotten ids",
            self.session.api.stream
        )))
    }

    pub(super) fn no_responders(&mut self, now: Instant) {
        let why = "no stream takes the messages";
        self.health.unanswered(why.to_owned());
        self.probe_by(now);
    }

    /// What a refusal that passes says of the stream.
    pub(super) fn on_trouble(&mut self, error: &ApiError, now: Instant) -> Result<(), End> {
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
            // is catching up.
            _ => self.log(&error.to_string()),
        }
        Ok(())
    }
}
