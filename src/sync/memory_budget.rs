//! The bytes of bodies being received, over all front ends: `--body-bytes`.
//!
//! Each door has an account of its own in the one budget, and where there are
//! two, none can take the last quarter of it: whatever clients do at one door,
//! some room is left at the other.
//!
//! What counts is what a body makes somebody hold. A head that announces one
//! holds nothing yet, so a door takes room as a body grows
//! ([`MemoryPermit::grow_to`]), and not what was announced at once, where it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

/// Bytes of a body that fit a buffer which every connection has, and that doors
/// which read bodies piece by piece take no room for.
pub(crate) const FREE_BYTES: usize = 4 << 10;

/// A door's account.
#[derive(Debug)]
pub struct MemoryBudget {
    own: Budget,
    all: Arc<Budget>,
}

/// Bytes, taken and given back by connections.
#[derive(Debug)]
struct Budget {
    used: CachePadded<AtomicUsize>,
    bytes_max: usize,
    /// What is taken while all is free fits, whatever its size.
    admits_oversize: bool,
}

/// Room for one body, given back when dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    bodies: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// Room for `bytes_max` bytes at the only door.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        let [only] = Self::shared(bytes_max, 0);
        only
    }

    /// The same, but a single permit fits whatever its size while all is free: for things that
    /// have to be sent one day and can't be made smaller.
    pub(crate) fn with_oversize(bytes_max: usize) -> Arc<Self> {
        let budget = || Budget {
            admits_oversize: true,
            ..Budget::new(bytes_max)
        };
        Arc::new(Self {
            own: budget(),
            all: Arc::new(budget()),
        })
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.own.used.load(Ordering::Relaxed)
    }

    /// Room for `bytes_max` bytes over all of these doors. One body of
    /// `body_bytes` fits at each, however small that makes the others' share.
    pub fn shared<const FRONT_ENDS: usize>(
        bytes_max: usize,
        body_bytes: usize,
    ) -> [Arc<Self>; FRONT_ENDS] {
        let all = Arc::new(Budget::new(bytes_max));
        let own = if FRONT_ENDS > 1 {
            (bytes_max - bytes_max / 4).max(body_bytes.min(bytes_max))
        } else {
            bytes_max
        };
        [(); FRONT_ENDS].map(|()| {
            Arc::new(Self {
                own: Budget::new(own),
                all: all.clone(),
            })
        })
    }

    /// How many bytes there is room for at this door, when all is free.
    pub fn bytes_max(&self) -> usize {
        self.own.bytes_max
    }

    /// Takes room for a body; `None` if there is none.
    pub fn try_acquire(self: &Arc<Self>, bytes: usize) -> Option<MemoryPermit> {
        let mut room = self.empty_permit();
        room.grow_to(bytes).then_some(room)
    }

    /// No room yet, which can grow.
    pub fn empty_permit(self: &Arc<Self>) -> MemoryPermit {
        MemoryPermit {
            bodies: self.clone(),
            bytes: 0,
        }
    }
}

impl Budget {
    fn new(bytes_max: usize) -> Self {
        Self {
            used: CachePadded::default(),
            bytes_max,
            admits_oversize: false,
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= self.bytes_max || self.admits_oversize && before == 0;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl MemoryPermit {
    /// Makes it so many bytes, if it is less; `false`, and it stays as it was,
    /// if there is no room for that.
    #[must_use = "without room nothing may be kept"]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            return true;
        };
        if !self.bodies.own.take(more) {
            return false;
        }
        if !self.bodies.all.take(more) {
            self.bodies.own.give_back(more);
            return false;
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.bodies.all.give_back(self.bytes);
        self.bodies.own.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let bodies = MemoryBudget::new(100);
        let first = bodies.try_acquire(60).expect("all is free");
        assert!(bodies.try_acquire(41).is_none());
        let second = bodies.try_acquire(40).expect("just fits");
        assert!(bodies.try_acquire(1).is_none());
        drop(first);
        assert!(bodies.try_acquire(60).is_some());
        drop(second);
        assert!(bodies.try_acquire(100).is_some());
    }

    #[test]
    fn room_grows_as_far_as_there_is_some() {
        let bodies = MemoryBudget::new(100);
        let (mut one, mut two) = (bodies.empty_permit(), bodies.try_acquire(30).unwrap());
        assert!(one.grow_to(60) && one.grow_to(10));
        assert!(!one.grow_to(71) && one.grow_to(70));
        assert!(!two.grow_to(31), "what was refused to one is not lost");
        drop(one);
        assert!(two.grow_to(100));
        drop(two);
        assert!(bodies.try_acquire(100).is_some());
    }

    #[test]
    fn one_that_is_larger_than_all_goes_alone() {
        let pages = MemoryBudget::with_oversize(100);
        let huge = pages.try_acquire(101).expect("all is free");
        assert!(pages.try_acquire(1).is_none());
        drop(huge);
        let small = pages.try_acquire(1).expect("fits");
        assert!(pages.try_acquire(100).is_none() && pages.try_acquire(99).is_some());
        drop(small);
        assert_eq!(pages.used(), 0);
    }

    #[test]
    fn a_door_leaves_some_to_the_other() {
        let [one, two] = MemoryBudget::shared(100, 10);
        let most = one.try_acquire(one.bytes_max()).unwrap();
        assert_eq!(most.bytes, 75);
        assert!(one.try_acquire(1).is_none());
        let rest = two.try_acquire(25).expect("kept for it");
        assert!(two.try_acquire(1).is_none(), "no more than there is in all");
        drop((most, rest));
        assert!(two.try_acquire(75).is_some() && two.try_acquire(76).is_none());
        // Where the budget is one body, either door can have it.
        for front_end in MemoryBudget::shared::<2>(10, 10) {
            assert!(front_end.try_acquire(10).is_some());
        }
    }
}
