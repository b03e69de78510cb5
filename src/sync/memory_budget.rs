//! The bytes of bodies being received, over all front ends: `--body-bytes`. And
//! by the same means, with replies and results of batches in the place of front
//! ends, those of replies being sent: `--reply-bytes`.
//!
//! Each front end has an account of its own in the one budget, and where there
//! are two, none can take the last quarter of it: whatever clients do at one
//! front end, some memory is left for the other.
//!
//! Memory counts when it is held. A head that announces a body holds nothing
//! yet, so a front end grows its permit as the body arrives
//! ([`MemoryPermit::grow_to`]) where it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

/// Bytes of a body that fit the buffer which every connection has. They need no
/// permit where bodies are read piece by piece.
pub(crate) const FREE_BYTES: usize = 4 << 10;

/// A front end's account.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    own: Budget,
    all: Arc<Budget>,
}

#[derive(Debug)]
struct Budget {
    used: CachePadded<AtomicUsize>,
    bytes_max: usize,
    /// What is taken while all is free fits, whatever its size.
    admits_oversize: bool,
}

/// Bytes of a budget, released when dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `bytes_max` bytes for the only front end.
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        let [only] = Self::shared(bytes_max, 0);
        only
    }

    /// The same, but a single permit fits whatever its size while all is free:
    /// for things that have to be sent one day and can't be made smaller.
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

    #[cfg(any(test, fuzzing))]
    pub(crate) fn used(&self) -> usize {
        self.own.used.load(Ordering::Relaxed)
    }

    /// A budget of `bytes_max` bytes over all of these front ends. One body of
    /// `body_bytes` fits at each, however small that makes the others' share.
    pub(crate) fn shared<const FRONT_ENDS: usize>(
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

    /// The largest permit this account gives, when all is free.
    pub(crate) fn bytes_max(&self) -> usize {
        self.own.bytes_max
    }

    /// `None` if the budget is exhausted.
    pub(crate) fn try_acquire(self: &Arc<Self>, bytes: usize) -> Option<MemoryPermit> {
        let mut permit = self.empty_permit();
        permit.grow_to(bytes).then_some(permit)
    }

    /// A permit of no bytes, which can grow.
    pub(crate) fn empty_permit(self: &Arc<Self>) -> MemoryPermit {
        MemoryPermit {
            budget: self.clone(),
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

    fn try_add(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= self.bytes_max || self.admits_oversize && before == 0;
        if !fits {
            self.subtract(bytes);
        }
        fits
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl MemoryPermit {
    /// Grows to so many bytes, if it is less. `false`, and it is unchanged, if
    /// the budget is exhausted.
    #[must_use = "without a permit no memory may be held"]
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            return true;
        };
        if !self.budget.own.try_add(more) {
            return false;
        }
        if !self.budget.all.try_add(more) {
            self.budget.own.subtract(more);
            return false;
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.budget.all.subtract(self.bytes);
        self.budget.own.subtract(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_bytes_can_be_acquired_again() {
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
    fn a_permit_grows_within_the_budget() {
        let bodies = MemoryBudget::new(100);
        let (mut one, mut two) = (bodies.empty_permit(), bodies.try_acquire(30).unwrap());
        assert!(one.grow_to(60) && one.grow_to(10));
        assert!(!one.grow_to(71) && one.grow_to(70));
        assert!(!two.grow_to(31), "a refused byte is not lost");
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
    fn a_front_end_leaves_some_to_the_other() {
        let [one, two] = MemoryBudget::shared(100, 10);
        let most = one.try_acquire(one.bytes_max()).unwrap();
        assert_eq!(most.bytes, 75);
        assert!(one.try_acquire(1).is_none());
        let rest = two.try_acquire(25).expect("reserved for it");
        assert!(two.try_acquire(1).is_none(), "no more than there is in all");
        drop((most, rest));
        assert!(two.try_acquire(75).is_some() && two.try_acquire(76).is_none());
        // Where the budget is one body, either front end can have it.
        for front_end in MemoryBudget::shared::<2>(10, 10) {
            assert!(front_end.try_acquire(10).is_some());
        }
    }
}
