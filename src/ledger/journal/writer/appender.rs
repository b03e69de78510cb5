//! Appends frames at the end of the journal, each durable before the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::ledger::Item;
use crate::ledger::journal::extent::{Extent, ExtentFile};
use crate::ledger::journal::file_names::{EXTENT, segment_name};
use crate::ledger::journal::format::{FrameHead, Salt, SegmentHead, VERSION};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::preallocator::SegmentSupply;
use crate::ledger::journal::segment_index::{Segment, SegmentIndex};
use crate::ledger::journal::storage::write_full;
use crate::ledger::journal::write_error::WriteError;
use crate::ledger::journal::writer::active_segment::{ActiveSegment, JournalEnd};
use crate::ledger::journal::writer::frame_buffer::FrameBuffer;
use crate::metrics::JournalMetrics;

/// How often a commit looks whether its segment still has a name: what it loses
/// if it has none is a few milliseconds of outcomes.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// A commit that takes longer is logged at debug level, with the time of each
/// step.
const SLOW_COMMIT: Duration = Duration::from_millis(20);

pub(crate) struct Appender {
    manifest: Manifest,
    salt: Salt,
    pub(super) end: JournalEnd,
    frame: FrameBuffer,
    index: Arc<SegmentIndex>,
    metrics: Arc<JournalMetrics>,
    supply: SegmentSupply,
    extent: ExtentFile,
    /// When the segment was last seen to have its name.
    checked: Option<Instant>,
}

impl Appender {
    pub(crate) fn new(
        manifest: Manifest,
        end: JournalEnd,
        index: Arc<SegmentIndex>,
        metrics: Arc<JournalMetrics>,
        supply: SegmentSupply,
        extent: ExtentFile,
    ) -> Self {
        Self {
            manifest,
            salt: Salt::of(manifest.ledger),
            end,
            frame: FrameBuffer::default(),
            index,
            metrics,
            supply,
            extent,
            checked: None,
        }
    }

    /// Where segments come from, and the signal to retry when the disk is full.
    pub(super) fn supply(&self) -> &SegmentSupply {
        &self.supply
    }

    /// Encodes a batch for [`commit`](Self::commit): as many of the first
    /// `items` as one frame takes. Returns how many; 0 if the first one is too
    /// long for any frame.
    pub(super) fn encode<'a, T: Item + 'a>(&mut self, items: impl Iterator<Item = &'a T>) -> usize {
        let segment_bytes = self.manifest.segment_bytes;
        self.frame
            .encode(items, self.end.next_seq, self.salt, segment_bytes)
    }

    /// Makes the encoded batch of `count` orders durable and visible to
    /// readers. Returns the time of the commit; the first sequence was
    /// `next_seq` before.
    pub(super) fn commit(&mut self, count: u32) -> Result<u64, WriteError> {
        let begun = Instant::now();
        let segment_bytes = self.manifest.segment_bytes;
        let active = match &mut self.end.active {
            Some(active) if active.fits(self.frame.frame_len(), segment_bytes) => active,
            full_or_none => full_or_none.insert(ActiveSegment::new(
                self.supply.take()?,
                self.end.next_seq,
                segment_bytes,
            )),
        };
        let position = active.frame_position();
        let frame = FrameHead {
            at: position,
            body_len: self.frame.body_len() as u32,
            count,
            first_seq: self.end.next_seq,
            committed_at: clock::unix_nanos(),
            durable: self.end.position,
        };
        let segment = SegmentHead {
            version: VERSION,
            ledger: self.manifest.ledger,
            number: active.number,
            first_seq: active.first_seq,
            previous_end: self.end.position,
        };
        let fresh = active.is_fresh();
        let bytes = self
            .frame
            .finish(fresh.then_some(&segment), &frame, self.salt);
        let times = write_and_sync(active, bytes, begun)?;
        if fresh
            || self
                .checked
                .is_none_or(|checked| begun - checked >= CHECK_INTERVAL)
        {
            check_linked(active)?;
            self.checked = Some(times.synced);
        }
        times.record(&self.metrics, count);

        let (seq, first_seq) = (self.end.next_seq, active.first_seq);
        active.index.add(seq - first_seq, position.offset);
        if fresh {
            let index = Some(active.index.clone());
            self.index
                .add(Segment::new(active.number, first_seq, index));
        }
        active.offset = frame.end() as u32; // within the segment: it fits
        self.end.position = active.frame_position();
        self.end.next_seq += u64::from(count);
        self.end.sealed = false;
        self.index.publish(self.end.next_seq - 1);
        self.frame.clear();
        Ok(frame.committed_at)
    }

    /// Stops the preallocator.
    pub(super) fn close(&mut self) {
        self.supply.close();
    }

    /// Records how far the journal has come, behind a seal.
    pub(super) fn record_extent(&self) {
        let extent = Extent {
            last_seq: self.end.next_seq - 1,
            has_segments: self.end.next_seq > 1 || self.end.active.is_some(),
        };
        if let Err(error) = self.extent.write(extent) {
            tracing::warn!("can't write {EXTENT}: {error}; what is committed is not affected");
        }
    }

    /// Records what is durable, in a frame without records. Without a seal,
    /// damage to the last frame can't be told from a torn write.
    pub(super) fn seal(&mut self) {
        let Some(active) = &mut self.end.active else {
            return;
        };
        if self.end.sealed || active.is_fresh() {
            return;
        }
        let head = FrameHead {
            at: self.end.position,
            body_len: 0,
            count: 0,
            first_seq: self.end.next_seq,
            committed_at: clock::unix_nanos(),
            durable: self.end.position,
        };
        let bytes = head.encode(self.salt);
        let sealed = write_full(&*active.file, &bytes, active.offset.into())
            .and_then(|()| active.file.sync());
        if let Err(error) = sealed {
            tracing::warn!("can't seal the journal: {error}; what is committed is not affected");
        }
    }
}

/// When the steps of a commit were done.
struct CommitTimes {
    begun: Instant,
    segment_ready: Instant,
    written: Instant,
    synced: Instant,
}

fn write_and_sync(
    active: &ActiveSegment,
    bytes: &[u8],
    begun: Instant,
) -> Result<CommitTimes, WriteError> {
    let name = || segment_name(active.number);
    let segment_ready = Instant::now();
    write_full(&*active.file, bytes, active.offset.into())
        .map_err(|error| WriteError::of(&format!("can't write to {}", name()), &error))?;
    let written = Instant::now();
    // Fatal whatever the error: the batch may be durable or not.
    active
        .file
        .sync()
        .map_err(|error| WriteError::Fatal(format!("fdatasync of {} failed: {error}", name())))?;
    Ok(CommitTimes {
        begun,
        segment_ready,
        written,
        synced: Instant::now(),
    })
}

/// Whether the segment still has its name. Whatever is written into a file
/// without one is gone when the process ends, fdatasync or not.
fn check_linked(active: &ActiveSegment) -> Result<(), WriteError> {
    match active.file.is_linked() {
        Ok(true) => Ok(()),
        Ok(false) => Err(WriteError::Fatal(format!(
            "{} was removed while it was written to, or the data directory with it",
            segment_name(active.number)
        ))),
        Err(error) => Err(WriteError::Fatal(format!(
            "can't look at {}: {error}",
            segment_name(active.number)
        ))),
    }
}

impl CommitTimes {
    fn record(&self, metrics: &JournalMetrics, orders: u32) {
        let Self {
            begun,
            segment_ready,
            written,
            synced,
        } = *self;
        metrics.commit.record(synced - segment_ready);
        metrics.batch_orders.record_value(orders.into());
        if synced - begun >= SLOW_COMMIT {
            tracing::debug!(
                orders,
                total_us = (synced - begun).as_micros() as u64,
                segment_us = (segment_ready - begun).as_micros() as u64,
                write_us = (written - segment_ready).as_micros() as u64,
                sync_us = (synced - written).as_micros() as u64,
                "a commit took long"
            );
        }
    }
}
