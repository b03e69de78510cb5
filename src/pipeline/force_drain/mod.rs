//! The force drain, at the drain deadline: every order is withdrawn, wherever
//! it is, and acknowledged ones are set aside for the pending file.
//!
//! # Why none is missed
//!
//! An admitted order is in one place at a time, and the thread that takes it
//! out of there ends it:
//!
//! | place | taken out by |
//! |---|---|
//! | the pending queue | the feeder, or the force drain: under a lock |
//! | the intake queue | a worker, or the force drain: a pop |
//! | a worker's slot, while the processor runs | that worker, or the force drain: one swap of a cell |
//! | the commit queue | the committer, or the force drain: a pop |
//! | the ledger, which has found no space | the committer, which puts it into the pending queue |
//!
//! Between two places it is invisible for some instructions. It is still inside
//! the gate, which it leaves only when it has ended: so the force drain makes
//! rounds until the gate is empty. That also covers an order whose admission
//! began before the gate was closed and that is only just being pushed.
//!
//! A worker whose processor says that it is quick does without the slot (two
//! swaps and a second reference, some 20 ns an order): its order is waited for.
//! If such a processor hangs, or the ledger has a batch and doesn't come back,
//! the force drain stops waiting after a time. What is still inside then is
//! counted and sealed: no submitter of it is acknowledged any more.
//!
//! # Why no acknowledged order is lost
//!
//! The acknowledgement is a bit in the claim's state, set by a compare-and-swap
//! that needs the claim to be alive; a claim is withdrawn by a swap of the same
//! word. If the bit came first, the withdrawal sees it; otherwise the
//! acknowledgement fails, and the client gets the outcome or a 503 instead.
//!
//! # Why none is both committed and pending
//!
//! An order is committed only if its claim goes from *queued* to *committing*,
//! and set aside only if it goes from *queued* to *withdrawn*. There are two
//! exceptions, both resolved by the next start, which looks for pending orders
//! in the journal behind [`settled_seq`](Pipeline::settled_seq): an order whose
//! commit failed (it may be on disk all the same), and one that the ledger gave
//! back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::dedupe::claims::Claim;
use crate::pipeline::answer::{Answer, Withdrawal};
use crate::pipeline::in_flight::InFlight;
use crate::pipeline::shared::Pipeline;
use crate::sync::parking::Urgency;

/// The pause between two rounds.
const ROUND: Duration = Duration::from_millis(1);

impl Pipeline {
    /// Withdraws everything that is inside, after the gate has been closed, and
    /// answers the submitters. Acknowledged orders are returned by
    /// [`take_pending`](Self::take_pending) then.
    ///
    /// Waits up to `timeout` for orders that are with the ledger or with a
    /// quick processor. Orders that are still between two places or with such a
    /// processor then are given up: the acknowledged ones among them are
    /// returned. Orders that the ledger still has may come back; see
    /// [`take_pending`](Self::take_pending).
    pub(crate) fn force_drain(&self, timeout: Duration) -> Vec<Claim> {
        let end = Instant::now() + timeout;
        self.force_draining.store(true, Ordering::SeqCst);
        // It asks its ledger to give back what it can't write.
        self.wake_committer();
        loop {
            self.withdraw_all();
            let now = Instant::now();
            if self.gate.wait_empty(end.min(now + ROUND)) {
                return Vec::new();
            }
            if now >= end {
                break;
            }
        }
        let (acked, waiters) = self.claims.seal();
        for waiter in waiters {
            waiter.complete(Answer::Withdrawn(Withdrawal::Drain));
        }
        self.wake_queues.flush();
        acked
    }

    /// One round.
    fn withdraw_all(&self) {
        while let Some(job) = self.pending_queue.take() {
            self.withdraw(&job, Withdrawal::Drain);
        }
        while let Some(job) = self.intake.pop() {
            self.withdraw(&job, Withdrawal::Drain);
        }
        for slot in &self.in_process {
            if let Some(job) = slot.take() {
                self.withdraw(&job, Withdrawal::Drain);
            }
        }
        while let Some(evaluated) = self.commit_queue.pop() {
            self.withdraw(&evaluated.job, Withdrawal::Drain);
        }
        self.commit_space.notify(Urgency::Now);
        self.progress.notify();
        self.wake_queues.flush();
    }

    /// Takes the acknowledged orders that were withdrawn, in the order of their
    /// admission; and the acknowledged ones that the ledger still has.
    pub(crate) fn take_pending(&self) -> (Vec<Arc<InFlight>>, Vec<Claim>) {
        let (mut pending, with_ledger) = self.withdrawn_orders.take(&self.claims);
        pending.sort_by_key(|job| job.accepted_at);
        (pending, with_ledger)
    }
}

#[cfg(test)]
mod tests;
