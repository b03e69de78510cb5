//! Wakers of those who wait for something to change: a reader that has seen all
//! of the feed, a batch that found the queue full, a health check.
//!
//! A list of wakers, emptied by the committer behind every batch that ended
//! orders. While nobody is on it, which is nearly always, that costs the
//! committer one load. All who are listed wait for the next change, whatever it
//! is, so all are woken. Many are not woken by the committer, but by a
//! *relay*, a task of the front end that it wakes instead: what the committer
//! spends does not grow with the watchers.
//!
//! # Why no wake-up is lost
//!
//! A watcher puts its waker on the list, passes a SeqCst fence, and only then
//! checks whether it has to wait. A notifier makes its change, passes a SeqCst
//! fence, and then checks whether anyone is listed. One of the two fences comes
//! first: either the watcher sees the change, or the notifier sees the watcher.
//! The relay takes the list after it was woken, and with it all whom the
//! notifier saw.

use std::sync::Arc;
use std::task::Waker;

use crossbeam_utils::CachePadded;

use crate::sync::primitive::{AtomicUsize, Mutex, MutexGuard, OnceLock, Ordering, fence};

/// Watchers that a notifier wakes itself: a task more to run costs as much as
/// some of them.
const DIRECT_MAX: usize = if cfg!(orders_loom) { 1 } else { 64 };

/// Bounded by the connections, streams and batches that wait.
#[derive(Default)]
pub struct WatchList {
    /// How many are listed; written under the lock.
    listed: CachePadded<AtomicUsize>,
    list: Mutex<List>,
    relay: OnceLock<Waker>,
}

#[derive(Default)]
struct List {
    /// How often the list was emptied: an entry of an earlier round is gone.
    round: u64,
    wakers: Vec<Option<Waker>>,
    /// Indices without a waker, to be used again.
    free: Vec<usize>,
}

/// Where an entry is on the list.
#[derive(Clone, Copy)]
struct Entry {
    round: u64,
    index: usize,
}

/// An entry on the list, removed when dropped. It is good for one wake-up:
/// watch again, and check again, after each.
#[must_use = "dropping it ends the watch"]
pub struct Watch {
    list: Arc<WatchList>,
    entry: Entry,
}

impl WatchList {
    /// Has `waker` called at the next change. Look at what you wait for after
    /// this call: it may have changed already.
    pub fn watch(self: &Arc<Self>, waker: &Waker) -> Watch {
        Watch {
            entry: self.add(waker.clone()),
            list: self.clone(),
        }
    }

    /// Whether anybody is listed, as far as this thread has seen.
    pub(crate) fn has_watchers(&self) -> bool {
        self.listed.load(Ordering::Relaxed) > 0
    }

    /// Has `waker` called when there are many to wake. Its task then calls
    /// [`wake_listed`](Self::wake_listed) and flushes the wake queues.
    ///
    /// # Panics
    /// When called twice.
    pub fn set_relay(&self, waker: Waker) {
        assert!(self.relay.set(waker).is_ok(), "one relay");
    }

    fn add(&self, waker: Waker) -> Entry {
        let mut list = self.list();
        let entry = list.add(waker);
        self.listed.store(list.len(), Ordering::Relaxed);
        drop(list);
        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        entry
    }

    /// Has all watchers woken and the list emptied. Call it after the change,
    /// and before the wake queues are flushed.
    pub fn notify(&self) {
        // Pairs with the fence in `add`.
        fence(Ordering::SeqCst);
        match (self.listed.load(Ordering::Relaxed), self.relay.get()) {
            (0, _) => {}
            (listed, Some(relay)) if listed > DIRECT_MAX => relay.wake_by_ref(),
            _ => self.wake_listed(),
        }
    }

    /// Wakes all watchers and empties the list.
    pub fn wake_listed(&self) {
        let mut list = self.list();
        let wakers = list.take();
        self.listed.store(0, Ordering::Relaxed);
        drop(list);
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    fn remove(&self, entry: Entry) {
        let mut list = self.list();
        let waker = list.remove(entry);
        self.listed.store(list.len(), Ordering::Relaxed);
        drop(list);
        drop(waker);
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Changed in single steps: never half done.
        self.list.lock().unwrap_or_else(|held| held.into_inner())
    }
}

impl List {
    fn len(&self) -> usize {
        self.wakers.len() - self.free.len()
    }

    fn add(&mut self, waker: Waker) -> Entry {
        let index = self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        });
        self.wakers[index] = Some(waker);
        Entry {
            round: self.round,
            index,
        }
    }

    fn remove(&mut self, entry: Entry) -> Option<Waker> {
        if entry.round != self.round {
            return None;
        }
        let waker = self.wakers[entry.index].take();
        self.free.push(entry.index);
        waker
    }

    fn take(&mut self) -> Vec<Option<Waker>> {
        self.round += 1;
        self.free.clear();
        std::mem::take(&mut self.wakers)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.list.remove(self.entry);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Woken {
        fn take(&self) -> bool {
            self.0.swap(false, Ordering::SeqCst)
        }
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn watcher(progress: &Arc<WatchList>) -> (Watch, Arc<Woken>) {
        let woken = Arc::<Woken>::default();
        (progress.watch(&woken.clone().into()), woken)
    }

    #[test]
    fn all_who_are_listed_are_woken_once() {
        let progress = Arc::<WatchList>::default();
        let (_first, one) = watcher(&progress);
        let (gone, two) = watcher(&progress);
        let (_third, three) = watcher(&progress);
        drop(gone);
        progress.notify();
        let woken = [one, two, three].map(|watcher| watcher.take());
        assert_eq!(woken, [true, false, true]);
        assert!(!progress.has_watchers());
        let (late, four) = watcher(&progress);
        drop(late);
        progress.notify();
        assert!(!four.take());
    }

    #[test]
    fn an_entry_of_an_earlier_round_removes_no_other() {
        let progress = Arc::<WatchList>::default();
        let (old, one) = watcher(&progress);
        progress.notify();
        let (_new, two) = watcher(&progress);
        drop(old);
        progress.notify();
        assert!(one.take() && two.take());
    }

    /// However many come and go while nothing changes.
    #[test]
    fn a_removed_entry_is_used_again() {
        let progress = Arc::<WatchList>::default();
        let (_stays, woken) = watcher(&progress);
        for _ in 0..1000 {
            let (_one, _two) = (watcher(&progress), watcher(&progress));
        }
        assert_eq!(progress.list().wakers.len(), 3);
        progress.notify();
        assert!(woken.take());
    }

    #[test]
    fn many_are_left_to_the_relay() {
        let progress = Arc::<WatchList>::default();
        let relay = Arc::<Woken>::default();
        progress.set_relay(relay.clone().into());
        let (_first, one) = watcher(&progress);
        progress.notify();
        assert!(one.take() && !relay.take(), "one alone is woken at once");
        let watchers: Vec<_> = (0..=DIRECT_MAX).map(|_| watcher(&progress)).collect();
        progress.notify();
        assert!(relay.take() && progress.has_watchers());
        assert!(!watchers.iter().any(|(_, woken)| woken.take()));
        progress.wake_listed();
        assert!(watchers.iter().all(|(_, woken)| woken.take()));
        assert!(!progress.has_watchers());
    }
}
