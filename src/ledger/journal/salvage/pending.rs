//! The pending orders of a damaged journal.

use std::collections::HashSet;

use crate::ledger::LedgerId;
use crate::ledger::journal::pending_file;
use crate::ledger::journal::pending_file::PendingOrders;
use crate::ledger::journal::salvage::report::{Lost, Run, SalvagedPending};
use crate::ledger::journal::storage::Source;

/// The file, and which of its orders have no outcome, as far as has been read.
pub(super) enum Pending {
    None,
    Damaged(String),
    Whole {
        file: PendingOrders,
        unfinished: HashSet<String>,
    },
}

impl Pending {
    pub(super) fn read(source: &dyn Source, ledger: LedgerId) -> Self {
        match pending_file::load(source, ledger) {
            Ok(None) => Self::None,
            Ok(Some(file)) => {
                let ids = file.orders.iter().map(|order| order.id.to_string());
                let unfinished: HashSet<_> = ids.collect();
                if unfinished.len() < file.orders.len() {
                    return Self::Damaged("an id is in it twice".into());
                }
                Self::Whole { file, unfinished }
            }
            Err(error) => Self::Damaged(error.to_string()),
        }
    }

    /// A sequence that had been published.
    pub(super) fn reached(&self) -> u64 {
        match self {
            Self::Whole { file, .. } => file.after_seq,
            Self::None | Self::Damaged(_) => 0,
        }
    }

    /// An order has this outcome. One up to the file's sequence is another
    /// order's, of the same id, from before the dedupe window.
    pub(super) fn outcome(&mut self, id: &str, seq: u64) {
        if let Self::Whole { file, unfinished } = self
            && seq > file.after_seq
        {
            unfinished.remove(id);
        }
    }

    /// What is to be written beside a journal of this run, and what to report.
    pub(super) fn finish(
        self,
        kept: Option<Run>,
        lost: &[Lost],
    ) -> (Option<PendingOrders>, SalvagedPending) {
        let (mut file, unfinished) = match self {
            Self::None => return (None, SalvagedPending::None),
            Self::Damaged(why) => return (None, SalvagedPending::Damaged(why)),
            Self::Whole { file, unfinished } => (file, unfinished),
        };
        let after_seq = file.after_seq;
        let all = file.orders.len();
        file.orders.retain(|order| unfinished.contains(&*order.id));
        // A start looks for outcomes behind this sequence of the new journal,
        // and finds none.
        file.after_seq = kept.map_or(0, |run| after_seq.clamp(run.first_seq - 1, run.last_seq));
        let is_behind = |lost: &Lost| lost.last_seq.is_none_or(|last| last > after_seq);
        let orders = file.orders.len();
        let report = SalvagedPending::Whole {
            orders: orders as u64,
            finished: (all - orders) as u64,
            in_doubt: orders > 0 && lost.iter().any(is_behind),
        };
        ((orders > 0).then_some(file), report)
    }
}
