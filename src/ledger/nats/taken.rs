//! An id that the stream has a message of: is it this very order, whose
//! acknowledgement was lost, the same one from another instance, or another?

use std::time::Instant;

use crate::ledger::nats::message::{self, Foreign};
use crate::ledger::nats::publisher::{Publisher, Read};
use crate::ledger::{CommitResult, Held, Item};
use crate::sync::crash;
use crate::sync::log_limit::LogLimit;

impl<T: Item + 'static> Publisher<T> {
    /// Reads the message of an order's subject.
    pub(super) fn read(&mut self, number: u64) {
        let Some(entry) = self.in_flight.get_mut(&number) else {
            return;
        };
        if std::mem::replace(&mut entry.reading, true) {
            return;
        }
        if let Some(batch) = entry.batch.take() {
            self.batches.leaves(batch);
        }
        let subject = message::subject(entry.item.order().id().as_str());
        let (api, key, done) = (
            self.session.api.clone(),
            self.session.key.clone(),
            self.reads.0.clone(),
        );
        let permits = self.read_permits.clone();
        tokio::spawn(async move {
            let _guard = crash::guard();
            let _permit = permits.acquire_owned().await;
            let read = api.last_of_subject(&subject, &key).await;
            let _ = done.send((number, read)).await; // the ledger has ended otherwise
        });
    }

    pub(super) fn on_read(&mut self, number: u64, read: Read) {
        let Some(entry) = self.in_flight.get_mut(&number) else {
            return;
        };
        entry.reading = false;
        let stored = match read {
            Ok(Some(Ok(stored))) => stored,
            Ok(Some(Err(Foreign { seq, why }))) => {
                static LIMIT: LogLimit = LogLimit::new();
                LIMIT.log(|suppressed| {
                    let id = entry.item.order().id().as_str();
                    let what = "an id is taken by a message that is no outcome";
                    tracing::error!(suppressed, id, seq, "{what}: {why}");
                });
                return self.complete(number, CommitResult::OtherContent(None));
            }
            // It has expired meanwhile, or the leader has changed: send again.
            Ok(None) => return self.refuse(number, Instant::now()),
            Err(failure) => {
                self.refuse(number, Instant::now());
                return self.log(&failure.to_string());
            }
        };
        let outcome = stored.record.outcome;
        self.session.position.reaches(outcome.seq);
        let result = if *stored.submission == *format!("{}-{number}", self.session.cluster.instance)
        {
            CommitResult::Committed {
                seq: outcome.seq,
                at: stored.record.committed_at,
            }
        } else if stored.content == entry.item.order().content_hash() {
            CommitResult::AlreadyThere(outcome)
        } else {
            CommitResult::OtherContent(Some(Held {
                seq: outcome.seq,
                status: outcome.status,
                content: stored.content,
            }))
        };
        self.complete(number, result);
    }
}
