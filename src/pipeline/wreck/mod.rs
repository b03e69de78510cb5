//! What becomes of those inside when a thread of the pipeline panics.
//!
//! The process can't go on then, but nobody may be left waiting, and who was
//! told that an order is queued must be right. The gate closes; whoever owns the
//! process hears of it; and what is left of the thread does the thread's part
//! for as long as the process lasts: it ends the orders that it [had in
//! hand](crate::pipeline::in_hand), then takes others and turns them away. An order that
//! was with the ledger may be committed or not: it is kept like one that was
//! not, and the next start finds out.

use crate::pipeline::answer::{Answer, Withdrawal};
use crate::pipeline::gate::GateState;
use crate::pipeline::{Pipeline, in_hand};
use crate::sync::parking::Urgency;

impl Pipeline {
    /// For a worker that has panicked: turns away what is in the intake queue.
    pub(crate) fn wrecked_worker(&self, me: usize) {
        if let Some(job) = self.hands[me].take() {
            self.withdraw(&job, Withdrawal::Drain);
        }
        self.end_dropped();
        // It may have evaluated orders before, and have told the committer later.
        self.committer.notify(Urgency::Now);
        loop {
            let next = self
                .workers
                .next(me, Urgency::Now, || self.poll(&self.intake));
            let Some(job) = next.item else { return };
            self.withdraw(&job, Withdrawal::Drain);
            self.progress.notify();
            self.wake_queues.flush();
        }
    }

    /// For the committer: turns away what is evaluated.
    pub(crate) fn wrecked_committer(&self) {
        self.end_dropped();
        // It may have made room before, and have told no worker that waits for it.
        self.room.notify(Urgency::Now);
        loop {
            let next = self
                .committer
                .next(0, Urgency::Now, || self.poll(&self.evaluated));
            let Some(evaluated) = next.item else { return };
            self.withdraw(&evaluated.into_job(), Withdrawal::Drain);
            self.room.notify(Urgency::Now);
            self.progress.notify();
            self.wake_queues.flush();
        }
    }

    /// Ends the orders that this thread had in hand.
    fn end_dropped(&self) {
        for job in in_hand::dropped() {
            // None if the drain deadline has given the claim up.
            let (ended, was_committing) = self.claims.give_up(job.claim).unwrap_or_default();
            let why = if was_committing {
                Withdrawal::Ledger
            } else {
                Withdrawal::Drain
            };
            // Before it leaves the gate: who finds that empty finds it here.
            if ended.told {
                self.promise(&job);
            }
            for waiter in ended.waiters {
                waiter.complete(Answer::Withdrawn(why.clone()));
            }
            self.end(&job, why);
        }
        self.progress.notify();
        self.wake_queues.flush();
    }

    /// Nothing is let in any more.
    pub(crate) fn wreck(&self) {
        self.gate.close(GateState::LedgerDown);
        self.wake_queues.flush();
    }
}

#[cfg(test)]
mod tests;
