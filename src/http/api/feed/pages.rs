//! Pages of the feed: read once for all who ask for the same, and counted from
//! then until the last of them has been sent it.
//!
//! A page is a run of lines, written out where the archive answers: on a
//! reader's thread with the journal. Replies hold a [`Slice`] of it. So however
//! many followers hear of a commit, it is read once, and there is one copy of
//! its lines; and they end up at the same place, where the next read serves all
//! of them again.
//!
//! Memory: what pages take is counted against [`BUDGET_BYTES`] once its size is
//! known; a page that finds no room is dropped at once. Beside it stands what is
//! being read at the moment: a page for each of the archive's threads.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;

use crate::admission::Admission;
use crate::http::api::orders::write_line;
use crate::ledger::{ReadError, ReadRange, Record};

/// Bytes that all pages take which are being sent, or about to be.
pub(crate) const BUDGET_BYTES: usize = 64 << 20;
/// Reads that others are let in on: those under way, and those being sent.
const RECENT_MAX: usize = 32;
/// No line is shorter than this, so that no more records are read than fit.
const LINE_BYTES_MIN: usize = 150;
/// A line's bytes beside the record's texts, at most, without escapes.
const LINE_BYTES_EXTRA: usize = 192;

/// Makes pages, and knows what they take.
pub(crate) struct Pages {
    /// Bytes on a page at most, unless one line is longer.
    page_bytes: usize,
    /// Bytes taken. Added to by who makes a page, subtracted from by who drops
    /// the last of it.
    taken: AtomicUsize,
    recent: Mutex<VecDeque<Weak<Reading>>>,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    Archive(#[from] ReadError),
    #[error("the pages being sent take all the room there is for them")]
    Full,
}

/// Room that a page takes; given back when dropped.
pub(crate) struct Room {
    pages: Arc<Pages>,
    bytes: usize,
}

/// A read, under way or done, and who waits for it.
pub(crate) struct Reading {
    after: u64,
    limit: usize,
    result: OnceLock<Result<Page, Unread>>,
    waiting: Mutex<Vec<Waker>>,
}

/// Lines in the order of their sequences.
struct Page {
    /// What comes before the first line.
    after: u64,
    bytes: Box<[u8]>,
    lines: Box<[Line]>,
    _room: Room,
}

struct Line {
    seq: u64,
    /// Where it ends in the page.
    end: usize,
}

/// A part of a page, whole lines; it keeps the page.
#[derive(Clone)]
pub(crate) struct Slice {
    reading: Arc<Reading>,
    range: Range<usize>,
}

impl Pages {
    /// Makes pages of at most so many bytes.
    pub(crate) fn new(page_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            page_bytes,
            taken: AtomicUsize::new(0),
            recent: Mutex::default(),
        })
    }

    /// Takes room; `None` if there is none. One page alone always has room.
    pub(crate) fn room(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        let pages = self.clone();
        let room = Room { pages, bytes };
        (before == 0 || before + bytes <= BUDGET_BYTES).then_some(room)
    }

    /// Reads what comes after `after`, of which there is some, or joins a read
    /// that brings it. `waker` is called when it is done, unless it is already.
    pub(crate) fn read(
        self: &Arc<Self>,
        admission: &Admission,
        after: u64,
        limit: usize,
        waker: &Waker,
    ) -> Arc<Reading> {
        let (reading, found) = self.find_or_begin(after, limit);
        if !found {
            let lines_max = limit.min((self.page_bytes / LINE_BYTES_MIN).max(1));
            let (pages, read) = (self.clone(), reading.clone());
            let reply = move |records: ReadRange| {
                let made = records.map_err(Unread::from);
                let made = made.and_then(|records| pages.page(after, &records));
                read.complete(made);
            };
            admission.read_range(after, lines_max, self.page_bytes, reply);
        }
        reading.wake_when_done(waker);
        reading
    }

    /// A read that serves, or a new one; and whether it was there.
    fn find_or_begin(&self, after: u64, limit: usize) -> (Arc<Reading>, bool) {
        let mut recent = self.recent();
        let held = recent.iter().rev().filter_map(Weak::upgrade);
        if let Some(found) = held.into_iter().find(|held| held.serves(after, limit)) {
            return (found, true);
        }
        let begun = Arc::new(Reading {
            after,
            limit,
            result: OnceLock::new(),
            waiting: Mutex::default(),
        });
        recent.push_back(Arc::downgrade(&begun));
        if recent.len() > RECENT_MAX {
            recent.pop_front();
        }
        (begun, false)
    }

    fn page(self: &Arc<Self>, after: u64, records: &[Arc<Record>]) -> Result<Page, Unread> {
        let texts = records
            .iter()
            .map(|record| record.text_bytes() + LINE_BYTES_EXTRA);
        let mut bytes = Vec::with_capacity(texts.sum::<usize>().min(self.page_bytes));
        let mut lines = Vec::with_capacity(records.len());
        for record in records {
            let start = bytes.len();
            write_line(record, &mut bytes);
            bytes.push(b'\n');
            if start > 0 && bytes.len() > self.page_bytes {
                bytes.truncate(start);
                break;
            }
            lines.push(Line {
                seq: record.outcome.seq,
                end: bytes.len(),
            });
        }
        let taken = bytes.len() + lines.len() * size_of::<Line>();
        Ok(Page {
            _room: self.room(taken).ok_or(Unread::Full)?,
            after,
            bytes: bytes.into_boxed_slice(),
            lines: lines.into_boxed_slice(),
        })
    }

    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.recent().len()
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Weak<Reading>>> {
        // Pushed to and popped from: never half done.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.pages.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Reading {
    /// Whether a reader at `after` is served by it. Who wants fewer lines than
    /// were asked for takes a part; who wants more doesn't come in.
    fn serves(&self, after: u64, limit: usize) -> bool {
        limit <= self.limit
            && match self.result.get() {
                None => self.after == after,
                Some(Ok(page)) => {
                    page.after <= after && page.lines.last().is_some_and(|last| after < last.seq)
                }
                Some(Err(_)) => false,
            }
    }

    /// The lines for a reader at `after`, once they are there. Empty if the
    /// read brought nothing.
    pub(crate) fn slice(
        self: &Arc<Self>,
        after: u64,
        limit: usize,
    ) -> Option<Result<Slice, &Unread>> {
        Some(self.result.get()?.as_ref().map(|page| {
            let first = page.lines.partition_point(|line| line.seq <= after);
            let end_of = |line: usize| page.lines[..line].last().map_or(0, |line| line.end);
            let last = page.lines.len().min(first.saturating_add(limit));
            Slice {
                reading: self.clone(),
                range: end_of(first)..end_of(last),
            }
        }))
    }

    fn complete(&self, made: Result<Page, Unread>) {
        let fresh = self.result.set(made).is_ok();
        debug_assert!(fresh, "an archive answers once");
        let waiting = std::mem::take(&mut *self.waiting());
        for waker in &waiting {
            waker.wake_by_ref();
        }
    }

    /// The waker is listed before its owner looks at the result, and the list
    /// is emptied after the result is set: one of the two sees the other.
    fn wake_when_done(&self, waker: &Waker) {
        let mut waiting = self.waiting();
        if self.result.get().is_none() {
            waiting.push(waker.clone());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slice {
    /// Its lines.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self.reading.result.get() {
            Some(Ok(page)) => &page.bytes[self.range.clone()],
            _ => unreachable!("a slice is made of a page that is there"),
        }
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.range.len())
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Slice {}
