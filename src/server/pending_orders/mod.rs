//! Pending orders: acknowledged, without an outcome when the process ended. A
//! drain writes them to the pending file, and the next start takes them up
//! again.
//!
//! A drain begins with that, and adds what is acknowledged later: a kill while
//! it goes on loses none. Orders in the file may be committed meanwhile; the
//! next start finds those in the journal. At its end the drain leaves in the
//! file what has no outcome, or removes it.

mod shared_file;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dedupe::claims::Claim;
use crate::ledger::journal::{PendingFile, PendingOrder};
use crate::order::{Client, HashKey, Invalid, Order, Submission, decode};
use crate::pipeline::pending_feeder::{PendingFeeder, PendingRefused};
use crate::pipeline::{InFlight, Pipeline};
use crate::server::pending_orders::shared_file::SharedFile;

/// The pause between two rounds of a drain that look for orders to be saved: at
/// first, and after some that found none.
const ROUND_MIN: Duration = Duration::from_millis(1);
const ROUND_MAX: Duration = Duration::from_millis(25);
/// The same when the file can't be written, and at most.
const ROUND_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How often the ledger is asked for what it has no space for.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(1);

/// Why pending orders can't be taken up again. The file stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum PendingOrdersError {
    /// The queue is smaller than the one that they were in.
    #[error("{pending} pending orders don't fit: raise --queue-capacity to {needed} or more")]
    Orders {
        /// How many there are.
        pending: usize,
        /// Slots that would do.
        needed: usize,
    },
    /// The queue takes fewer bytes than it did.
    #[error("{pending} pending orders don't fit: raise --queue-bytes to {needed} or more")]
    Bytes {
        /// How many there are.
        pending: usize,
        /// Bytes that would do.
        needed: u64,
    },
    /// One of them is no order to this version, or its id differs.
    #[error(
        "the pending order {id} can't be taken: {why}: use the version that wrote the file pending, or move that file away if its orders may be lost"
    )]
    Unreadable {
        /// Its id.
        id: String,
        /// Why not.
        why: String,
    },
}

/// The pending file of this process, if the ledger has one, and the feeder of
/// acknowledged orders.
#[derive(Default)]
pub(super) struct PendingStore {
    file: Option<Arc<SharedFile>>,
    /// The orders that are in the file, or were.
    saved: HashSet<Claim>,
    /// Runs until the end, once the ledger is open.
    feeder: Option<PendingFeeder>,
}

/// Acknowledged orders without an outcome, at the end of the process.
#[derive(Default)]
pub(super) struct Saved {
    /// In the pending file.
    pub(super) kept: usize,
    pub(super) lost: usize,
    /// The ledger has a pending file.
    pub(super) durable: bool,
}

/// Claims the orders of the pending file, before the gate opens. Returns their
/// claims.
pub(super) fn claim(
    pipeline: &Pipeline,
    pending: Vec<PendingOrder<'static>>,
    key: &HashKey,
) -> Result<HashSet<Claim>, PendingOrdersError> {
    if pending.is_empty() {
        return Ok(HashSet::new());
    }
    let count = pending.len();
    let orders: Result<Vec<_>, _> = pending
        .into_iter()
        .map(|pending| Ok((pending.accepted_at, read(&pending, key)?)))
        .collect();
    let claims = pipeline
        .claim_pending(orders?)
        .map_err(|refused| match refused {
            PendingRefused::Orders(needed) => PendingOrdersError::Orders {
                pending: count,
                needed,
            },
            PendingRefused::Bytes(needed) => PendingOrdersError::Bytes {
                pending: count,
                needed,
            },
            PendingRefused::Twice(id) => PendingOrdersError::Unreadable {
                id: id.to_string(),
                why: "it is there twice".into(),
            },
        })?;
    tracing::info!(
        pending = count,
        "pending orders of the last drain are queued"
    );
    Ok(claims)
}

fn read(pending: &PendingOrder<'_>, key: &HashKey) -> Result<Order, PendingOrdersError> {
    let unreadable = |why: String| PendingOrdersError::Unreadable {
        id: pending.id.to_string(),
        why,
    };
    let mut order = decode(pending.order.as_bytes(), key)
        .map_err(|invalid: Invalid| unreadable(invalid.to_string()))?;
    if order.id().as_str() != pending.id {
        return Err(unreadable(format!("its id is {}", order.id())));
    }
    let client = pending.client.as_deref().map(Client::named).transpose();
    order.set_submission(Submission {
        client: client.map_err(|invalid| unreadable(invalid.to_string()))?,
        traceparent: pending.traceparent,
    });
    Ok(order)
}

impl PendingStore {
    /// Starts to feed acknowledged orders: claimed pending ones, whose file is
    /// removed when all have an outcome, and those that are tried again.
    /// `claims` are those of the pending ones.
    pub(super) fn start(
        pipeline: &Arc<Pipeline>,
        file: Option<PendingFile>,
        claims: HashSet<Claim>,
    ) -> io::Result<Self> {
        let file = file.map(|file| Arc::new(SharedFile::new(file, !claims.is_empty())));
        if file.is_some() {
            pipeline.pending_queue.set_kept();
        }
        let finished = file.clone();
        let feeder = pipeline.feed_pending(move || {
            finished.inspect(|file| file.remove_finished());
            tracing::info!("all pending orders have their outcome");
        })?;
        Ok(Self {
            file,
            saved: claims,
            feeder: Some(feeder),
        })
    }

    /// Waits until no order is inside or `deadline` has passed; returns which.
    /// Meanwhile every acknowledged order is in the pending file, and none is
    /// acknowledged before it is.
    pub(super) fn wait_empty(&mut self, pipeline: &Pipeline, deadline: Instant) -> bool {
        let Some(file) = self.file.clone() else {
            return pipeline.gate.wait_empty(deadline);
        };
        pipeline.claims.defer_acks();
        let mut pause = ROUND_MIN;
        let mut requested: Option<Instant> = None;
        loop {
            let began = Instant::now();
            if requested.is_none_or(|at| began - at >= GIVE_BACK_EVERY) {
                requested = Some(began);
                pipeline.given_back.request();
                pipeline.wake_committer();
            }
            match self.save_new(pipeline, &file) {
                // A file that takes long to write is not written all the time.
                Ok(true) => pause = began.elapsed().clamp(ROUND_MIN, ROUND_AFTER_FAILURE),
                Ok(false) => pause = ROUND_MAX.min(2 * pause),
                Err(()) => pause = ROUND_AFTER_FAILURE,
            }
            let now = Instant::now();
            if pipeline.gate.wait_empty(deadline.min(now + pause)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    /// Adds to the file the acknowledged orders that are not in it. Returns
    /// whether there were any.
    fn save_new(&mut self, pipeline: &Pipeline, file: &SharedFile) -> Result<bool, ()> {
        // Before they are looked for: what is found then has no outcome up to
        // this sequence.
        let after_seq = pipeline.settled_seq();
        let found = pipeline.find_unsaved(&self.saved);
        // Where retention was faster, the next round finds a later sequence.
        if found.is_empty() || !file.pin(after_seq) {
            return Ok(false);
        }
        if let Err(error) = file.add(after_seq, orders(&found)) {
            file.failing(&error);
            return Err(());
        }
        tracing::info!(
            saved = found.len(),
            "orders acknowledged as queued are in the pending file until they have an outcome"
        );
        for job in &found {
            self.saved.insert(job.claim);
            // Its submitter may be told now.
            pipeline.claims.set_saved(job.claim);
        }
        Ok(true)
    }

    /// Leaves in the pending file the acknowledged orders without an outcome,
    /// after the pipeline was emptied. `missed` of them were given up by the
    /// force drain.
    pub(super) fn save(mut self, pipeline: &Pipeline, mut missed: Vec<Claim>) -> Saved {
        if let Some(feeder) = self.feeder.take() {
            feeder.stop();
        }
        let (mut pending, mut with_ledger) = pipeline.take_pending();
        missed.append(&mut with_ledger);
        // No id is pending twice; but a file that said so would be refused.
        let mut ids = HashSet::new();
        pending.retain(|job| ids.insert(*job.order.id()));
        let count = pending.len();
        let Some(file) = &self.file else {
            return Saved {
                lost: count + missed.len(),
                ..Saved::default()
            };
        };
        // Those that nobody could take out, but that were saved before.
        let missed_in_file = missed.iter().filter(|it| self.saved.contains(it)).count();
        let mut saved = Saved {
            kept: count + missed_in_file,
            lost: missed.len() - missed_in_file,
            durable: true,
        };
        // None of them was committed up to here.
        let after_seq = pipeline.settled_seq();
        let written = if missed_in_file > 0 {
            // Only the file has them.
            pending.retain(|job| !self.saved.contains(&job.claim));
            file.add(after_seq, orders(&pending))
        } else {
            file.replace(after_seq, orders(&pending))
        };
        if let Err(error) = written {
            // The file is as it was.
            pending.retain(|job| !self.saved.contains(&job.claim));
            let lost = pending.len();
            saved.kept -= lost;
            saved.lost += lost;
            tracing::error!(
                "{error}: {lost} orders that were acknowledged as queued are lost; free disk space and make the data directory writable"
            );
        }
        saved
    }
}

fn orders(jobs: &[Arc<InFlight>]) -> impl ExactSizeIterator<Item = PendingOrder<'_>> + Clone {
    jobs.iter()
        .map(|job| PendingOrder::new(job.accepted_at, &job.order))
}

#[cfg(test)]
mod tests;
