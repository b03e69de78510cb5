//! The ledger's write side over the appender: queues a batch, commits it frame
//! by frame, and completes its orders.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::ledger::journal::limits::BATCH_ORDERS_MAX;
use crate::ledger::journal::lock::DirectoryLock;
use crate::ledger::journal::write_error::WriteError;
use crate::ledger::journal::writer::appender::Appender;
use crate::ledger::{CommitResult, Completion, Item, Ledger, LedgerFailed, Unavailable};

/// The journal's write side. Dropping it stops the preallocator and writes a
/// seal, which lets the next start tell damage from a torn write.
pub struct JournalLedger<T> {
    appender: Appender,
    /// Orders without an outcome: empty unless the writer waits, and perhaps
    /// then.
    queue: VecDeque<T>,
    done: Vec<Completion<T>>,
    state: WriterState,
    _lock: Option<Arc<DirectoryLock>>,
}

#[derive(Debug)]
pub(crate) enum WriterState {
    Healthy,
    /// Not now, and this is why: there is no space, or no next segment.
    Waiting(String),
    /// Never again in this process: what it last wrote is in doubt.
    Failed(String),
}

impl<T> JournalLedger<T> {
    /// `no_segment`: why there is none to write to yet. Better refused now than
    /// when a client waits for the first commit.
    pub(crate) fn new(
        appender: Appender,
        no_segment: Option<String>,
        lock: Option<Arc<DirectoryLock>>,
    ) -> Self {
        let mut ledger = Self {
            appender,
            queue: VecDeque::new(),
            done: Vec::new(),
            state: WriterState::Healthy,
            _lock: lock,
        };
        if let Some(why) = no_segment {
            ledger.wait(why);
        }
        ledger
    }

    /// Orders are refused until it works.
    fn wait(&mut self, why: String) {
        tracing::error!("{why}; orders are refused until it works");
        self.state = WriterState::Waiting(why);
        self.appender.supply().set_writer_waits(true);
    }

    /// Has waited, and goes on.
    fn resume(&mut self) {
        if let WriterState::Waiting(why) = &self.state {
            tracing::info!(why, "the journal can be written to again");
            self.state = WriterState::Healthy;
            self.appender.supply().set_writer_waits(false);
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.state, WriterState::Waiting(_))
    }

    fn is_failed(&self) -> bool {
        matches!(self.state, WriterState::Failed(_))
    }
}

impl<T: Item> JournalLedger<T> {
    fn commit_queue(&mut self) {
        while !self.is_failed() && !self.queue.is_empty() {
            let count = self.appender.encode(self.queue.iter());
            if count == 0 {
                self.complete_in_doubt(1); // too long for any frame
                continue;
            }
            let first_seq = self.appender.end.next_seq;
            match self.appender.commit(count as u32) {
                Ok(at) => self.complete(count, first_seq, at),
                Err(error) => return self.stop(error),
            }
        }
        self.resume();
    }

    fn complete(&mut self, count: usize, first_seq: u64, at: u64) {
        for (item, seq) in self.queue.drain(..count).zip(first_seq..) {
            let result = CommitResult::Committed { seq, at };
            self.done.push(Completion { item, result });
        }
    }

    fn complete_in_doubt(&mut self, count: usize) {
        let completions = self.queue.drain(..count).map(|item| Completion {
            item,
            result: CommitResult::InDoubt,
        });
        self.done.extend(completions);
    }

    fn stop(&mut self, error: WriteError) {
        match error {
            WriteError::Later(why) => {
                if matches!(self.state, WriterState::Healthy) {
                    self.wait(why);
                }
            }
            WriteError::Fatal(why) => {
                self.state = WriterState::Failed(why);
                self.complete_in_doubt(self.queue.len());
            }
        }
    }
}

impl<T: Item> Ledger<T> for JournalLedger<T> {
    fn unavailable(&self) -> Option<Unavailable> {
        self.is_waiting().then_some(Unavailable::Full)
    }

    /// 0 while the writer has orders, and after a failure.
    fn capacity_left(&self) -> usize {
        if self.is_failed() || !self.queue.is_empty() {
            0
        } else {
            BATCH_ORDERS_MAX
        }
    }

    /// Blocks for a commit: for several, if the orders are long. An order that
    /// is too long for any segment is in doubt; admission must not let one in.
    fn append(&mut self, batch: &mut Vec<T>) {
        self.queue.extend(batch.drain(..));
        if self.is_failed() {
            self.complete_in_doubt(self.queue.len());
        } else {
            self.commit_queue();
        }
    }

    /// If the writer waited, and the preallocator has signalled a retry, this
    /// blocks for a commit.
    fn completions(&mut self, done: &mut Vec<Completion<T>>) -> Result<(), LedgerFailed> {
        if let Some(why) = self.appender.supply().fault()
            && !self.is_failed()
        {
            self.stop(WriteError::Fatal(why.to_owned()));
        }
        if self.is_waiting() && self.appender.supply().take_retry() {
            if !self.queue.is_empty() {
                self.commit_queue();
            } else if self.appender.supply().unavailable().is_none() {
                self.resume();
            }
        }
        done.append(&mut self.done);
        match &self.state {
            WriterState::Failed(why) => Err(LedgerFailed(why.clone())),
            _ => Ok(()),
        }
    }

    fn reclaim(&mut self, items: &mut Vec<T>) {
        items.extend(self.queue.drain(..));
    }
}

impl<T> Drop for JournalLedger<T> {
    fn drop(&mut self) {
        self.appender.close();
        if !self.is_failed() {
            self.appender.seal();
            self.appender.record_extent();
        }
    }
}

#[cfg(test)]
impl<T> JournalLedger<T> {
    pub(crate) fn state(&self) -> &WriterState {
        &self.state
    }

    /// Where the journal ends.
    pub(crate) fn end(&self) -> crate::ledger::journal::format::Position {
        self.appender.end.position
    }
}
