//! A start claims the orders of the last drain.

use std::collections::HashSet;

use crate::dedupe::claims::Claim;
use crate::ledger::journal::PendingOrder;
use crate::order::{Client, HashKey, Invalid, Order, Submission, decode};
use crate::pipeline::Pipeline;
use crate::pipeline::pending_feeder::PendingRefused;

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

/// Claims the orders of the pending file, before the gate opens. Returns their
/// claims.
pub(in crate::server) fn claim(
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
