//! Orders that a drain keeps on disk, and that the next start takes up again.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use crate::ledger::journal::{PendingFile, PendingOrder};
use crate::order::{HashKey, Invalid, Order, decode};
use crate::pipeline::pending_orders::{Crowded, Feeder};
use crate::pipeline::{Fault, Pipeline};

/// Why kept orders can't be taken up again. They stay where they are.
#[derive(Debug, thiserror::Error)]
pub enum PendingOrdersError {
    /// The queue is smaller than the one that they were in.
    #[error(
        "{kept} orders kept by the last drain don't fit: raise --queue-capacity to {needed} or more"
    )]
    Orders {
        /// How many there are.
        kept: usize,
        /// Slots that will do.
        needed: usize,
    },
    /// The queue takes fewer bytes than it did.
    #[error(
        "{kept} orders kept by the last drain don't fit: raise --queue-bytes to {needed} or more"
    )]
    Bytes {
        /// How many there are.
        kept: usize,
        /// Bytes that will do.
        needed: u64,
    },
    /// One of them is no order to this version, or not the one it should be.
    #[error(
        "the order {id} kept by the last drain can't be taken: {why}: use the version that wrote the file pending, or move that file away if its orders may be given up"
    )]
    Unreadable {
        /// Its id.
        id: String,
        /// Why not.
        why: String,
    },
}

/// Keeps orders, if there is a place for them.
#[derive(Default)]
pub(super) struct Keeper {
    pending: Option<Arc<PendingFile>>,
    /// This process has written the file: it stands, and is added to from then
    /// on.
    written: bool,
    /// Runs while kept orders have no outcome.
    feeder: Option<Feeder>,
}

/// What became of orders that somebody was told are queued, and that have no
/// outcome.
#[derive(Default)]
pub(super) struct Finished {
    pub(super) kept: usize,
    pub(super) lost: usize,
    /// PendingOrder by an earlier drain, and kept still; not among those above.
    pub(super) standing: usize,
    /// There is a place for them.
    pub(super) can_keep: bool,
}

/// Claims the orders that the last drain kept, before the gate opens.
pub(super) fn claim(
    pipeline: &Pipeline,
    kept: Vec<PendingOrder<'static>>,
    key: &HashKey,
) -> Result<(), PendingOrdersError> {
    if kept.is_empty() {
        return Ok(());
    }
    let count = kept.len();
    let orders: Result<Vec<_>, _> = kept
        .into_iter()
        .map(|kept| Ok((kept.accepted_at, read(&kept, key)?)))
        .collect();
    pipeline
        .claim_kept(orders?)
        .map_err(|crowded| match crowded {
            Crowded::Orders(needed) => PendingOrdersError::Orders {
                kept: count,
                needed,
            },
            Crowded::Bytes(needed) => PendingOrdersError::Bytes {
                kept: count,
                needed,
            },
            Crowded::Twice(id) => PendingOrdersError::Unreadable {
                id: id.to_string(),
                why: "it is there twice".into(),
            },
        })?;
    tracing::info!(kept = count, "orders kept by the last drain are queued");
    Ok(())
}

fn read(kept: &PendingOrder<'_>, key: &HashKey) -> Result<Order, PendingOrdersError> {
    let unreadable = |why: String| PendingOrdersError::Unreadable {
        id: kept.id.to_string(),
        why,
    };
    let order = decode(kept.order.as_bytes(), key)
        .map_err(|invalid: Invalid| unreadable(invalid.to_string()))?;
    if order.id().as_str() != kept.id {
        return Err(unreadable(format!("its id is {}", order.id())));
    }
    Ok(order)
}

impl Keeper {
    /// Starts to feed what was kept; the file goes when all have an outcome.
    pub(super) fn start(
        pipeline: &Arc<Pipeline>,
        pending: Option<PendingFile>,
        on_fault: &Arc<dyn Fn(Fault) + Send + Sync>,
    ) -> io::Result<Self> {
        let Some(pending) = pending.map(Arc::new) else {
            return Ok(Self::default());
        };
        let mut feeder = None;
        if pipeline.backlog.open() > 0 {
            let file = pending.clone();
            feeder = Some(pipeline.feed(on_fault, move || match file.remove() {
                Ok(()) => tracing::info!("all kept orders have their outcome"),
                Err(error) => {
                    tracing::warn!("{error}; the next start finds that all in it are committed");
                }
            })?);
        }
        Ok(Self {
            pending: Some(pending),
            written: false,
            feeder,
        })
    }

    /// The end of a drain: keeps what somebody was told is queued and what has
    /// no outcome, or isn't known to have one.
    /// `missed` of those were given up by the deadline.
    pub(super) fn finish(&mut self, pipeline: &Pipeline, missed: usize) -> Finished {
        if let Some(feeder) = self.feeder.take() {
            feeder.stop();
        }
        let (mut promises, with_ledger) = pipeline.promises();
        // PendingOrder before, and not to be had now: with a ledger that doesn't come
        // back. They stand in the file, and must go on to.
        let taken_out = promises.iter().filter(|job| job.kept).count();
        // No id is promised twice; but a file that said so would be refused.
        let mut ids = HashSet::new();
        promises.retain(|job| ids.insert(*job.order.id()));
        let count = promises.len();
        let standing = pipeline.backlog.open().saturating_sub(taken_out);
        let missed = (missed + with_ledger).saturating_sub(standing);
        let Some(pending) = &self.pending else {
            return Finished {
                lost: count + missed,
                ..Finished::default()
            };
        };
        let mut finished = Finished {
            kept: count,
            can_keep: true,
            standing,
            lost: missed,
        };
        if count == 0 {
            return finished;
        }
        // None of it was committed up to here. Not the ledger's last sequence:
        // if the committer has panicked, some up to that may be among these.
        let after_seq = pipeline.settled_seq();
        let orders = promises
            .iter()
            .map(|job| PendingOrder::new(job.accepted_at, &job.order));
        let kept = if standing > 0 || self.written {
            pending.append(after_seq, orders)
        } else {
            pending.write(after_seq, orders)
        };
        self.written |= kept.is_ok();
        if let Err(error) = kept {
            // The file of the last drain still stands.
            finished.kept = taken_out;
            let lost = count.saturating_sub(taken_out);
            finished.lost += lost;
            tracing::error!(
                "{error}: {lost} orders whose submitters were told that they are queued are lost; make space and see that the data directory can be written to"
            );
        }
        finished
    }
}

#[cfg(test)]
mod tests;
