//! When the committer is woken, and how long it may pause before a batch.

use crate::pipeline::settings::COMMIT_QUEUE_ORDERS;
use crate::pipeline::shared::Pipeline;
use crate::sync::parking::{Parking, Urgency};

impl Pipeline {
    /// Wakes the committer: a ledger has completions ready.
    pub(crate) fn wake_committer(&self) {
        self.notify_committer(Urgency::Now);
    }

    /// Where the committer parks.
    pub(crate) fn committer_parking(&self) -> &Parking {
        if self.fused {
            &self.workers
        } else {
            &self.committer
        }
    }

    /// Tells the committer that its queue has more. To be called after the
    /// push.
    pub(crate) fn notify_committer(&self, urgency: Urgency) {
        let parking = self.committer_parking();
        match urgency {
            Urgency::Now => parking.notify_urgent(),
            Urgency::Deferred => {
                parking.notify(urgency);
                if parking.is_anyone_napping() && self.is_commit_due() {
                    parking.end_naps();
                }
            }
        }
    }

    /// Whether what waits for the committer takes half of its queue or of the
    /// bytes: to wait for more might turn orders away.
    fn is_commit_due(&self) -> bool {
        let queue_is_half_full = if self.fused {
            self.intake.len() >= self.intake.capacity() / 2
        } else {
            self.commit_queue.len() >= COMMIT_QUEUE_ORDERS / 2
        };
        queue_is_half_full || !self.gate.is_half_free()
    }

    /// For the committer, before a batch that nobody waits for: lets more
    /// orders come together, for as long as nobody waits for anything and there
    /// is space for them.
    pub(crate) fn pace_commit(&self) {
        let waited_for =
            || self.progress.has_watchers() || self.gate.is_closed() || self.is_commit_due();
        if !waited_for() {
            self.committer_parking()
                .pause(0, self.commit_delay, waited_for);
        }
    }

    /// Ends a pause of the committer: somebody has begun to wait for an order
    /// that was pushed before.
    pub(crate) fn end_pause(&self) {
        self.committer_parking().end_naps();
    }
}
