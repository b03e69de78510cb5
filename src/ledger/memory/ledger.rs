//! The write side.

use crate::clock;
use crate::ledger::memory::archive::MemoryArchive;
use crate::ledger::memory::chunks::Appender;
use crate::ledger::{
    CommitResult, Completion, Item, Ledger, LedgerFailed, LedgerId, Outcome, Record, Submitter,
};

/// Items in a batch: what fits the caches while completions are passed on.
const BATCH: usize = 1024;

/// The write side.
pub struct MemoryLedger<T> {
    appender: Appender,
    done: Vec<Completion<T>>,
}

/// Opens an empty ledger that keeps the newest `window` outcomes (rounded up
/// to whole chunks).
pub fn open<T: Item>(window: usize) -> (MemoryLedger<T>, MemoryArchive) {
    let appender = Appender::new(window as u64);
    let archive = MemoryArchive::new(appender.chunks().clone(), LedgerId::random());
    let ledger = MemoryLedger {
        appender,
        done: Vec::with_capacity(BATCH),
    };
    (ledger, archive)
}

impl<T: Item> Ledger<T> for MemoryLedger<T> {
    fn capacity_left(&self) -> usize {
        BATCH
    }

    fn append(&mut self, batch: &mut Vec<T>) {
        let at = clock::unix_nanos();
        for item in batch.drain(..) {
            let seq = self.appender.next_seq();
            let order = item.order();
            self.appender.push(Record {
                outcome: Outcome {
                    seq,
                    status: item.status(),
                    reason: item.reason().cloned(),
                },
                accepted_at: item.accepted_at(),
                committed_at: at,
                id: order.id().as_str().into(),
                order: order.json().into(),
                submitter: Submitter::of(order.submission()),
            });
            self.done.push(Completion {
                item,
                result: CommitResult::Committed { seq, at },
            });
        }
        self.appender.publish();
    }

    fn completions(&mut self, done: &mut Vec<Completion<T>>) -> Result<(), LedgerFailed> {
        done.append(&mut self.done);
        Ok(())
    }
}
