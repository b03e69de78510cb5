//! Which segments there are, which sequences each holds, and how far the
//! journal is durable: shared by the writer, the readers and retention.
//!
//! The writer takes the lock to add a segment, never for a batch; a reader
//! takes it to find a segment. The durable sequence is one atomic, which the
//! writer advances after an fdatasync.
//!
//! The files that readers have opened are kept here, so that the space of a
//! segment that is removed is free as soon as a read under way is done, and
//! not when its reader comes to read another.
//!
//! Memory: some 60 bytes a segment, and for the [`INDEXED_MAX`] segments used
//! last a frame index of 8 bytes for [`SPACING`](super::frame_index::SPACING)
//! bytes of journal: 8 MiB at most with segments of 64 MiB. Other segments are
//! indexed when they are read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ledger::journal::frame_index::FrameIndex;
use crate::ledger::journal::storage::File;

/// Segments whose frame index is kept in memory.
const INDEXED_MAX: usize = 1024;
/// Segments that stay open for the next read: one for each reader, as a rule.
const OPEN_MAX: usize = 2;
const NOT_PINNED: u64 = u64::MAX;

/// A segment with a header.
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) first_seq: u64,
    index: Mutex<Option<Arc<FrameIndex>>>,
}

pub(crate) struct SegmentIndex {
    segment_bytes: u64,
    lists: Mutex<Lists>,
    /// The last durable sequence, 0: none.
    last_seq: AtomicU64,
    /// The first sequence of the first segment. Changed under the lock.
    oldest_seq: AtomicU64,
    /// Segments with outcomes after this sequence are not removed, whatever the
    /// window.
    pinned_after: AtomicU64,
}

#[derive(Default)]
struct Lists {
    /// In the order of their numbers, without gaps.
    segments: VecDeque<Arc<Segment>>,
    /// Those that have a frame index, least recently indexed first.
    indexed: VecDeque<Arc<Segment>>,
    /// Files of segments that were read last, the oldest read first.
    open: VecDeque<(u32, Arc<dyn File>)>,
}

/// The segment that holds a sequence.
pub(crate) struct Location {
    pub(crate) segment: Arc<Segment>,
    /// The first sequence in a later segment.
    pub(crate) end_seq: u64,
}

impl Segment {
    pub(crate) fn new(number: u32, first_seq: u64, index: Option<Arc<FrameIndex>>) -> Self {
        Self {
            number,
            first_seq,
            index: Mutex::new(index),
        }
    }

    pub(crate) fn index(&self) -> Option<Arc<FrameIndex>> {
        self.index_slot().clone()
    }

    fn index_slot(&self) -> MutexGuard<'_, Option<Arc<FrameIndex>>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SegmentIndex {
    pub(crate) fn new(segment_bytes: u64, segments: Vec<Segment>, last_seq: u64) -> Self {
        let oldest = segments.first().map_or(1, |first| first.first_seq);
        let index = Self {
            segment_bytes,
            lists: Mutex::default(),
            last_seq: AtomicU64::new(last_seq),
            oldest_seq: AtomicU64::new(oldest),
            pinned_after: AtomicU64::new(NOT_PINNED),
        };
        for segment in segments {
            index.add(segment);
        }
        index
    }

    /// Adds the next segment.
    pub(crate) fn add(&self, segment: Segment) {
        let segment = Arc::new(segment);
        let mut lists = self.lists();
        lists.segments.push_back(segment.clone());
        if segment.index().is_some() {
            lists.indexed(segment);
        }
    }

    /// Sets the frame index that a reader has made of a segment.
    pub(crate) fn set_index(&self, segment: &Arc<Segment>, index: Arc<FrameIndex>) {
        let fresh = segment.index_slot().replace(index).is_none();
        if fresh {
            self.lists().indexed(segment.clone());
        }
    }

    /// Makes everything up to `last_seq` visible to readers: it is durable.
    pub(crate) fn publish(&self, last_seq: u64) {
        // Pairs with the Acquire load in `last_seq`: a reader that sees the
        // sequence finds its segment, its index entry and its bytes.
        self.last_seq.store(last_seq, Ordering::Release);
    }

    /// The last sequence that may be read, 0: none.
    pub(crate) fn last_seq(&self) -> u64 {
        // Pairs with the Release store in `publish`.
        self.last_seq.load(Ordering::Acquire)
    }

    /// The first sequence that may be read.
    pub(crate) fn oldest_seq(&self) -> u64 {
        self.oldest_seq.load(Ordering::Relaxed)
    }

    /// The segment that holds a sequence; `None` if it has been removed.
    pub(crate) fn find(&self, seq: u64) -> Option<Location> {
        let lists = self.lists();
        let after = lists
            .segments
            .partition_point(|segment| segment.first_seq <= seq);
        let segment = lists.segments.get(after.checked_sub(1)?)?.clone();
        let end_seq = lists
            .segments
            .get(after)
            .map_or(u64::MAX, |next| next.first_seq);
        Some(Location { segment, end_seq })
    }

    /// The file of a segment, if a reader has left it open.
    pub(crate) fn open_file(&self, number: u32) -> Option<Arc<dyn File>> {
        let lists = self.lists();
        let mut open = lists.open.iter();
        open.find(|(opened, _)| *opened == number)
            .map(|(_, file)| file.clone())
    }

    /// Keeps the file of a segment open, unless that has been removed from the
    /// index meanwhile.
    pub(crate) fn keep_open(&self, number: u32, file: &Arc<dyn File>) {
        let mut lists = self.lists();
        let first = lists.segments.front().map_or(0, |first| first.number);
        let is_open = lists.open.iter().any(|(opened, _)| *opened == number);
        if number < first || is_open {
            return;
        }
        lists.open.push_back((number, file.clone()));
        if lists.open.len() > OPEN_MAX {
            lists.open.pop_front();
        }
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.lists().segments.len() as u64 * self.segment_bytes
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> u64 {
        self.lists().segments.len() as u64
    }

    /// Bytes of a segment that the writer has taken and not written to yet, if
    /// the one ahead is `next_number`.
    pub(crate) fn bytes_handed_out(&self, next_number: u32) -> u64 {
        let lists = self.lists();
        let last = lists.segments.back().map_or(0, |last| last.number);
        u64::from((next_number - 1).saturating_sub(last)) * self.segment_bytes
    }

    /// Keeps all outcomes after sequence `seq` from being removed, beside those
    /// that are pinned already. `false` if some of them are gone.
    pub(crate) fn pin_after(&self, seq: u64) -> bool {
        // Under the lock, for `pop_oldest`.
        let _lists = self.lists();
        self.pinned_after.fetch_min(seq, Ordering::Relaxed);
        self.oldest_seq() <= seq + 1
    }

    /// Lifts [`pin_after`](Self::pin_after).
    pub(crate) fn unpin(&self) {
        self.pinned_after.store(NOT_PINNED, Ordering::Relaxed);
    }

    /// Takes the oldest segment out of the index, unless it holds one of the
    /// last `window` outcomes or one that is [pinned](Self::pin_after), or is
    /// the one that is written to. The caller removes the file.
    pub(crate) fn pop_oldest(&self, window: u64) -> Option<u32> {
        let mut lists = self.lists();
        let second = self.removable_until(&lists, window)?;
        let oldest = lists.segments.pop_front()?;
        lists
            .indexed
            .retain(|indexed| indexed.number != oldest.number);
        lists.open.retain(|(opened, _)| *opened != oldest.number);
        self.oldest_seq.store(second, Ordering::Relaxed);
        Some(oldest.number)
    }

    /// The segment that [`pop_oldest`](Self::pop_oldest) would take out.
    pub(crate) fn oldest_removable(&self, window: u64) -> Option<Location> {
        let lists = self.lists();
        let end_seq = self.removable_until(&lists, window)?;
        let segment = lists.segments.front()?.clone();
        Some(Location { segment, end_seq })
    }

    /// Whether the newest `window` outcomes reach into the oldest segment, and
    /// there is another one.
    pub(crate) fn window_needs_oldest(&self, window: u64) -> bool {
        let lists = self.lists();
        let second = lists.segments.get(1);
        second.is_some_and(|second| second.first_seq + window > self.last_seq() + 1)
    }

    /// The first sequence behind the oldest segment, if that may be removed.
    fn removable_until(&self, lists: &Lists, window: u64) -> Option<u64> {
        let pinned_from = self.pinned_after.load(Ordering::Relaxed).saturating_add(1);
        let keep_from = (self.last_seq() + 1)
            .saturating_sub(window)
            .min(pinned_from);
        let second = lists.segments.get(1)?.first_seq;
        (second <= keep_from).then_some(second)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        // A poisoned list is consistent: it is changed by single pushes and
        // pops.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn indexed(&mut self, segment: Arc<Segment>) {
        self.indexed.push_back(segment);
        if self.indexed.len() > INDEXED_MAX
            && let Some(oldest) = self.indexed.pop_front()
        {
            oldest.index_slot().take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_frame_indices_are_kept() {
        let index = SegmentIndex::new(1 << 20, Vec::new(), 0);
        let total = INDEXED_MAX as u32 + 10;
        for number in 1..=total {
            let frames = FrameIndex::new(1 << 20);
            index.add(Segment::new(number, number.into(), Some(frames)));
        }
        index.publish(total.into());
        let indexed = |seq| index.find(seq).unwrap().segment.index().is_some();
        assert!(!indexed(10) && indexed(11));
        let first = index.find(1).unwrap().segment;
        index.set_index(&first, FrameIndex::new(1 << 20));
        assert!(indexed(1) && !indexed(11) && indexed(12));
    }

    #[test]
    fn retention_stops_at_the_window_and_at_the_writer() {
        let segments = (1..=4).map(|n| Segment::new(n, u64::from(n) * 10 - 9, None));
        let index = SegmentIndex::new(1000, segments.collect(), 35);
        assert_eq!((index.oldest_seq(), index.bytes()), (1, 4000));
        assert_eq!(index.pop_oldest(15), Some(1)); // 21 to 35 are the window
        assert_eq!(index.pop_oldest(16), None);
        assert_eq!(index.pop_oldest(15), Some(2));
        assert_eq!(index.oldest_seq(), 21);
        assert!(index.find(20).is_none());
        assert_eq!(index.find(21).unwrap().end_seq, 31);
        assert!(index.pin_after(29) && index.pin_after(30));
        assert_eq!(index.pop_oldest(0), None, "the earlier pin holds, too");
        assert!(!index.pin_after(19), "gone");
        index.unpin();
        assert!(index.pin_after(30));
        assert_eq!(index.pop_oldest(0), Some(3));
        assert_eq!(index.pop_oldest(0), None);
        assert_eq!(index.find(31).unwrap().end_seq, u64::MAX);
    }
}
