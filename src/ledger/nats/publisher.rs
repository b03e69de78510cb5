//! The NATS thread's loop: sends messages, takes acknowledgements, and never
//! answers before one.
//!
//! An order is in flight from the moment it is taken from the committer's queue
//! until it has a completion. It is sent at once, and again when its
//! acknowledgement is late or its refusal passes; all under the same
//! expectation, so that no attempt can succeed after another. A message that is
//! refused because its subject has one is looked up: it may be this very order,
//! whose acknowledgement was lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_nats::connection::State;
use async_nats::{Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep_until, timeout};

use crate::ledger::nats::api::ApiFailure;
use crate::ledger::nats::batches::Batches;
use crate::ledger::nats::connect::Events;
use crate::ledger::nats::entry::Entry;
use crate::ledger::nats::health::Health;
use crate::ledger::nats::limits::{
    BYTES_MAX, PROBE_IDLE, PROBE_IN_DOUBT, PROBE_WATCHED, READS_MAX, REPLIES_MAX, RESENT_MAX,
    SEND_TIMEOUT, TICK,
};
use crate::ledger::nats::message::{self, Foreign, Stored};
use crate::ledger::nats::protocol::StreamInfo;
use crate::ledger::nats::session::Session;
use crate::ledger::nats::shared::{ORDERS_MAX, Shared};
use crate::ledger::{CommitResult, Completion, Item};

/// The message of an order's subject, as the leader has read it.
pub(super) type Read = Result<Option<Result<Stored, Foreign>>, ApiFailure>;

/// The stream, as its leader describes it.
pub(super) type Probe = Result<StreamInfo, ApiFailure>;

/// Both ends: answers to what this thread has asked for.
pub(super) type Channel<M> = (mpsc::Sender<M>, mpsc::Receiver<M>);

/// Tells a batch's acknowledgement from a message's, in the subject.
pub(super) const BATCH_MARK: char = 'b';

/// Why the loop ends.
pub(super) enum End {
    /// The committer is gone.
    Closed,
    Failed(String),
}

pub(super) struct Publisher<T> {
    pub(super) session: Session,
    pub(super) shared: Arc<Shared<T>>,
    /// What the subjects of acknowledgements begin with.
    pub(super) inbox: String,
    pub(super) acks: Subscriber,
    pub(super) events: Events,
    pub(super) in_flight: HashMap<u64, Entry<T>>,
    pub(super) batches: Batches,
    pub(super) bytes: usize,
    pub(super) next_number: u64,
    pub(super) reads: Channel<(u64, Read)>,
    pub(super) read_permits: Arc<Semaphore>,
    pub(super) probes: Channel<Probe>,
    pub(super) probing: bool,
    pub(super) probe_due: Instant,
    /// A reader waits at the stream's end.
    pub(super) watched: bool,
    pub(super) missing: u32,
    pub(super) unanswered: u32,
    pub(super) health: Health,
    /// When to look at all that is in flight.
    pub(super) tick_due: Instant,
    /// The connection took no message in time: it is handed none until the next
    /// tick. Each would wait as long, and replies and deadlines with it.
    pub(super) blocked: bool,
    /// There are completions that the committer has not been woken for.
    pub(super) completed: bool,
    /// When a refusal without a name was logged last.
    pub(super) logged: Option<Instant>,
    /// Why the last attempt to connect failed, as it was logged.
    pub(super) failure: Option<String>,
}

impl<T: Item + 'static> Publisher<T> {
    pub(super) fn new(
        session: Session,
        shared: Arc<Shared<T>>,
        (acks, inbox): (Subscriber, String),
        events: Events,
    ) -> Self {
        let now = Instant::now();
        Self {
            session,
            shared,
            inbox,
            acks,
            events,
            in_flight: HashMap::with_capacity(ORDERS_MAX),
            batches: Batches::default(),
            bytes: 0,
            next_number: 1,
            reads: mpsc::channel(ORDERS_MAX),
            read_permits: Arc::new(Semaphore::new(READS_MAX)),
            probes: mpsc::channel(1),
            probing: false,
            probe_due: now + PROBE_IDLE,
            watched: false,
            missing: 0,
            unanswered: 0,
            health: Health::new(now),
            tick_due: now,
            blocked: false,
            completed: false,
            logged: None,
            failure: None,
        }
    }

    /// Runs until the committer is gone or the ledger has failed.
    pub(super) async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.round().await {
                break end;
            }
        };
        if let End::Failed(why) = end {
            let numbers: Vec<u64> = self.in_flight.keys().copied().collect();
            for number in numbers {
                self.complete(number, CommitResult::InDoubt);
            }
            let first = self.shared.failed.set(why).is_ok();
            debug_assert!(first, "it fails once");
            (self.shared.wake)();
        }
    }

    /// Waits for something to do, and does it.
    pub(super) async fn round(&mut self) -> Result<(), End> {
        let mut wake_at = self.probe_due;
        if !self.in_flight.is_empty() {
            wake_at = wake_at.min(Instant::now() + TICK);
        }
        tokio::select! {
            biased;
            Some(message) = self.acks.next() => self.on_replies(message)?,
            Some((number, read)) = self.reads.1.recv() => self.on_read(number, read),
            Some(probe) = self.probes.1.recv() => self.on_probe(probe)?,
            Some(event) = self.events.recv() => self.on_event(event),
            () = self.session.position.watched.notified() => {
                self.watched = true;
                self.probe_by(Instant::now() + PROBE_WATCHED);
            }
            () = self.shared.arrived.notified() => {
                if self.shared.closed.load(Ordering::Acquire) {
                    return Err(End::Closed);
                }
            }
            () = sleep_until(wake_at.into()) => {}
        }
        let now = Instant::now();
        self.send_new(now).await;
        self.tick(now).await;
        self.send_batches(now).await;
        let change = self.health.change();
        if let Some(unavailable) = change {
            self.shared.set_unavailable(unavailable);
        }
        if std::mem::take(&mut self.completed) || change.is_some() {
            (self.shared.wake)();
        }
        Ok(())
    }

    /// Takes over what the committer has handed over.
    pub(super) async fn send_new(&mut self, now: Instant) {
        while self.bytes < BYTES_MAX
            && let Some(item) = self.shared.submitted.pop()
        {
            let number = self.next_number;
            self.next_number += 1;
            let entry = Entry::new(item, now, self.session.options.ack_timeout);
            self.bytes += entry.bytes();
            self.in_flight.insert(number, entry);
            if self.session.batches {
                self.wait_for_batch(number);
            } else if self.takes_messages() {
                self.send(number, now).await;
            }
        }
    }

    /// Sends an order's message, or leaves it for a later tick.
    pub(super) async fn send(&mut self, number: u64, now: Instant) {
        let Some(entry) = self.in_flight.get_mut(&number) else {
            return;
        };
        let order = entry.item.order();
        let submission = format!("{}-{number}", self.session.cluster.instance);
        let sent = self.session.api.client.publish_with_reply_and_headers(
            message::subject(order.id().as_str()),
            format!("{}{number}", self.inbox),
            message::headers(&entry.item, &self.session.api.stream, submission),
            order.json().to_owned().into(),
        );
        match timeout(SEND_TIMEOUT, sent).await {
            Ok(Ok(())) => entry.was_sent(now, self.session.position.last()),
            Ok(Err(error)) => {
                self.refuse(number, now);
                self.log(&error.to_string());
            }
            Err(_) => {
                self.blocked = true;
                self.refuse(number, now);
            }
        }
    }

    /// Whether the connection is there, and takes messages as far as is known.
    pub(super) fn takes_messages(&self) -> bool {
        self.health.is_connected() && !self.blocked
    }

    pub(super) fn on_replies(&mut self, message: Message) -> Result<(), End> {
        self.on_reply(&message)?;
        for _ in 1..REPLIES_MAX {
            let Some(Some(message)) = self.acks.next().now_or_never() else {
                break;
            };
            self.on_reply(&message)?;
        }
        Ok(())
    }

    pub(super) fn complete(&mut self, number: u64, result: CommitResult) {
        if let Some(entry) = self.in_flight.remove(&number) {
            if let Some(batch) = entry.batch {
                self.batches.leaves(batch);
            }
            self.bytes -= entry.bytes();
            let item = entry.item;
            self.shared.complete(Completion { item, result });
            self.completed = true;
        }
    }

    /// Lets an order wait for the next batch; it leaves the one it is in.
    fn wait_for_batch(&mut self, number: u64) {
        if let Some(entry) = self.in_flight.get_mut(&number) {
            entry.waiting = true;
            if let Some(batch) = entry.batch.take() {
                self.batches.leaves(batch);
            }
            self.batches.wait(number);
        }
    }

    /// An order was refused for a reason that passes, or could not be sent.
    pub(super) fn refuse(&mut self, number: u64, now: Instant) {
        if let Some(entry) = self.in_flight.get_mut(&number) {
            entry.was_refused(now);
            if let Some(batch) = entry.batch.take() {
                self.batches.leaves(batch);
            }
        }
    }

    /// Gives up what is too old, sends again what is due, asks the leader.
    pub(super) async fn tick(&mut self, now: Instant) {
        if now < self.tick_due {
            return;
        }
        self.tick_due = now + TICK;
        self.blocked = false;
        let state = self.session.api.client.connection_state();
        self.health.connection(state == State::Connected);
        let oldest = self.in_flight.values().filter_map(|entry| entry.sent).min();
        self.health.tick(now, oldest);
        let (mut due, mut late) = (Vec::new(), Vec::new());
        for (number, entry) in &self.in_flight {
            if now >= entry.deadline {
                late.push(*number);
            } else if now >= entry.due && !entry.reading && !entry.waiting {
                due.push(*number);
            }
        }
        for number in late {
            self.complete(number, CommitResult::InDoubt);
        }
        if self.health.is_connected() {
            due.sort_unstable();
            due.truncate(RESENT_MAX);
            for number in due {
                if self.session.batches {
                    self.wait_for_batch(number);
                } else if self.takes_messages() {
                    self.send(number, now).await;
                }
            }
        }
        if self.health.is_in_doubt() {
            self.probe_by(now + PROBE_IN_DOUBT);
        }
        if now >= self.probe_due && !self.probing {
            self.probe();
        }
    }
}
