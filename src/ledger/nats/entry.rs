//! An order that has been handed over and has no completion yet.

use std::time::{Duration, Instant};

use crate::ledger::Item;
use crate::ledger::nats::connect::jittered;
use crate::ledger::nats::message::OVERHEAD_BYTES;

/// How long an acknowledgement may take before the message is sent again: far
/// longer than a commit, and than an election. It doubles up to the maximum.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(4);
/// How long to wait after a refusal that passes.
const REFUSED_PAUSE_MIN: Duration = Duration::from_millis(20);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Entry<T> {
    pub(super) item: T,
    /// When it is given up.
    pub(super) deadline: Instant,
    /// When to send it, or send it again.
    pub(super) due: Instant,
    /// When it was sent first.
    pub(super) sent: Option<Instant>,
    /// How often it was sent.
    attempts: u32,
    /// Refusals in a row.
    refusals: u32,
    /// It waits for the next batch.
    pub(super) waiting: bool,
    /// The batch that it is under way in.
    pub(super) batch: Option<u64>,
    /// The message of its subject is being read.
    pub(super) reading: bool,
    /// The last sequence known when it was sent first: its own is larger.
    pub(super) after_seq: u64,
}

impl<T: Item> Entry<T> {
    pub(super) fn new(item: T, now: Instant, timeout: Duration) -> Self {
        Self {
            item,
            deadline: now + timeout,
            due: now,
            sent: None,
            attempts: 0,
            refusals: 0,
            waiting: false,
            batch: None,
            reading: false,
            after_seq: 0,
        }
    }

    /// What it takes of the memory for messages in flight.
    pub(super) fn bytes(&self) -> usize {
        self.item.order().json().len() + OVERHEAD_BYTES
    }

    /// It has been handed to the connection.
    pub(super) fn was_sent(&mut self, now: Instant, last_seq: u64) {
        if self.sent.is_none() {
            self.sent = Some(now);
            self.after_seq = last_seq;
        }
        let wait = RETRY_MIN * 2_u32.pow(self.attempts.min(8));
        self.attempts += 1;
        self.due = now + wait.min(RETRY_MAX);
    }

    /// It was refused for a reason that passes.
    pub(super) fn was_refused(&mut self, now: Instant) {
        let wait = REFUSED_PAUSE_MIN * 2_u32.pow(self.refusals.min(8));
        self.refusals += 1;
        self.due = now + jittered(wait.min(REFUSED_PAUSE_MAX));
    }
}
