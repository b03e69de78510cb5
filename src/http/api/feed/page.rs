//! A page of the feed: lines written out, read once for all readers that ask
//! for the same.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use bytes::Bytes;

use crate::http::api::feed_line::write_line;
use crate::ledger::{ReadError, Record};
use crate::sync::memory_budget::{MemoryBudget, MemoryPermit};

/// A line's bytes beside the record's texts, at most, without escapes.
const LINE_BYTES_EXTRA: usize = 192;

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    Archive(#[from] ReadError),
    #[error("the pages being sent take all the memory there is for them")]
    Full,
}

/// Lines in the order of their sequences.
pub(super) struct Page {
    /// The sequence before the first line's.
    after: u64,
    text: Box<[u8]>,
    lines: Box<[PageLine]>,
    _permit: MemoryPermit,
}

struct PageLine {
    seq: u64,
    /// Where it ends in the page's text.
    end: usize,
}

impl Page {
    /// Writes records out, up to `bytes_max` unless the first line is longer.
    pub(super) fn new(
        after: u64,
        records: &[Arc<Record>],
        bytes_max: usize,
        budget: &Arc<MemoryBudget>,
    ) -> Result<Self, Unread> {
        let texts = records
            .iter()
            .map(|record| record.text_bytes() + LINE_BYTES_EXTRA);
        let mut text = Vec::with_capacity(texts.sum::<usize>().min(bytes_max));
        let mut lines = Vec::with_capacity(records.len());
        for record in records {
            let start = text.len();
            write_line(record, &mut text);
            text.push(b'\n');
            if start > 0 && text.len() > bytes_max {
                text.truncate(start);
                break;
            }
            lines.push(PageLine {
                seq: record.outcome.seq,
                end: text.len(),
            });
        }
        let bytes = text.len() + lines.len() * size_of::<PageLine>();
        Ok(Self {
            _permit: budget.try_acquire(bytes).ok_or(Unread::Full)?,
            after,
            text: text.into_boxed_slice(),
            lines: lines.into_boxed_slice(),
        })
    }

    fn has_something_after(&self, after: u64) -> bool {
        self.after <= after && self.lines.last().is_some_and(|last| after < last.seq)
    }

    /// Where the lines after `after` are in the text, `limit` of them at most.
    fn range(&self, after: u64, limit: usize) -> Range<usize> {
        let first = self.lines.partition_point(|line| line.seq <= after);
        let end_of = |line: usize| self.lines[..line].last().map_or(0, |line| line.end);
        let last = self.lines.len().min(first.saturating_add(limit));
        end_of(first)..end_of(last)
    }
}

/// A read, under way or done, and the readers that wait for it.
pub(crate) struct PageRead {
    after: u64,
    limit: usize,
    /// The archive's last sequence before it was asked: up to there the read
    /// brings all there is, be it nothing.
    last_seq: u64,
    result: OnceLock<Result<Page, Unread>>,
    waiting: Mutex<Vec<Waker>>,
}

impl PageRead {
    pub(super) fn new(after: u64, limit: usize, last_seq: u64) -> Self {
        Self {
            after,
            limit,
            last_seq,
            result: OnceLock::new(),
            waiting: Mutex::default(),
        }
    }

    /// Whether a reader at `after` is served by it. One that wants fewer lines
    /// than were asked for takes a part; one that wants more needs another
    /// read.
    pub(super) fn serves(&self, after: u64, limit: usize) -> bool {
        limit <= self.limit
            && match self.result.get() {
                None => self.after == after,
                Some(Ok(page)) => page.has_something_after(after),
                Some(Err(_)) => false,
            }
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The lines for a reader at `after`, once they are there; they keep the
    /// read alive, so that others find it. Empty if it brought nothing.
    pub(super) fn lines(
        self: &Arc<Self>,
        after: u64,
        limit: usize,
    ) -> Option<Result<Bytes, &Unread>> {
        Some(self.result.get()?.as_ref().map(|page| {
            let range = page.range(after, limit);
            Bytes::from_owner(PageText(self.clone())).slice(range)
        }))
    }

    pub(super) fn complete(&self, page: Result<Page, Unread>) {
        let fresh = self.result.set(page).is_ok();
        debug_assert!(fresh, "an archive answers once");
        let waiting = std::mem::take(&mut *self.waiting());
        for waker in &waiting {
            waker.wake_by_ref();
        }
    }

    /// The waker is listed before its owner checks the result, and the list is
    /// emptied after the result is set: one of the two sees the other.
    pub(super) fn wake_when_done(&self, waker: &Waker) {
        let mut waiting = self.waiting();
        if self.result.get().is_none() {
            waiting.push(waker.clone());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a page that has been read.
struct PageText(Arc<PageRead>);

impl AsRef<[u8]> for PageText {
    fn as_ref(&self) -> &[u8] {
        match self.0.result.get() {
            Some(Ok(page)) => &page.text,
            _ => unreachable!("made of a read that brought a page"),
        }
    }
}
