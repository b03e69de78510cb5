//! Batches: sent as one atomic publish, answered by one acknowledgement.

use std::time::Instant;

use async_nats::{Message, StatusCode};
use tokio::time::timeout;

use crate::clock;
use crate::ledger::nats::batches::Batches;
use crate::ledger::nats::entry::Entry;
use crate::ledger::nats::limits::SEND_TIMEOUT;
use crate::ledger::nats::message;
use crate::ledger::nats::protocol::{ApiError, PubAck, code};
use crate::ledger::nats::publisher::{BATCH_MARK, End, Publisher};
use crate::ledger::{CommitResult, Item};

impl<T: Item + 'static> Publisher<T> {
    /// Sends what waits, in as few messages to sync as possible.
    pub(super) async fn send_batches(&mut self, now: Instant) {
        while self.session.batches && self.takes_messages() {
            let in_flight = &self.in_flight;
            let bytes = |order: u64| in_flight.get(&order).map(Entry::bytes);
            let Some(orders) = self.batches.next(bytes) else {
                return;
            };
            let batch = self.batches.sent(orders.clone());
            for order in &orders {
                if let Some(entry) = self.in_flight.get_mut(order) {
                    (entry.waiting, entry.batch) = (false, Some(batch));
                }
            }
            match orders[..] {
                [order] => self.send(order, now).await,
                _ => self.send_batch(batch, &orders, now).await,
            }
        }
    }

    async fn send_batch(&mut self, batch: u64, orders: &[u64], now: Instant) {
        let id = format!("{}-{batch}", self.session.cluster.instance);
        for (at, order) in orders.iter().enumerate() {
            let is_last = at + 1 == orders.len();
            let Some(entry) = self.in_flight.get_mut(order) else {
                continue; // not while they are being sent
            };
            let submission = format!("{}-{order}", self.session.cluster.instance);
            let mut headers = message::headers(&entry.item, &self.session.api.stream, submission);
            message::add_batch(&mut headers, &id, at + 1, is_last);
            let item = entry.item.order();
            let subject = message::subject(item.id().as_str());
            let payload = item.json().to_owned().into();
            let client = &self.session.api.client;
            let sent = async {
                if is_last {
                    let reply = format!("{}{BATCH_MARK}{batch}", self.inbox);
                    client
                        .publish_with_reply_and_headers(subject, reply, headers, payload)
                        .await
                } else {
                    client.publish_with_headers(subject, headers, payload).await
                }
            };
            match timeout(SEND_TIMEOUT, sent).await {
                Ok(Ok(())) => entry.was_sent(now, self.session.position.last()),
                failed => {
                    // The server drops what it has of the batch.
                    match failed {
                        Ok(Err(error)) => self.log(&error.to_string()),
                        _ => self.blocked = true,
                    }
                    return self.refuse_all(batch, now);
                }
            }
        }
    }

    pub(super) fn on_batch_reply(&mut self, batch: u64, message: &Message) -> Result<(), End> {
        let now = Instant::now();
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            self.refuse_all(batch, now);
            self.no_responders(now);
            return Ok(());
        }
        match serde_json::from_slice(&message.payload) {
            Ok(PubAck {
                error: Some(error), ..
            }) => self.on_batch_refusal(batch, &error, now),
            Ok(PubAck { seq, error: None }) if seq > 0 => self.on_batch_stored(batch, seq, now),
            _ => {
                self.refuse_all(batch, now);
                self.log("an acknowledgement can't be read");
                Ok(())
            }
        }
    }

    /// The batch is stored: in one piece, which ends with this sequence.
    fn on_batch_stored(&mut self, batch: u64, seq: u64, now: Instant) -> Result<(), End> {
        let Some(orders) = self.batches.ends(batch) else {
            return Ok(()); // too late: each of them is on another way
        };
        self.health.acknowledged(now);
        let first = (seq + 1).saturating_sub(orders.len() as u64);
        let at = clock::unix_nanos();
        for (order, seq) in orders.into_iter().zip(first..) {
            self.check_sequence(order, seq)?;
            self.complete(order, CommitResult::Committed { seq, at });
        }
        self.session.position.reaches(seq);
        Ok(())
    }

    fn on_batch_refusal(&mut self, batch: u64, error: &ApiError, now: Instant) -> Result<(), End> {
        let taken = error.is_taken() || error.err_code == code::IN_PROCESS;
        if !taken {
            self.refuse_all(batch, now);
            if matches!(
                error.err_code,
                code::BATCHES_DISABLED | code::BATCH_HEADER_UNSUPPORTED
            ) {
                self.session.batches = false;
                self.batches = Batches::default();
                // Each is sent alone.
                for entry in self.in_flight.values_mut() {
                    (entry.waiting, entry.batch, entry.due) = (false, None, now);
                }
            }
            return self.on_trouble(error, now);
        }
        self.health.replied(now);
        let orders = self.batches.ends(batch).unwrap_or_default();
        for order in &orders {
            if let Some(entry) = self.in_flight.get_mut(order) {
                (entry.waiting, entry.batch) = (true, None);
            }
        }
        if !orders.is_empty() {
            self.batches.halve(orders);
        }
        Ok(())
    }

    /// Has the orders of a batch sent again later.
    fn refuse_all(&mut self, batch: u64, now: Instant) {
        for order in self.batches.ends(batch).unwrap_or_default() {
            if let Some(entry) = self.in_flight.get_mut(&order) {
                entry.batch = None;
                entry.was_refused(now);
            }
        }
    }
}
