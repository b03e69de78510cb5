//! Orders that leave without an outcome.

use std::sync::Arc;

use crate::dedupe::claims::{Ended, Unacked};
use crate::metrics::WithdrawReason;
use crate::pipeline::answer::{Answer, Waiter, Withdrawal};
use crate::pipeline::in_flight::{InFlight, cost};
use crate::pipeline::shared::Pipeline;

impl Pipeline {
    /// Withdraws an order that no batch holds: answers everyone who waits for
    /// it and lets it out. For orders that were counted as accepted.
    pub(crate) fn withdraw(&self, job: &Arc<InFlight>, why: Withdrawal) {
        self.end_withdrawn(job, self.claims.withdraw(job.claim), why);
    }

    /// For an order that the processor has returned. One that is acknowledged
    /// as queued goes round again; one that isn't is withdrawn.
    pub(crate) fn retry(&self, job: Arc<InFlight>, reason: Arc<str>) {
        let why = Withdrawal::Retry(reason);
        // A client can't get a passing trouble as its answer any more when the
        // process is about to end; the next process tries again. Checked before
        // the id is free: a new claim behind a pending order must find the gate
        // closed.
        if self.gate.is_closed() && self.pending_queue.is_kept() {
            return self.withdraw(&job, why);
        }
        match self.claims.withdraw_unacked(job.claim) {
            Unacked::Withdrawn(ended) => self.end_withdrawn(&job, Some(ended), why),
            Unacked::Ended => self.end_withdrawn(&job, None, why),
            Unacked::Acknowledged => self.pending_queue.retry(job),
        }
    }

    fn end_withdrawn(&self, job: &Arc<InFlight>, ended: Option<Ended<Waiter>>, why: Withdrawal) {
        if let Some(ended) = ended {
            // Before it leaves the gate: a drain that finds the gate empty
            // finds the order here.
            if ended.acked {
                self.withdrawn_orders.push(job);
            }
            for waiter in ended.waiters {
                waiter.complete(Answer::Withdrawn(why.clone()));
            }
        }
        self.metrics.withdrawn.inc(match why {
            Withdrawal::Retry(_) => WithdrawReason::Retry,
            Withdrawal::Drain => WithdrawReason::Drain,
            Withdrawal::Ledger | Withdrawal::Unconfirmed => WithdrawReason::Ledger,
        });
        job.complete(Answer::Withdrawn(why));
        self.pending_queue.withdrawn(job);
        if job.bulk {
            self.bulk.leave(1, cost(&job.order));
        }
        self.gate.leave(1, cost(&job.order));
    }
}
