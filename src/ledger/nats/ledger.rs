//! The committer's end: orders go into a queue, completions come out of
//! another.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::ledger::nats::shared::{ORDERS_MAX, Shared};
use crate::ledger::{CommitResult, Completion, Item, Ledger, LedgerFailed, Unavailable};

/// The write side.
pub(super) struct NatsLedger<T> {
    shared: Arc<Shared<T>>,
    /// Orders that were appended and have no completion yet.
    in_flight: usize,
    /// The failure has been reported.
    failed: bool,
}

impl<T> NatsLedger<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self {
            shared,
            in_flight: 0,
            failed: false,
        }
    }
}

impl<T: Item> Ledger<T> for NatsLedger<T> {
    fn capacity_left(&self) -> usize {
        ORDERS_MAX - self.in_flight
    }

    fn append(&mut self, batch: &mut Vec<T>) {
        self.in_flight += batch.len();
        for item in batch.drain(..) {
            let fits = self.shared.submitted.push(item).is_ok();
            assert!(fits, "no more are appended than `capacity_left` allows");
        }
        self.shared.arrived.notify_one();
    }

    fn completions(&mut self, done: &mut Vec<Completion<T>>) -> Result<(), LedgerFailed> {
        // Read first: what was in flight is in the queue by then.
        let failed = self.shared.failed.get();
        let before = done.len();
        while let Some(completion) = self.shared.completed.pop() {
            done.push(completion);
        }
        let Some(why) = failed.filter(|_| !self.failed) else {
            self.in_flight -= done.len() - before;
            return Ok(());
        };
        self.failed = true;
        // What the NATS thread has not taken any more.
        while let Some(item) = self.shared.submitted.pop() {
            let result = CommitResult::InDoubt;
            done.push(Completion { item, result });
        }
        self.in_flight -= done.len() - before;
        Err(LedgerFailed(why.clone()))
    }

    fn unavailable(&self) -> Option<Unavailable> {
        self.shared.unavailable()
    }
}

impl<T> Drop for NatsLedger<T> {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Status;
    use crate::order::{HashKey, Order, decode};

    struct Plain(Order);

    impl Item for Plain {
        fn order(&self) -> &Order {
            &self.0
        }
        fn accepted_at(&self) -> u64 {
            0
        }
        fn status(&self) -> Status {
            Status::Processed
        }
        fn reason(&self) -> Option<&Arc<str>> {
            None
        }
    }

    fn items(count: usize) -> Vec<Plain> {
        let key = HashKey::from_bytes([1; 16]);
        let json = |n| format!(r#"{{"id":"o-{n}","value":1}}"#);
        let order = |n| Plain(decode(json(n).as_bytes(), &key).unwrap());
        (0..count).map(order).collect()
    }

    /// What was appended is bounded until it is completed, and a failure gives
    /// back all of it as in doubt: what was in flight and what was not.
    #[test]
    fn a_failure_gives_everything_back_in_doubt() {
        let shared = Arc::new(Shared::new(Arc::new(|| ())));
        let mut ledger = NatsLedger::new(shared.clone());
        assert_eq!(ledger.capacity_left(), ORDERS_MAX);
        ledger.append(&mut items(5));
        assert_eq!(ledger.capacity_left(), ORDERS_MAX - 5);
        let mut done = Vec::new();
        ledger.completions(&mut done).unwrap();
        assert!(done.is_empty());

        let complete = |result| {
            let item = shared.submitted.pop().unwrap();
            shared.complete(Completion { item, result });
        };
        complete(CommitResult::Committed { seq: 1, at: 1 });
        ledger.completions(&mut done).unwrap();
        assert_eq!((done.len(), ledger.capacity_left()), (1, ORDERS_MAX - 4));

        complete(CommitResult::InDoubt);
        shared.failed.set("gone".to_owned()).unwrap();
        let failed = ledger.completions(&mut done).unwrap_err();
        assert_eq!(failed.0, "gone");
        assert_eq!((done.len(), ledger.capacity_left()), (5, ORDERS_MAX));
        assert!(
            done[1..]
                .iter()
                .all(|it| it.result == CommitResult::InDoubt)
        );
        drop(ledger);
        assert!(shared.closed.load(Ordering::Acquire));
    }
}
