//! Where the frames of one segment start: a sparse index, about one entry for
//! [`SPACING`] bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Least bytes of journal between two entries.
pub(crate) const SPACING: u64 = 64 << 10;

/// One thread adds; any number look up.
pub(crate) struct FrameIndex {
    /// Sequences from the segment's first in the high half, offset in the low.
    entries: Box<[AtomicU64]>,
    len: AtomicUsize,
}

impl FrameIndex {
    pub(crate) fn new(segment_bytes: u64) -> Arc<Self> {
        let entries = segment_bytes / SPACING + 1;
        Arc::new(Self {
            entries: (0..entries).map(|_| AtomicU64::new(0)).collect(),
            len: AtomicUsize::new(0),
        })
    }

    /// Adds a frame, unless the last one added is near. Frames come in order,
    /// from one thread at a time.
    pub(crate) fn add(&self, seq_from_first: u64, offset: u32) {
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

    /// The last indexed frame that starts with this sequence or one before it.
    pub(crate) fn floor(&self, seq_from_first: u64) -> Option<u32> {
        // Pairs with the Release store in `add`.
        let len = self.len.load(Ordering::Acquire);
        let entries = &self.entries[..len];
        let after =
            entries.partition_point(|entry| entry.load(Ordering::Relaxed) >> 32 <= seq_from_first);
        let entry = entries.get(after.checked_sub(1)?)?;
        Some(entry.load(Ordering::Relaxed) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_at_or_before_a_sequence_is_found() {
        let index = FrameIndex::new(1 << 20);
        assert_eq!(index.floor(0), None);
        for frame in 0..100 {
            index.add(frame * 10, 64 + frame as u32 * 10_000);
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
        let index = FrameIndex::new(10 * SPACING);
        for offset in (64..10 * SPACING).step_by(8) {
            index.add(offset / 8, offset as u32);
        }
        assert_eq!(index.len.load(Ordering::Relaxed), 10);
    }
}
