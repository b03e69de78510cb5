//! The orders that came in and those that went out, read so that they agree.

use crate::metrics::label::WithdrawReason;
use crate::metrics::recorded::Metrics;

/// One reading of the orders' counters. `accepted` is never less than the sum
/// of the others, and none is ever less than in an earlier reading.
pub(super) struct OrderCounts {
    pub processed: u64,
    pub failed: u64,
    /// In the order of [`WithdrawReason::ALL`].
    pub withdrawn: [u64; WithdrawReason::COUNT],
    pub already_there_same: u64,
    pub already_there_other: u64,
    pub accepted: u64,
}

impl OrderCounts {
    /// Reads the ways out before the way in: under load the difference may be
    /// more than is inside, and never less.
    ///
    /// An order is counted as accepted just after the push that shows it to a
    /// worker, which may be faster: then its outcome is counted first. To count
    /// it before the push would mean to take it back when the queue is full,
    /// and a counter never goes back. But whatever has gone out was accepted,
    /// so what has gone out is a count of acceptances, too.
    pub(super) fn of(metrics: &Metrics) -> Self {
        let ledger = &metrics.ledger;
        let mut counts = Self {
            processed: ledger.processed.get(),
            failed: ledger.failed.get(),
            withdrawn: std::array::from_fn(|at| metrics.withdrawn.get(WithdrawReason::ALL[at])),
            already_there_same: ledger.already_there_same.get(),
            already_there_other: ledger.already_there_other.get(),
            accepted: 0,
        };
        counts.accepted = metrics.admission.accepted.get().max(counts.ended());
        counts
    }

    /// Orders that have gone out, whichever way.
    fn ended(&self) -> u64 {
        let elsewhere = self.already_there_same + self.already_there_other;
        self.processed + self.failed + self.withdrawn.iter().sum::<u64>() + elsewhere
    }

    /// The withdrawn ones, with the name of the reason.
    pub(super) fn withdrawn(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = WithdrawReason::ALL.iter().map(|reason| reason.as_str());
        names.zip(self.withdrawn)
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::label::WithdrawReason;
    use crate::metrics::order_counts::OrderCounts;
    use crate::metrics::recorded::Metrics;

    #[test]
    fn an_outcome_that_is_counted_first_is_an_acceptance() {
        let metrics = Metrics::new(1);
        metrics.admission.accepted.add(6);
        assert_eq!(OrderCounts::of(&metrics).accepted, 6);
        metrics.ledger.processed.add(3);
        metrics.ledger.failed.inc();
        metrics.withdrawn.inc(WithdrawReason::Drain);
        metrics.ledger.already_there_same.inc();
        metrics.ledger.already_there_other.inc();
        // The acceptance of one of the seven is about to be counted.
        assert_eq!(OrderCounts::of(&metrics).accepted, 7);
        metrics.admission.accepted.inc();
        assert_eq!(OrderCounts::of(&metrics).accepted, 7);
        metrics.admission.accepted.inc();
        let counts = OrderCounts::of(&metrics);
        assert_eq!((counts.accepted, counts.ended()), (8, 7));
    }
}
