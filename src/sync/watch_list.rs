//! Wakers of those who wait for something to change: a reader that has seen all
//! of the feed, a batch that found the queue full, a health check.
//!
//! A list of wakers, emptied by the committer behind every batch that ended
//! orders. While nobody is on it, which is nearly always, that costs the
//! committer one load.
//!
//! # Why no wake-up is lost
//!
//! A watcher puts its waker on the list, passes a SeqCst fence, and only then
//! checks whether it has to wait. A notifier makes its change, passes a SeqCst
//! fence, and then checks whether anyone is listed. One of the two fences comes
//! first: either the watcher sees the change, or the notifier sees the watcher.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crossbeam_utils::CachePadded;

/// Bounded by the connections, streams and batches that wait.
#[derive(Default)]
pub(crate) struct WatchList {
    /// How many are listed; written under the lock.
    listed: CachePadded<AtomicUsize>,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    next: u64,
    wakers: Vec<(u64, Waker)>,
}

/// An entry on the list, removed when dropped. It is good for one wake-up:
/// watch again, and check again, after each.
#[must_use = "dropping it ends the watch"]
pub(crate) struct Watch {
    list: Arc<WatchList>,
    number: u64,
}

impl WatchList {
    /// Has `waker` called at the next change. Look at what you wait for after
    /// this call: it may have changed already.
    pub(crate) fn watch(self: &Arc<Self>, waker: &Waker) -> Watch {
        Watch {
            number: self.add(waker.clone()),
            list: self.clone(),
        }
    }

    /// Whether anybody is listed, as far as this thread has seen.
    pub(crate) fn has_watchers(&self) -> bool {
        self.listed.load(Ordering::Relaxed) > 0
    }

    fn add(&self, waker: Waker) -> u64 {
        let mut list = self.list();
        let number = list.next;
        list.next += 1;
        list.wakers.push((number, waker));
        self.listed.store(list.wakers.len(), Ordering::Relaxed);
        drop(list);
        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        number
    }

    /// Wakes all watchers and empties the list. Call it after the change, and
    /// before the wake queues are flushed.
    pub(crate) fn notify(&self) {
        // Pairs with the fence in `add`.
        fence(Ordering::SeqCst);
        if self.listed.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut list = self.list();
        let wakers = std::mem::take(&mut list.wakers);
        self.listed.store(0, Ordering::Relaxed);
        drop(list);
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    fn remove(&self, number: u64) {
        let mut list = self.list();
        // Numbers ascend: the oldest watch is at the front.
        if let Ok(index) = list
            .wakers
            .binary_search_by_key(&number, |(number, _)| *number)
        {
            list.wakers.remove(index);
        }
        self.listed.store(list.wakers.len(), Ordering::Relaxed);
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Pushed to, taken and removed from in single steps: never half done.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.list.remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn watcher(progress: &WatchList) -> (u64, Arc<Woken>) {
        let woken = Arc::<Woken>::default();
        (progress.add(woken.clone().into()), woken)
    }

    #[test]
    fn all_who_are_listed_are_woken_once() {
        let progress = WatchList::default();
        let (_, one) = watcher(&progress);
        let (gone, two) = watcher(&progress);
        let (_, three) = watcher(&progress);
        progress.remove(gone);
        progress.notify();
        let woken = [one, two, three].map(|watcher| watcher.0.swap(false, Ordering::SeqCst));
        assert_eq!(woken, [true, false, true]);
        assert_eq!(progress.listed.load(Ordering::SeqCst), 0);
        let (late, four) = watcher(&progress);
        progress.remove(late);
        progress.remove(late);
        progress.notify();
        assert!(!four.0.load(Ordering::SeqCst));
    }
}
