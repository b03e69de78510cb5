//! Acknowledged orders without an outcome, found wherever they are: a drain
//! writes them to the pending file before anything else, so that a kill
//! meanwhile loses none.
//!
//! # Where they are found
//!
//! As in a [force drain](crate::pipeline::force_drain), but each goes on from
//! where it was: a queue is emptied and filled again in the same order, and a
//! worker whose slot is empty waits for the order to be put back. What is
//! between two places for some instructions is found by the next round; which
//! orders there are to be found is read from the claims.
//!
//! An order that is in a batch is not looked for: it is about to be committed.
//! Those that the ledger has no space for are [given back] on request.
//!
//! [given back]: crate::pipeline::given_back

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use crossbeam_queue::ArrayQueue;

use crate::dedupe::claims::Claim;
use crate::pipeline::in_flight::InFlight;
use crate::pipeline::shared::Pipeline;
use crate::sync::parking::Urgency;

impl Pipeline {
    /// The orders that are acknowledged, or whose submitters wait to be
    /// acknowledged, that have no outcome and are not among `saved`: as many as
    /// are found in one round. For the thread that drains, behind a closed gate
    /// and before the force drain.
    pub(crate) fn find_unsaved(&self, saved: &HashSet<Claim>) -> Vec<Arc<InFlight>> {
        let mut found = Vec::new();
        // Their claims have ended.
        self.withdrawn_orders.each(|job| {
            if !saved.contains(&job.claim) {
                found.push(job.clone());
            }
        });
        for job in self.given_back.take() {
            // It may be with the ledger again.
            if !saved.contains(&job.claim) && self.claims.is_acked_or_wanted(job.claim) {
                found.push(job);
            }
        }
        let mut wanted: HashSet<Claim> = self.claims.acked_or_wanted().collect();
        wanted.retain(|claim| !saved.contains(claim));
        for job in &found {
            wanted.remove(&job.claim);
        }
        if wanted.is_empty() {
            return found;
        }
        let mut look = |job: &Arc<InFlight>| {
            if wanted.remove(&job.claim) {
                found.push(job.clone());
            }
        };
        // In the order in which they go on: what goes on meanwhile is found
        // further down.
        self.pending_queue.each(&mut look);
        let displaced = pass_through(&self.intake, &mut look);
        displaced
            .into_iter()
            .for_each(|job| self.pending_queue.put(job));
        for slot in &self.in_process {
            if let Some(job) = slot.take() {
                look(&job);
                slot.store(Some(job));
            }
        }
        let displaced = pass_through(&self.commit_queue, |evaluated| look(&evaluated.job));
        for evaluated in displaced {
            // It is processed once more.
            self.pending_queue.put(evaluated.job);
        }
        self.workers.notify_all();
        self.notify_committer(Urgency::Now);
        self.commit_space.notify(Urgency::Now);
        self.pending_queue.wake_feeder();
        found
    }

    /// For worker number `me`, whose processor is done: takes the order out of
    /// its slot. `None` if the force drain has ended the order.
    pub(crate) fn take_processed(&self, me: usize) -> Option<Arc<InFlight>> {
        let slot = &self.in_process[me];
        loop {
            if let Some(job) = slot.take() {
                return Some(job);
            }
            if self.is_force_draining() {
                // The thread that set this has put back before what it found
                // in the slot, unless it ended the order.
                return slot.take();
            }
            thread::yield_now(); // it is being looked at
        }
    }
}

/// Looks at all that is in the queue, and leaves it there. Returns what found no
/// space any more.
fn pass_through<T>(queue: &ArrayQueue<T>, mut look: impl FnMut(&T)) -> Vec<T> {
    let mut items = Vec::with_capacity(queue.len());
    while items.len() < queue.capacity()
        && let Some(item) = queue.pop()
    {
        look(&item);
        items.push(item);
    }
    let displaced = items.into_iter().filter_map(|item| queue.push(item).err());
    displaced.collect()
}

#[cfg(test)]
mod tests;
