//! What segments there are, where in them which sequence stands, and how far
//! the journal is durable: what the writer, the readers and retention share.
//!
//! The writer locks it when it changes segments, and never for a batch; a
//! reader locks it to find a segment. What is durable is one atomic, which the
//! writer raises behind an fdatasync.
//!
//! Memory: some 60 bytes a segment, and for the [`INDEXED_MAX`] segments used
//! last an index of 8 bytes for [`SPACING`] bytes of journal: 8 MiB at most
//! with segments of 64 MiB. Other segments are indexed when they are read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of journal that one entry of an index stands for, at least.
pub(super) const SPACING: u64 = 64 << 10;
/// Segments whose index is kept.
const INDEXED_MAX: usize = 1024;

/// Where the frames of one segment start, about one for [`SPACING`] bytes.
/// One thread adds; any number look up.
pub(super) struct Index {
    /// Sequences from the segment's first in the high half, offset in the low.
    entries: Box<[AtomicU64]>,
    len: AtomicUsize,
}

/// A segment with a header.
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) first_seq: u64,
    index: Mutex<Option<Arc<Index>>>,
}

/// The segments and what is durable in them.
pub(super) struct SegmentIndex {
    segment_bytes: u64,
    lists: Mutex<Lists>,
    /// The last sequence that is durable, 0: none.
    last_seq: AtomicU64,
    /// The first sequence that is kept. Changed under the lock.
    oldest_seq: AtomicU64,
    /// Outcomes after this sequence are not removed, whatever the window.
    needed_after: AtomicU64,
}

#[derive(Default)]
struct Lists {
    /// In the order of their numbers, without gaps.
    segments: VecDeque<Arc<Segment>>,
    /// Those that have an index, longest ago first.
    indexed: VecDeque<Arc<Segment>>,
}

/// Where to look for a sequence.
pub(super) struct Place {
    pub(super) segment: Arc<Segment>,
    /// The first sequence that is in a later segment.
    pub(super) end_seq: u64,
}

impl Index {
    pub(super) fn new(segment_bytes: u64) -> Arc<Self> {
        let entries = segment_bytes / SPACING + 1;
        Arc::new(Self {
            entries: (0..entries).map(|_| AtomicU64::new(0)).collect(),
            len: AtomicUsize::new(0),
        })
    }

    /// Notes a frame, unless the last one noted is near. Frames come in order;
    /// one thread at a time.
    pub(super) fn note(&self, seq_from_first: u64, offset: u32) {
        let len = self.len.load(Ordering::Relaxed);
        if len > 0 {
            let last = self.entries[len - 1].load(Ordering::Relaxed) as u32;
            if u64::from(offset - last) < SPACING {
                return;
            }
        }
        // Frames that far apart are no more than the entries; and a segment of
        // 2³² bytes has fewer than 2³² records.
        let entry = seq_from_first << 32 | u64::from(offset);
        self.entries[len].store(entry, Ordering::Relaxed);
        // Pairs with the Acquire load in `floor`.
        self.len.store(len + 1, Ordering::Release);
    }

    /// The last noted frame that starts with this sequence or one before it.
    pub(super) fn floor(&self, seq_from_first: u64) -> Option<u32> {
        // Pairs with the Release store in `note`.
        let len = self.len.load(Ordering::Acquire);
        let entries = &self.entries[..len];
        let after =
            entries.partition_point(|entry| entry.load(Ordering::Relaxed) >> 32 <= seq_from_first);
        let entry = entries.get(after.checked_sub(1)?)?;
        Some(entry.load(Ordering::Relaxed) as u32)
    }
}

impl Segment {
    pub(super) fn new(number: u32, first_seq: u64, index: Option<Arc<Index>>) -> Self {
        Self {
            number,
            first_seq,
            index: Mutex::new(index),
        }
    }

    pub(super) fn index(&self) -> Option<Arc<Index>> {
        self.index_slot().clone()
    }

    fn index_slot(&self) -> MutexGuard<'_, Option<Arc<Index>>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SegmentIndex {
    /// A catalogue of these segments, the last durable sequence being
    /// `last_seq`.
    pub(super) fn new(segment_bytes: u64, segments: Vec<Segment>, last_seq: u64) -> Self {
        let oldest = segments.first().map_or(1, |first| first.first_seq);
        let catalogue = Self {
            segment_bytes,
            lists: Mutex::default(),
            last_seq: AtomicU64::new(last_seq),
            oldest_seq: AtomicU64::new(oldest),
            needed_after: AtomicU64::new(u64::MAX),
        };
        for segment in segments {
            catalogue.add(segment);
        }
        catalogue
    }

    /// Adds the next segment.
    pub(super) fn add(&self, segment: Segment) {
        let segment = Arc::new(segment);
        let mut lists = self.lists();
        lists.segments.push_back(segment.clone());
        if segment.index().is_some() {
            lists.indexed(segment);
        }
    }

    /// Gives a segment the index that a reader has made.
    pub(super) fn set_index(&self, segment: &Arc<Segment>, index: Arc<Index>) {
        let fresh = segment.index_slot().replace(index).is_none();
        if fresh {
            self.lists().indexed(segment.clone());
        }
    }

    /// Makes everything up to `last_seq` visible to readers: it is durable.
    pub(super) fn publish(&self, last_seq: u64) {
        // Pairs with the Acquire load in `last_seq`: who sees the sequence
        // finds its segment, its index entry and its bytes.
        self.last_seq.store(last_seq, Ordering::Release);
    }

    /// The last sequence that may be read, 0: none.
    pub(super) fn last_seq(&self) -> u64 {
        // Pairs with the Release store in `publish`.
        self.last_seq.load(Ordering::Acquire)
    }

    /// The first sequence that may be read.
    pub(super) fn oldest_seq(&self) -> u64 {
        self.oldest_seq.load(Ordering::Relaxed)
    }

    /// The segment in which a sequence stands; `None` if it is no longer kept.
    pub(super) fn find(&self, seq: u64) -> Option<Place> {
        let lists = self.lists();
        let after = lists
            .segments
            .partition_point(|segment| segment.first_seq <= seq);
        let segment = lists.segments.get(after.checked_sub(1)?)?.clone();
        let end_seq = lists
            .segments
            .get(after)
            .map_or(u64::MAX, |next| next.first_seq);
        Some(Place { segment, end_seq })
    }

    /// Bytes that the segments take.
    pub(super) fn bytes(&self) -> u64 {
        self.lists().segments.len() as u64 * self.segment_bytes
    }

    /// Has no outcome after sequence `seq` removed; `u64::MAX`: any may be.
    pub(super) fn need_after(&self, seq: u64) {
        // Relaxed: set before segments are removed at all, and lifted when it
        // doesn't matter any more.
        self.needed_after.store(seq, Ordering::Relaxed);
    }

    /// Takes the oldest segment out if none of the last `window` outcomes is
    /// in it, none that is [needed](Self::need_after), nor the writer. The
    /// file is the caller's to remove.
    pub(super) fn pop_oldest(&self, window: u64) -> Option<u32> {
        let needed_from = self.needed_after.load(Ordering::Relaxed).saturating_add(1);
        let keep_from = (self.last_seq() + 1)
            .saturating_sub(window)
            .min(needed_from);
        let mut lists = self.lists();
        let second = lists.segments.get(1)?.first_seq;
        if second > keep_from {
            return None;
        }
        let oldest = lists.segments.pop_front()?;
        lists
            .indexed
            .retain(|indexed| indexed.number != oldest.number);
        self.oldest_seq.store(second, Ordering::Relaxed);
        Some(oldest.number)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        // Changed by single pushes and pops: never half done.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn indexed(&mut self, segment: Arc<Segment>) {
        self.indexed.push_back(segment);
        if self.indexed.len() > INDEXED_MAX
            && let Some(longest_ago) = self.indexed.pop_front()
        {
            longest_ago.index_slot().take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_the_frame_at_or_before() {
        let index = Index::new(1 << 20);
        assert_eq!(index.floor(0), None);
        for frame in 0..100 {
            index.note(frame * 10, 64 + frame as u32 * 10_000);
        }
        for seq in 0..1000 {
            let offset = index.floor(seq).unwrap();
            let frame = u64::from(offset - 64) / 10_000;
            assert!(frame * 10 <= seq, "{seq} is not before frame {frame}");
            assert!(seq - frame * 10 < 80, "{seq} is near frame {frame}");
        }
    }

    #[test]
    fn an_index_holds_a_whole_segment() {
        let index = Index::new(10 * SPACING);
        for offset in (64..10 * SPACING).step_by(8) {
            index.note(offset / 8, offset as u32);
        }
        assert_eq!(index.len.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn only_so_many_indices_are_kept() {
        let catalogue = SegmentIndex::new(1 << 20, Vec::new(), 0);
        let total = INDEXED_MAX as u32 + 10;
        for number in 1..=total {
            let index = Index::new(1 << 20);
            catalogue.add(Segment::new(number, number.into(), Some(index)));
        }
        catalogue.publish(total.into());
        let indexed = |seq| catalogue.find(seq).unwrap().segment.index().is_some();
        assert!(!indexed(10) && indexed(11));
        let first = catalogue.find(1).unwrap().segment;
        catalogue.set_index(&first, Index::new(1 << 20));
        assert!(indexed(1) && !indexed(11) && indexed(12));
    }

    #[test]
    fn retention_stops_at_the_window_and_at_the_writer() {
        let segments = (1..=4).map(|n| Segment::new(n, u64::from(n) * 10 - 9, None));
        let catalogue = SegmentIndex::new(1000, segments.collect(), 35);
        assert_eq!((catalogue.oldest_seq(), catalogue.bytes()), (1, 4000));
        assert_eq!(catalogue.pop_oldest(15), Some(1)); // 21 to 35 are the window
        assert_eq!(catalogue.pop_oldest(16), None);
        assert_eq!(catalogue.pop_oldest(15), Some(2));
        assert_eq!(catalogue.oldest_seq(), 21);
        assert!(catalogue.find(20).is_none());
        assert_eq!(catalogue.find(21).unwrap().end_seq, 31);
        catalogue.need_after(29);
        assert_eq!(catalogue.pop_oldest(0), None);
        catalogue.need_after(30);
        assert_eq!(catalogue.pop_oldest(0), Some(3));
        assert_eq!(catalogue.pop_oldest(0), None);
        assert_eq!(catalogue.find(31).unwrap().end_seq, u64::MAX);
    }
}
