//! The table: how a slot is laid out, found, taken, and changed.

use crate::cpu::prefetch::{prefetch, prefetch_write};
use crate::dedupe::claims::claim::Claim;
use crate::sync::primitive::{AtomicU64, Ordering, fence, zeroed_slice_box};

/// Slots in a bucket.
pub(crate) const WAYS: usize = if cfg!(orders_loom) { 2 } else { 16 };
/// Slots for each order that can be in flight.
const SLOTS_PER_ORDER: usize = if cfg!(orders_loom) { 1 } else { 4 };
/// Spins of a claimer on a slot that is being written.
const SPINS: usize = if cfg!(orders_loom) { 1 } else { 128 };

/// A slot's phase, the lowest bits of its state.
pub(crate) mod phase {
    pub(crate) const FREE: u64 = 0;
    /// Taken, its words are being written.
    pub(crate) const RESERVED: u64 = 1;
    /// The id is written; the search for another claim of it is under way.
    pub(crate) const CLAIMING: u64 = 2;
    /// In the queue or with a worker.
    pub(crate) const QUEUED: u64 = 3;
    /// In a batch that the ledger has.
    pub(crate) const COMMITTING: u64 = 4;
    pub(crate) const MASK: u64 = 7;
}
/// Duplicates wait in the lists for this claim.
pub(crate) const ATTACHED: u64 = 1 << 3;
/// The order was acknowledged as queued.
pub(crate) const ACKED: u64 = 1 << 4;
/// In a free slot: its last claim was withdrawn.
pub(crate) const WITHDRAWN: u64 = 1 << 5;
/// The order is not acknowledged as queued any more: the process ends while the
/// ledger has it, and it is not written to the pending file.
pub(crate) const SEALED: u64 = 1 << 6;
/// A submitter wants the order to be acknowledged as queued, while
/// acknowledgements are deferred.
pub(crate) const WANTED: u64 = 1 << 7;
/// In a slot that is not free: the order is on disk, and may be acknowledged.
pub(crate) const SAVED: u64 = WITHDRAWN;
const TAG_SHIFT: u32 = 8;
const TAG_MASK: u64 = 0xff_ffff << TAG_SHIFT;
pub(crate) const GENERATION_SHIFT: u32 = 32;

#[cfg_attr(not(all(test, orders_loom)), derive(bytemuck::Zeroable))]
#[cfg_attr(all(test, orders_loom), derive(Default))]
struct Slot {
    /// Id and content hashes, in two words each; written by the claimer
    /// between RESERVED and the phase after it.
    id: [AtomicU64; 2],
    content: [AtomicU64; 2],
}

/// Two cache lines of states, then the hashes: a scan for an id that is not
/// there (nearly every one) touches the states only.
#[cfg_attr(not(all(test, orders_loom)), derive(bytemuck::Zeroable))]
#[cfg_attr(all(test, orders_loom), derive(Default))]
#[repr(align(128))]
pub(crate) struct Bucket {
    /// generation (32 bits) | tag of the id (24) | flags | phase.
    pub(crate) states: [AtomicU64; WAYS],
    slots: [Slot; WAYS],
}

fn buckets(in_flight: usize) -> usize {
    (in_flight.max(WAYS) * SLOTS_PER_ORDER / WAYS).next_power_of_two()
}

/// Bytes of a table for `in_flight` claims at a time.
pub(crate) fn table_bytes(in_flight: usize) -> usize {
    buckets(in_flight) * size_of::<Bucket>()
}

pub(crate) struct Table {
    buckets: Box<[Bucket]>,
    mask: u64,
}

impl Table {
    /// A table for `in_flight` claims at a time.
    pub(crate) fn new(in_flight: usize) -> Self {
        let buckets = buckets(in_flight);
        Self {
            // Fresh zero pages: FREE is zero.
            buckets: zeroed_slice_box(buckets),
            mask: buckets as u64 - 1,
        }
    }

    /// The states of all slots, in the order of their numbers.
    pub(crate) fn states(&self) -> impl Iterator<Item = &AtomicU64> {
        self.buckets.iter().flat_map(|bucket| &bucket.states)
    }

    /// Has what a claim of this id reads and writes brought into the cache.
    pub(crate) fn prefetch(&self, id: u128) {
        let bucket = &self.buckets[self.bucket(id)];
        prefetch(&bucket.states[0]);
        prefetch(&bucket.states[WAYS / 2]); // the other line
        prefetch(&bucket.slots[0]); // nearly always the one to be taken
    }

    /// Has the state of this claim brought into the cache, to be changed.
    pub(crate) fn prefetch_state(&self, claim: Claim) {
        prefetch_write(self.state(claim));
    }

    fn bucket(&self, id: u128) -> usize {
        ((id >> 64) as u64 & self.mask) as usize
    }

    pub(crate) fn state(&self, claim: Claim) -> &AtomicU64 {
        &self.buckets[claim.slot as usize / WAYS].states[claim.slot as usize % WAYS]
    }

    /// Finds a live slot with this id other than `own`, with its phase.
    pub(crate) fn find(&self, id: u128, own: Option<Claim>) -> Option<(Claim, u64)> {
        let bucket = self.bucket(id);
        let words = halves(id);
        for way in 0..WAYS {
            let slot = (bucket * WAYS + way) as u32;
            if own.is_some_and(|own| own.slot == slot) {
                continue;
            }
            let state = &self.buckets[bucket].states[way];
            for spins in 0.. {
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
                    if spins < SPINS {
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
    pub(crate) fn reserve(&self, id: u128, content: u128) -> Option<Claim> {
        let bucket = self.bucket(id);
        for way in 0..WAYS {
            let state = &self.buckets[bucket].states[way];
            let seen = state.load(Ordering::Relaxed);
            if seen & phase::MASK != phase::FREE {
                continue;
            }
            let generation = ((seen >> GENERATION_SHIFT) as u32).wrapping_add(1);
            let reserved = (u64::from(generation) << GENERATION_SHIFT) | tag(id) | phase::RESERVED;
            // Acquire: the thread that freed the slot had put its outcome into
            // the window, and a thread that finds us in the slot must find it
            // there.
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
    pub(crate) fn same_content(&self, claim: Claim, content: u128) -> Option<bool> {
        let (bucket, way) = (claim.slot as usize / WAYS, claim.slot as usize % WAYS);
        let stored = &self.buckets[bucket].slots[way].content;
        let same = stored.each_ref().map(|w| w.load(Ordering::Relaxed)) == halves(content);
        fence(Ordering::Acquire); // as in `find`
        let now = self.state(claim).load(Ordering::Relaxed);
        let alive = now & phase::MASK != phase::FREE
            && (now >> GENERATION_SHIFT) as u32 == claim.generation;
        alive.then_some(same)
    }

    pub(crate) fn advance(&self, claim: Claim, from: u64, to: u64) -> bool {
        self.update(claim, |state| {
            (state & phase::MASK == from).then_some((state & !phase::MASK) | to)
        })
    }

    /// Changes the state of a claim that is still of its generation.
    pub(crate) fn update(&self, claim: Claim, change: impl FnMut(u64) -> Option<u64>) -> bool {
        self.change(claim, change).is_some()
    }

    /// The same; returns the state before.
    pub(crate) fn change(
        &self,
        claim: Claim,
        mut change: impl FnMut(u64) -> Option<u64>,
    ) -> Option<u64> {
        // Acquire and Release: the end of a claim sees the flags that were set,
        // and the setter of a flag sees that it has ended. SeqCst for
        // `ack_queued`.
        self.state(claim)
            .fetch_update(Ordering::SeqCst, Ordering::Acquire, |state| {
                ((state >> GENERATION_SHIFT) as u32 == claim.generation)
                    .then(|| change(state))
                    .flatten()
            })
            .ok()
    }
}

fn halves(hash: u128) -> [u64; 2] {
    [(hash >> 64) as u64, hash as u64]
}

fn tag(id: u128) -> u64 {
    (id as u64) << TAG_SHIFT & TAG_MASK
}
