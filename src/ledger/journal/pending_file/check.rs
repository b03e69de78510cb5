//! Whether a pending file belongs to the journal beside it.

use std::collections::HashMap;

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::pending_file::format::{load, refused};
use crate::ledger::journal::pending_file::order::{PendingOrder, PendingOrders};
use crate::ledger::journal::storage::Source;

/// Checks that a journal with the outcomes `oldest` to `last` is the one beside
/// which orders were written with `after_seq`.
pub(super) fn check_sequences(after_seq: u64, oldest: u64, last: u64) -> Result<(), OpenError> {
    if after_seq > last {
        return Err(refused(format!(
            "the journal ends at sequence {last}, though it reached {after_seq} when they were written"
        )));
    }
    if oldest > after_seq + 1 {
        return Err(refused(format!(
            "the outcomes {} to {} are gone, among which theirs may have been",
            after_seq + 1,
            oldest - 1
        )));
    }
    Ok(())
}

/// The index of each order, by its id. No id may occur twice.
pub(super) fn by_id<'a>(
    orders: &'a [PendingOrder<'_>],
) -> Result<HashMap<&'a str, usize>, OpenError> {
    let mut by_id = HashMap::new();
    for (index, order) in orders.iter().enumerate() {
        if by_id.insert(&*order.id, index).is_some() {
            return Err(refused(format!("the id {} is in it twice", order.id)));
        }
    }
    Ok(by_id)
}

/// A whole file, as the verification finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingSummary {
    after_seq: u64,
    /// How many orders.
    pub(crate) orders: u64,
}

impl PendingSummary {
    /// Reads the file and checks all that can be checked without the journal.
    /// `None` if there is no file.
    pub(crate) fn read(source: &dyn Source, ledger: LedgerId) -> Result<Option<Self>, OpenError> {
        let Some(PendingOrders { after_seq, orders }) = load(source, ledger)? else {
            return Ok(None);
        };
        by_id(&orders)?;
        let orders = orders.len() as u64;
        Ok(Some(Self { after_seq, orders }))
    }

    /// Reads the file again, after the outcomes `oldest` to `last` have been found
    /// in the journal, and checks that it belongs to them if it is the same file.
    /// A service may have removed or replaced it since.
    pub(crate) fn read_again(
        self,
        source: &dyn Source,
        ledger: LedgerId,
        (oldest, last): (u64, u64),
    ) -> Result<Option<Self>, OpenError> {
        let now = Self::read(source, ledger)?;
        if now == Some(self) {
            check_sequences(self.after_seq, oldest, last)?;
        }
        Ok(now)
    }
}
