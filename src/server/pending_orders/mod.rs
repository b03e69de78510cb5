//! Pending orders: acknowledged, without an outcome when the process ended. A
//! drain writes them to the pending file, and the next start takes them up
//! again.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use crate::ledger::journal::{PendingFile, PendingOrder};
use crate::order::{HashKey, Invalid, Order, decode};
use crate::pipeline::Pipeline;
use crate::pipeline::pending_feeder::{PendingFeeder, PendingRefused};

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
    file: Option<Arc<PendingFile>>,
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

/// Claims the orders of the pending file, before the gate opens.
pub(super) fn claim(
    pipeline: &Pipeline,
    pending: Vec<PendingOrder<'static>>,
    key: &HashKey,
) -> Result<(), PendingOrdersError> {
    if pending.is_empty() {
        return Ok(());
    }
    let count = pending.len();
    let orders: Result<Vec<_>, _> = pending
        .into_iter()
        .map(|pending| Ok((pending.accepted_at, read(&pending, key)?)))
        .collect();
    pipeline
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
    Ok(())
}

fn read(pending: &PendingOrder<'_>, key: &HashKey) -> Result<Order, PendingOrdersError> {
    let unreadable = |why: String| PendingOrdersError::Unreadable {
        id: pending.id.to_string(),
        why,
    };
    let order = decode(pending.order.as_bytes(), key)
        .map_err(|invalid: Invalid| unreadable(invalid.to_string()))?;
    if order.id().as_str() != pending.id {
        return Err(unreadable(format!("its id is {}", order.id())));
    }
    Ok(order)
}

impl PendingStore {
    /// Starts to feed acknowledged orders: claimed pending ones, whose file is
    /// removed when all have an outcome, and those that are tried again.
    pub(super) fn start(pipeline: &Arc<Pipeline>, file: Option<PendingFile>) -> io::Result<Self> {
        let file = file.map(Arc::new);
        if file.is_some() {
            pipeline.pending_queue.set_kept();
        }
        let finished = file.clone();
        let feeder = pipeline.feed_pending(move || match finished.map(|file| file.remove()) {
            Some(Err(error)) => {
                tracing::warn!("{error}; the next start finds that all in it are committed");
            }
            _ => tracing::info!("all pending orders have their outcome"),
        })?;
        Ok(Self {
            file,
            feeder: Some(feeder),
        })
    }

    /// Writes acknowledged orders without an outcome to the pending file, after
    /// the pipeline was emptied. `missed` of them were given up by the force
    /// drain.
    pub(super) fn save(mut self, pipeline: &Pipeline, missed: usize) -> Saved {
        if let Some(feeder) = self.feeder.take() {
            feeder.stop();
        }
        let (mut pending, with_ledger) = pipeline.take_pending();
        // Orders of the last process's file that this one could not take out:
        // they are with a ledger that doesn't answer, and must stay in the
        // file.
        let taken_out = pending.iter().filter(|job| job.pending).count();
        let still_in_file = pipeline.pending_queue.open().saturating_sub(taken_out);
        let missed = (missed + with_ledger).saturating_sub(still_in_file);
        // No id is pending twice; but a file that said so would be refused.
        let mut ids = HashSet::new();
        pending.retain(|job| ids.insert(*job.order.id()));
        let count = pending.len();
        let Some(file) = &self.file else {
            return Saved {
                lost: count + missed,
                ..Saved::default()
            };
        };
        let mut saved = Saved {
            kept: count + still_in_file,
            lost: missed,
            durable: true,
        };
        if count == 0 {
            return saved;
        }
        let orders = pending
            .iter()
            .map(|job| PendingOrder::new(job.accepted_at, &job.order));
        // None of them was committed up to here.
        let after_seq = pipeline.settled_seq();
        let written = if still_in_file > 0 {
            file.append(after_seq, orders)
        } else {
            file.write(after_seq, orders)
        };
        if let Err(error) = written {
            // The file of the last process is still there.
            let lost = count.saturating_sub(taken_out);
            saved.kept = taken_out + still_in_file;
            saved.lost += lost;
            tracing::error!(
                "{error}: {lost} orders that were acknowledged as queued are lost; free disk space and make the data directory writable"
            );
        }
        saved
    }
}

#[cfg(test)]
mod tests;
