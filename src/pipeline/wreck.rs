//! What becomes of those inside when a thread of the pipeline panics.
//!
//! The process can't go on then, but nobody may be left waiting. The gate
//! closes; whoever owns the process hears of it; and what is left of the thread
//! does the thread's part for as long as the process lasts: it takes orders and
//! turns them away. Orders that were in the thread's hands are dropped by the
//! panic: a [`Judged`] that goes without an answer gives one, and counts.

use std::{cell::Cell, sync::Arc};

use super::{
    InFlight, Judged, Pipeline, cost,
    gate::State,
    ticket::{Answer, Withdrawal},
    wake::Haste,
};
use crate::metrics::WithdrawReason;

thread_local! {
    /// Orders, and bytes of them, that this thread dropped without an answer.
    static LOST: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

impl Drop for Judged {
    /// Answers the submitter if nobody has: the thread that had the order has
    /// panicked.
    fn drop(&mut self) {
        if self.in_hand && self.job.waiter.get().is_none() {
            self.job.waiter.keep(Answer::Withdrawn(Withdrawal::Ledger));
            // Not there any more when the thread is about to end.
            let _ = LOST.try_with(|lost| {
                let (orders, bytes) = lost.get();
                lost.set((orders + 1, bytes + cost(&self.job.order)));
            });
        }
    }
}

impl Judged {
    /// The order without its verdict, which is dropped.
    pub(super) fn into_job(mut self) -> Arc<InFlight> {
        self.in_hand = false;
        self.job.clone()
    }
}

impl Pipeline {
    /// For a worker that has panicked: turns away what is in the intake queue.
    pub(super) fn wrecked_worker(&self, me: usize) {
        if let Some(job) = self.hands[me].take() {
            self.withdraw(&job, Withdrawal::Drain);
        }
        loop {
            let next = self
                .workers
                .next(me, Haste::Now, || self.poll(&self.intake));
            let Some(job) = next.item else { return };
            self.withdraw(&job, Withdrawal::Drain);
            self.progress.notify();
            self.doors.flush();
        }
    }

    /// For the committer: ends the claims of what the ledger had, and turns
    /// away what is judged.
    pub(super) fn wrecked_committer(&self) {
        let (orders, bytes) = LOST.take();
        for claim in self.claims.committing() {
            for waiter in self.claims.finish(claim).waiters {
                waiter.keep(Answer::Withdrawn(Withdrawal::Ledger));
            }
        }
        (0..orders).for_each(|_| self.metrics.withdrawn.inc(WithdrawReason::Ledger));
        self.gate.leave(orders, bytes);
        self.progress.notify();
        self.doors.flush();
        loop {
            let next = self
                .committer
                .next(0, Haste::Now, || self.poll(&self.judged));
            let Some(judged) = next.item else { return };
            self.withdraw(&judged.job, Withdrawal::Drain);
            self.room.notify(Haste::Now);
            self.progress.notify();
            self.doors.flush();
        }
    }

    /// Nothing is let in any more.
    pub(super) fn wreck(&self) {
        self.gate.close(State::LedgerDown);
        self.doors.flush();
    }
}

#[cfg(test)]
mod tests;
