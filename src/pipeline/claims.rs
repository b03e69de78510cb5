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

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};

use bytemuck::{Zeroable, allocation::zeroed_slice_box};
use crossbeam_utils::CachePadded;

use super::ticket::Waiter;

/// Slots in a bucket.
pub const WAYS: usize = 16;
/// How often a claimer that met its own kind tries again.
const ATTEMPTS: usize = 8;
/// How many spins a claimer waits for a slot that is being written.
const PATIENCE: usize = 128;
/// Lists of waiters for orders that were submitted twice while in flight.
const SHARDS: usize = 64;

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
    NoRoom,
}

/// What the end of a claim leaves to do.
#[derive(Default)]
pub struct Ended {
    /// Somebody was told that the order is queued.
    pub told: bool,
    /// Who waits for the order, to be told what became of it.
    pub waiters: Vec<Arc<Waiter>>,
}

/// A slot's phase, the lowest bits of its state.
mod phase {
    pub const FREE: u64 = 0;
    /// Taken, its words are being written.
    pub const RESERVED: u64 = 1;
    /// The id is written; whether it may be kept is being found out.
    pub const CLAIMING: u64 = 2;
    /// In the queue or with a worker.
    pub const QUEUED: u64 = 3;
    /// In a batch that the ledger has.
    pub const COMMITTING: u64 = 4;
    pub const MASK: u64 = 7;
}
/// Somebody waits in the lists for this claim.
const ATTACHED: u64 = 1 << 3;
/// Somebody was told that the order is queued.
const TOLD: u64 = 1 << 4;
/// In a free slot: its last claim was withdrawn.
const WITHDRAWN: u64 = 1 << 5;
/// Nobody is told any more that the order is queued: the process ends while
/// the ledger has it, and it is not kept.
const SEALED: u64 = 1 << 6;
const TAG_SHIFT: u32 = 8;
const TAG_MASK: u64 = 0xff_ffff << TAG_SHIFT;
const GENERATION_SHIFT: u32 = 32;

#[derive(Zeroable)]
struct Slot {
    /// Id and content hashes, in two words each; written by the claimer
    /// between RESERVED and the phase after it.
    id: [AtomicU64; 2],
    content: [AtomicU64; 2],
}

/// Two cache lines of states, then the hashes: a scan for an id that is not
/// there (nearly every one) touches the states only.
#[derive(Zeroable)]
#[repr(align(128))]
struct Bucket {
    /// generation (32 bits) | tag of the id (24) | flags | phase.
    states: [AtomicU64; WAYS],
    slots: [Slot; WAYS],
}

/// Those who wait for the orders of a shard.
#[derive(Default)]
struct Attached {
    list: Vec<(Claim, Arc<Waiter>)>,
    /// At this length those who have stopped waiting are taken out.
    sweep_at: usize,
}

/// The least length at which a list is swept.
const SWEEP_MIN: usize = 64;

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
                return Claimed::NoRoom;
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

    /// Lets a duplicate wait for the order that has the claim. `false` if that
    /// order has ended: look again.
    pub fn attach(&self, claim: Claim, waiter: &Arc<Waiter>) -> bool {
        let mut list = self.list(claim);
        // Under the lock: who ends the claim and sees the flag takes the lock
        // after us and finds the waiter.
        let attached = self.update(claim, |state| {
            matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING)
                .then_some(state | ATTACHED)
        });
        if attached {
            if list.list.len() >= list.sweep_at.max(SWEEP_MIN) {
                // Who has stopped waiting has dropped its reference. At each
                // doubling, so that a waiter costs the same however many wait.
                list.list.retain(|(_, one)| Arc::strong_count(one) > 1);
                list.sweep_at = 2 * list.list.len();
            }
            list.list.push((claim, waiter.clone()));
        }
        attached
    }

    /// Notes that somebody is being told "queued". `false` if the order has
    /// ended: then its outcome is there to be told instead.
    ///
    /// The note stands in the word that a withdrawal replaces, so that of the
    /// two one comes first: whoever is told is known to who ends the claim,
    /// and whoever comes too late is not told.
    pub fn tell_queued(&self, claim: Claim) -> bool {
        let noted = self.update(claim, |state| {
            let live = matches!(state & phase::MASK, phase::QUEUED | phase::COMMITTING);
            (live && state & SEALED == 0).then_some(state | TOLD)
        });
        // SeqCst, with `seal`, which may have been past this slot before. Should
        // it have come behind, one too many is counted as told.
        noted && !self.sealed.load(Ordering::SeqCst)
    }

    /// Whether the claim ended without an outcome. Known until the slot is
    /// taken again, so ask only once admission has closed.
    pub fn was_withdrawn(&self, claim: Claim) -> bool {
        let state = self.state(claim).load(Ordering::Acquire);
        state & (phase::MASK | WITHDRAWN) == phase::FREE | WITHDRAWN
            && (state >> GENERATION_SHIFT) as u32 == claim.generation
    }

    /// Whether the process ends while the ledger has the order, or may come to
    /// have it.
    pub fn was_sealed(&self, claim: Claim) -> bool {
        let state = self.state(claim).load(Ordering::Acquire);
        state & phase::MASK != phase::FREE
            && (state & SEALED != 0 || self.sealed.load(Ordering::SeqCst))
            && (state >> GENERATION_SHIFT) as u32 == claim.generation
    }

    /// Gives up what is left at the end of a drain: withdraws every order that
    /// is not in a batch, has nobody told any more of the others, nor of any
    /// that is claimed from now on, and counts those of both that somebody was
    /// told were queued. After admission has closed. The waiters are returned,
    /// to be told.
    pub fn seal(&self) -> (usize, Vec<Arc<Waiter>>) {
        let mut told = 0;
        let mut waiters = Vec::new();
        // SeqCst, with `tell_queued`: who is told either sees this, or has noted
        // it before the look below.
        self.sealed.store(true, Ordering::SeqCst);
        for (state, slot) in self.buckets.iter().flat_map(|b| &b.states).zip(0..) {
            let seen = state.load(Ordering::SeqCst);
            let claim = Claim {
                slot,
                generation: (seen >> GENERATION_SHIFT) as u32,
            };
            // In one step, whatever it is by then: it may go from the queue into
            // a batch, or come back, at this very moment.
            let before = self.change(claim, |state| match state & phase::MASK {
                phase::QUEUED | phase::CLAIMING => Some((state & !phase::MASK) | phase::RESERVED),
                phase::COMMITTING => Some(state | SEALED),
                _ => None,
            });
            let Some(before) = before else { continue }; // it has ended
            told += usize::from(before & TOLD != 0);
            if before & phase::MASK != phase::COMMITTING {
                waiters.append(&mut self.release(claim, WITHDRAWN).waiters);
            }
        }
        (told, waiters)
    }

    fn bucket(&self, id: u128) -> usize {
        ((id >> 64) as u64 & self.mask) as usize
    }

    fn state(&self, claim: Claim) -> &AtomicU64 {
        &self.buckets[claim.slot as usize / WAYS].states[claim.slot as usize % WAYS]
    }

    fn list(&self, claim: Claim) -> std::sync::MutexGuard<'_, Attached> {
        self.attached[claim.slot as usize % SHARDS]
            .lock()
            // A push or retain that panicked leaves a list that is still one.
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a live slot with this id other than `own`, with its phase.
    fn find(&self, id: u128, own: Option<Claim>) -> Option<(Claim, u64)> {
        let bucket = self.bucket(id);
        let words = halves(id);
        for way in 0..WAYS {
            let slot = (bucket * WAYS + way) as u32;
            if own.is_some_and(|own| own.slot == slot) {
                continue;
            }
            let state = &self.buckets[bucket].states[way];
            for patience in 0.. {
                // Acquire pairs with the Release that published the id, and
                // with the one that freed the slot (the window is up to date).
                let seen = state.load(Ordering::Acquire);
                let now = seen & phase::MASK;
                if now == phase::FREE || seen & TAG_MASK != tag(id) {
                    break;
                }
                let claim = Claim {
                    slot,
                    generation: (seen >> GENERATION_SHIFT) as u32,
                };
                if now == phase::RESERVED {
                    if patience < PATIENCE {
                        std::hint::spin_loop();
                        continue;
                    }
                    // Same tag, same bucket: the same id but once in millions.
                    return Some((claim, now));
                }
                let stored = &self.buckets[bucket].slots[way].id;
                let same = stored.each_ref().map(|w| w.load(Ordering::Relaxed)) == words;
                // The words belong to the state only if it has not moved on.
                // Pairs with the fence in `reserve`.
                fence(Ordering::Acquire);
                if state.load(Ordering::Relaxed) >> GENERATION_SHIFT != seen >> GENERATION_SHIFT {
                    continue;
                }
                if same {
                    return Some((claim, now));
                }
                break;
            }
        }
        None
    }

    /// Takes a free slot and writes the hashes into it; it is CLAIMING then.
    fn reserve(&self, id: u128, content: u128) -> Option<Claim> {
        let bucket = self.bucket(id);
        for way in 0..WAYS {
            let state = &self.buckets[bucket].states[way];
            let seen = state.load(Ordering::Relaxed);
            if seen & phase::MASK != phase::FREE {
                continue;
            }
            let generation = ((seen >> GENERATION_SHIFT) as u32).wrapping_add(1);
            let reserved = (u64::from(generation) << GENERATION_SHIFT) | tag(id) | phase::RESERVED;
            // Acquire: whoever freed the slot had put its outcome into the
            // window, and who finds us in the slot must find it there.
            if state
                .compare_exchange(seen, reserved, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                continue;
            }
            // The words below are not seen without the new generation above
            // (pairs with the Acquire fence in `find`).
            fence(Ordering::Release);
            let slot = &self.buckets[bucket].slots[way];
            for (word, value) in slot.id.iter().zip(halves(id)) {
                word.store(value, Ordering::Relaxed);
            }
            for (word, value) in slot.content.iter().zip(halves(content)) {
                word.store(value, Ordering::Relaxed);
            }
            let claiming = (reserved & !phase::MASK) | phase::CLAIMING;
            // Publishes the words (pairs with the Acquire load in `find`).
            state.store(claiming, Ordering::Release);
            return Some(Claim {
                slot: (bucket * WAYS + way) as u32,
                generation,
            });
        }
        None
    }

    /// Whether the claim's content is this one; `None` if it has ended.
    fn same_content(&self, claim: Claim, content: u128) -> Option<bool> {
        let (bucket, way) = (claim.slot as usize / WAYS, claim.slot as usize % WAYS);
        let stored = &self.buckets[bucket].slots[way].content;
        let same = stored.each_ref().map(|w| w.load(Ordering::Relaxed)) == halves(content);
        fence(Ordering::Acquire); // as in `find`
        let now = self.state(claim).load(Ordering::Relaxed);
        let alive = now & phase::MASK != phase::FREE
            && (now >> GENERATION_SHIFT) as u32 == claim.generation;
        alive.then_some(same)
    }

    fn advance(&self, claim: Claim, from: u64, to: u64) -> bool {
        self.update(claim, |state| {
            (state & phase::MASK == from).then_some((state & !phase::MASK) | to)
        })
    }

    /// Changes the state of a claim that is still of its generation.
    fn update(&self, claim: Claim, change: impl FnMut(u64) -> Option<u64>) -> bool {
        self.change(claim, change).is_some()
    }

    /// The same; answers what it was before.
    fn change(&self, claim: Claim, mut change: impl FnMut(u64) -> Option<u64>) -> Option<u64> {
        // Acquire and Release: who ends a claim sees what was noted in it, and
        // who notes sees that it has ended. SeqCst for `tell_queued`.
        self.state(claim)
            .fetch_update(Ordering::SeqCst, Ordering::Acquire, |state| {
                ((state >> GENERATION_SHIFT) as u32 == claim.generation)
                    .then(|| change(state))
                    .flatten()
            })
            .ok()
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
            told: before & TOLD != 0,
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

fn halves(hash: u128) -> [u64; 2] {
    [(hash >> 64) as u64, hash as u64]
}

fn tag(id: u128) -> u64 {
    (id as u64) << TAG_SHIFT & TAG_MASK
}

#[cfg(test)]
mod tests;
