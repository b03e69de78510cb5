//! The pages of the feed that are being read and sent.
//!
//! A page is written out where the archive answers: on a reader's thread with
//! the journal. Replies hold slices of its bytes. So however many followers are
//! woken by a commit, it is read once, and there is one copy of its lines; and
//! they end up at the same position, where the next read serves all of them
//! again.
//!
//! Memory: pages are counted against [`BUDGET_BYTES`] once their size is known,
//! from then until the last reply that holds a slice is dropped; a page that
//! finds the budget full is dropped at once. Not counted is what is being read
//! at the moment: a page for each of the archive's threads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use crate::admission::Admission;
use crate::http::api::feed::page::{Page, PageRead, Unread};
use crate::ledger::ReadRange;
use crate::sync::memory_budget::MemoryBudget;

/// Bytes on a page at most, unless one line is longer.
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// Bytes of all pages that are being sent, or about to be. A page that is
/// larger than that (of one line) goes alone.
pub(crate) const BUDGET_BYTES: usize = 64 << 20;
/// Reads that others can join: those under way, and those being sent.
const RECENT_MAX: usize = 32;
/// No line is shorter than this, so that no more records are read than fit.
const LINE_BYTES_MIN: usize = 150;

/// Makes pages, and finds those that were made.
pub(crate) struct Pages {
    /// Bytes on a page at most, unless one line is longer.
    page_bytes: usize,
    budget: Arc<MemoryBudget>,
    recent: Mutex<VecDeque<Weak<PageRead>>>,
}

impl Pages {
    /// Makes pages of at most so many bytes.
    pub(crate) fn new(page_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            page_bytes,
            budget: MemoryBudget::with_oversize(BUDGET_BYTES),
            recent: Mutex::default(),
        })
    }

    /// Reads what comes after `after`, of which there is some, or joins a read
    /// that brings it. `waker` is called when it is done, unless it is already.
    pub(crate) fn read(
        self: &Arc<Self>,
        admission: &Admission,
        after: u64,
        limit: usize,
        waker: &Waker,
    ) -> Arc<PageRead> {
        let last_seq = admission.archive().map_or(0, |it| it.last_seq());
        let (read, found) = self.find_or_begin(after, limit, last_seq);
        if !found {
            let lines_max = limit.min((self.page_bytes / LINE_BYTES_MIN).max(1));
            let (pages, begun) = (self.clone(), read.clone());
            let reply = move |records: ReadRange| {
                let page = records.map_err(Unread::from).and_then(|records| {
                    Page::new(after, &records, pages.page_bytes, &pages.budget)
                });
                begun.complete(page);
            };
            admission.read_range(after, lines_max, self.page_bytes, reply);
        }
        read.wake_when_done(waker);
        read
    }

    /// A read that serves, or a new one; and whether it was there.
    fn find_or_begin(&self, after: u64, limit: usize, last_seq: u64) -> (Arc<PageRead>, bool) {
        let mut recent = self.recent();
        let mut held = recent.iter().rev().filter_map(Weak::upgrade);
        if let Some(found) = held.find(|held| held.serves(after, limit)) {
            return (found, true);
        }
        drop(held);
        let begun = Arc::new(PageRead::new(after, limit, last_seq));
        recent.push_back(Arc::downgrade(&begun));
        if recent.len() > RECENT_MAX {
            recent.pop_front();
        }
        (begun, false)
    }

    #[cfg(test)]
    pub(super) fn bytes_used(&self) -> usize {
        self.budget.used()
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.recent().len()
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Weak<PageRead>>> {
        // Pushed to and popped from: never half done.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
