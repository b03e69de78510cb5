//! Claims: who has an id in hand right now.
//!
//! An id is claimed before its order enters the queue and let go when the
//! order has an outcome or is withdrawn, so that of two submissions with one
//! id, however close together, one runs and the other meets it.
//!
//! # The table
//!
//! A fixed array of buckets of [`WAYS`] slots, allocated once, never grown: an
//! id's hash names its bucket, and it may take any slot there. With four slots
//! for every order that can be in flight, a bucket overflows about once in a
//! million claims at full load; the claim is then refused as if the queue were
//! full. Slots hold hashes, not orders, and are addressed by [`Claim`], an
//! index with a generation, so that nothing is ever freed under a reader.
//!
//! # Two claims for one id can't both succeed
//!
//! A claimer takes a free slot, writes the id, sets the phase to `Claiming`,
//! passes a SeqCst fence and then looks for another slot of the bucket with
//! the same id. Of two claimers' fences one comes first, so the later one sees
//! the earlier slot and steps back. Both may see each other and both step
//! back; they try again a few times and then say [`Claimed::Busy`].
//!
//! # And none slips between a claim's end and the window
//!
//! A committed id is written to the window *before* its slot is freed
//! (Release), and a claimer looks at the window *after* its scan of the bucket
//! (Acquire): it meets the id in one of the two places.

mod acked;
mod attached;
mod table;

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex};

use bytemuck::allocation::zeroed_slice_box;
use crossbeam_utils::CachePadded;

use crate::dedupe::claims::attached::{Attached, SHARDS};
use crate::dedupe::claims::table::{ACKED, ATTACHED, Bucket, GENERATION_SHIFT, WITHDRAWN, phase};
use crate::pipeline::answer::Waiter;

pub(crate) use self::table::WAYS;

/// How often a claimer that met its own kind tries again.
const ATTEMPTS: usize = 8;

/// A claim held: a slot and the generation it was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    slot: u32,
    generation: u32,
}

/// What a try to claim an id came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The id is ours.
    Mine(Claim),
    /// Somebody is claiming it this very moment.
    Busy,
    /// An order with this id is in flight.
    InFlight {
        /// The other submission's claim.
        claim: Claim,
        /// Whether it carries the same content.
        same: bool,
    },
    /// No slot is free.
    Full,
}

/// What the end of a claim leaves to do.
#[derive(Default)]
pub struct Ended {
    /// Somebody was told that the order is queued.
    pub told: bool,
    /// Who waits for the order, to be told what became of it.
    pub waiters: Vec<Arc<Waiter>>,
}

/// The table of claims. Any thread may claim; who holds a claim ends it.
pub struct Claims {
    buckets: Box<[Bucket]>,
    mask: u64,
    /// Duplicates that wait for an order in flight. The locks are taken only
    /// when an id is submitted twice at a time, never on an order's own way,
    /// and never held across a park.
    attached: Box<[CachePadded<Mutex<Attached>>]>,
    /// Nobody is told any more that an order is queued: set by `seal`, for the
    /// slots that it finds free.
    sealed: AtomicBool,
}

impl Claims {
    /// A table for `in_flight` orders at a time.
    pub fn new(in_flight: usize) -> Self {
        let buckets = (in_flight.max(WAYS) * 4 / WAYS).next_power_of_two();
        Self {
            // Fresh zero pages: FREE is zero.
            buckets: zeroed_slice_box(buckets),
            mask: buckets as u64 - 1,
            attached: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            sealed: AtomicBool::new(false),
        }
    }

    /// Tries to claim `id` (keyed hashes of id and content).
    ///
    /// On [`Claimed::Mine`] the claim is in the phase *claiming*: the caller
    /// must go on to [`queued`](Self::queued) or [`withdraw`](Self::withdraw).
    pub fn claim(&self, id: u128, content: u128) -> Claimed {
        for _ in 0..ATTEMPTS {
            match self.find(id, None) {
                Some((claim, phase::QUEUED | phase::COMMITTING)) => {
                    if let Some(same) = self.same_content(claim, content) {
                        return Claimed::InFlight { claim, same };
                    }
                    continue; // it ended meanwhile
                }
                Some(_) => return Claimed::Busy,
                None => {}
            }
            let Some(claim) = self.reserve(id, content) else {
                return Claimed::Full;
            };
            // Pairs with the same fence of another claimer: one sees the other.
            fence(Ordering::SeqCst);
            match self.find(id, Some(claim)) {
                None => return Claimed::Mine(claim),
                Some(_) => drop(self.release(claim, WITHDRAWN)),
            }
        }
        Claimed::Busy
    }

    /// Looks up an order in flight.
    pub fn contains(&self, id: u128) -> bool {
        matches!(
            self.find(id, None),
            Some((_, phase::QUEUED | phase::COMMITTING))
        )
    }

    /// The order is in the queue: others may wait for it. `false` if it is past
    /// that already: in a batch, or ended.
    pub fn queued(&self, claim: Claim) -> bool {
        self.advance(claim, phase::CLAIMING, phase::QUEUED)
    }

    /// Takes a queued order into a batch: from here on only the ledger decides.
    /// `false` if it was withdrawn meanwhile and must not be committed.
    pub fn begin_commit(&self, claim: Claim) -> bool {
        self.update(claim, |state| {
            // Claiming: whoever put it into the queue has not come to say so.
            matches!(state & phase::MASK, phase::QUEUED | phase::CLAIMING)
                .then_some((state & !phase::MASK) | phase::COMMITTING)
        })
    }

    /// Takes an order out of a batch that the ledger has given back.
    pub fn take_back(&self, claim: Claim) -> bool {
        self.advance(claim, phase::COMMITTING, phase::QUEUED)
    }

    /// Withdraws an order that is not in a batch yet. `None` if it is, or has
    /// ended. Whether anyone was told "queued" is settled by this: who is not
    /// told by now won't be.
    pub fn withdraw(&self, claim: Claim) -> Option<Ended> {
        // RESERVED keeps the slot out of everyone's hands while it is freed.
        self.update(claim, |state| {
            matches!(state & phase::MASK, phase::QUEUED | phase::CLAIMING)
                .then_some((state & !phase::MASK) | phase::RESERVED)
        })
        .then(|| self.release(claim, WITHDRAWN))
    }

    /// Ends a claim wherever its order is, for when whoever had the order is no
    /// more; answers whether it was in a batch. `None` if it has ended.
    pub fn give_up(&self, claim: Claim) -> Option<(Ended, bool)> {
        let before = self.change(claim, |state| {
            matches!(
                state & phase::MASK,
                phase::QUEUED | phase::CLAIMING | phase::COMMITTING
            )
            .then_some((state & !phase::MASK) | phase::RESERVED)
        })?;
        let was_committing = before & phase::MASK == phase::COMMITTING;
        let withdrawn = if was_committing { 0 } else { WITHDRAWN };
        Some((self.release(claim, withdrawn), was_committing))
    }

    /// Ends a claim whose order has its outcome in the window, or is in doubt.
    pub fn finish(&self, claim: Claim) -> Ended {
        self.release(claim, 0)
    }

    /// Frees a slot that only the caller can end, and takes its waiters.
    fn release(&self, claim: Claim, withdrawn: u64) -> Ended {
        let generation = u64::from(claim.generation) << GENERATION_SHIFT;
        // Release: what was done under the claim (the window's entry) is seen
        // by whoever finds it gone. Acquire: the flags.
        let before = self
            .state(claim)
            .swap(generation | withdrawn | phase::FREE, Ordering::AcqRel);
        debug_assert_eq!(before >> GENERATION_SHIFT, generation >> GENERATION_SHIFT);
        let mut ended = Ended {
            told: before & ACKED != 0,
            waiters: Vec::new(),
        };
        if before & ATTACHED != 0 {
            let mut list = self.list(claim);
            let ours = list.list.extract_if(.., |(other, _)| *other == claim);
            ended.waiters.extend(ours.map(|(_, waiter)| waiter));
        }
        ended
    }
}

#[cfg(test)]
mod tests;
