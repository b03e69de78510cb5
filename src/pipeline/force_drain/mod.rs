//! The drain deadline: everything is taken out of the pipeline, wherever it is,
//! and what somebody was told is queued is set aside, to be kept.
//!
//! # Why none is missed
//!
//! An admitted order is in one place at a time, and whoever takes it out of
//! there is the one who ends it:
//!
//! | place | taken out by |
//! |---|---|
//! | the backlog | the feeder, or the deadline: under a lock |
//! | the intake queue | a worker, or the deadline: a pop |
//! | a worker's hand, while the processor runs | that worker, or the deadline: one swap of a cell |
//! | the commit queue | the committer, or the deadline: a pop |
//! | the ledger, which has found no space | the committer, which gives it back into the backlog |
//!
//! Between two places it is for some instructions nowhere to be seen. It is
//! still inside the gate, which it leaves only when it has ended: so the
//! deadline goes round until nothing is inside. That also covers an order whose
//! admission began before the gate was closed and is only just being pushed.
//!
//! A worker whose processor says that it is quick does without the cell (two
//! swaps and a second reference, some 20 ns an order): its order is waited
//! for. If that says so and hangs, or the ledger has a batch and doesn't come
//! back, the deadline's patience ends. What then is still inside is counted and
//! sealed: nobody is told any more that it is queued.
//!
//! # Why nobody is told "queued" of an order that is not kept
//!
//! Being told is a bit in the claim's state, set by a compare-and-swap that
//! needs the claim to be alive; a claim is withdrawn by a swap of the same
//! word. If the bit came first, who withdraws sees it; otherwise the teller
//! sees that it is too late.
//!
//! # Why none is both committed and kept
//!
//! An order is committed only if its claim goes from *queued* to *committing*,
//! and kept only if it goes from *queued* to *withdrawn*. Three exceptions, all
//! found out by the next start, which looks for kept orders in the journal
//! behind [`settled_seq`](Pipeline::settled_seq): an order whose commit failed
//! (it may be on disk all the same), one that the ledger gave back, and one that
//! was with the committer when that panicked (see `wreck`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dedupe::claims::Ended;
use crate::pipeline::answer::{Answer, Withdrawal};
use crate::pipeline::{InFlight, Pipeline};
use crate::sync::parking::Urgency;

/// How long the deadline waits between two rounds.
const ROUND: Duration = Duration::from_millis(1);

impl Pipeline {
    /// The drain deadline, after the gate has been closed: takes out all that
    /// is inside and answers those who wait. What somebody was told is queued
    /// is among [`promises`](Self::promises) then.
    ///
    /// It waits up to `patience` for what is with the ledger or with a quick
    /// processor. What is still between two places then, or with such a
    /// processor, is given up: it says how many of those told were. What the
    /// ledger still has may come back; see [`promises`](Self::promises).
    pub fn fence(&self, patience: Duration) -> usize {
        let end = Instant::now() + patience;
        self.force_draining.store(true, Ordering::SeqCst);
        // It asks its ledger to give back what it can't write.
        self.wake_committer();
        loop {
            self.take_out();
            let now = Instant::now();
            if self.gate.wait_empty(end.min(now + ROUND)) {
                return 0;
            }
            if now >= end {
                break;
            }
        }
        let (told, waiters) = self.claims.seal();
        for waiter in waiters {
            waiter.complete(Answer::Withdrawn(Withdrawal::Drain));
        }
        self.wake_queues.flush();
        told
    }

    /// One round.
    fn take_out(&self) {
        while let Some(job) = self.backlog.take() {
            self.withdraw(&job, Withdrawal::Drain);
        }
        while let Some(job) = self.intake.pop() {
            self.withdraw(&job, Withdrawal::Drain);
        }
        for hand in &self.hands {
            if let Some(job) = hand.take() {
                self.withdraw(&job, Withdrawal::Drain);
            }
        }
        while let Some(evaluated) = self.evaluated.pop() {
            self.withdraw(&evaluated.into_job(), Withdrawal::Drain);
        }
        self.room.notify(Urgency::Now);
        self.progress.notify();
        self.wake_queues.flush();
    }

    /// Whether the drain deadline has passed.
    pub fn is_force_draining(&self) -> bool {
        self.force_draining.load(Ordering::SeqCst)
    }

    /// Takes an order back from the ledger, for the deadline to find. By the
    /// committer, after the deadline.
    pub(crate) fn take_back(&self, job: Arc<InFlight>) {
        if self.claims.take_back(job.claim) {
            self.backlog.put(job);
        }
    }

    /// Sets an order aside that somebody was told is queued, and that gets no
    /// outcome in this process. As many as can be inside: this happens when
    /// the gate is closed only, at the deadline or after the ledger has failed
    /// or a thread has panicked.
    pub(crate) fn promise(&self, job: &Arc<InFlight>) {
        self.promised().push(job.clone());
    }

    /// Ends the claim of an order that the ledger left in doubt, and sets it
    /// aside if somebody was told that it is queued.
    pub(crate) fn end_in_doubt(&self, job: &Arc<InFlight>) -> Ended {
        // Both under the lock, for `promises`.
        let mut promised = self.promised();
        let ended = self.claims.finish(job.claim);
        if ended.told {
            promised.push(job.clone());
        }
        ended
    }

    /// Takes the orders that somebody was told are queued and that were taken
    /// out without an outcome, in the order of their admission; and counts
    /// those told that the ledger still has after the deadline's patience.
    pub fn promises(&self) -> (Vec<Arc<InFlight>>, usize) {
        let mut promised = self.promised();
        // At one moment: what comes back in doubt is in one of the two.
        let with_ledger = self.claims.sealed_acked();
        let mut promises = std::mem::take(&mut *promised);
        drop(promised);
        promises.sort_by_key(|job| job.accepted_at);
        (promises, with_ledger)
    }

    fn promised(&self) -> MutexGuard<'_, Vec<Arc<InFlight>>> {
        // Pushed to and taken from in single steps: never half done.
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
