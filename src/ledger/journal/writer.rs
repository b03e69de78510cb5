//! The write side: batches in, one write and one fdatasync each, receipts out.
//!
//! One frame is in flight at a time: written, then synced, and only then the
//! next one is written. Recovery rests on that.
//!
//! No space: the frame is forgotten, as if it had not been tried; its orders
//! are kept and tried again at the same place, and meanwhile there is no room
//! for others. A part of it that did reach the disk is no frame, and is
//! overwritten by the next at that place, or cut by recovery.
//!
//! Any other failure, of an fdatasync above all, is final: what is on disk is
//! not known then, and no second fdatasync can tell (Rebello et al., "Can
//! Applications Recover from fsync Failures?", 2020). Nothing is written any
//! more. Orders without an outcome get receipts in doubt, so that whoever
//! waits for them hears so at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, Position, SEGMENT_HEAD, Salt, SegmentHead, segment_name,
};
use crate::ledger::journal::health::{Health, State};
use crate::ledger::journal::lock::Lock;
use crate::ledger::journal::preallocator::{Background, Handover, Stop};
use crate::ledger::journal::segment_index::{Index, Segment, SegmentIndex};
use crate::ledger::journal::storage::{File, write_full};
use crate::ledger::journal::{BATCH_BYTES_MAX, BATCH_ORDERS_MAX, RECORD_BYTES_MAX, record};
use crate::ledger::{CommitResult, Completion, Item, Ledger, LedgerFailed, LedgerId};

/// A commit that takes so long is told in the log, at debug level, with what it
/// spent its time on.
const SLOW: Duration = Duration::from_millis(20);

/// The segment that is written to.
pub(super) struct Current {
    pub(super) number: u32,
    pub(super) first_seq: u64,
    pub(super) file: Box<dyn File>,
    /// Where the next frame goes; 0: the header isn't written yet.
    pub(super) offset: u32,
    pub(super) index: Arc<Index>,
}

/// The journal's write side. Dropping it ends the preparer, and writes a seal,
/// which lets the next start tell all damage from a torn write.
pub struct JournalLedger<T> {
    pub(super) ledger: LedgerId,
    pub(super) salt: Salt,
    pub(super) segment_bytes: u64,
    /// `None` at first, and when the last segment was cut.
    pub(super) current: Option<Current>,
    /// Where the journal ends; all before it is durable.
    pub(super) end: Position,
    pub(super) next_seq: u64,
    /// The last frame is a seal, or there is none.
    pub(super) sealed: bool,
    /// Without an outcome: empty but while there is no space.
    pub(super) pending: VecDeque<T>,
    pub(super) done: Vec<Completion<T>>,
    /// Room for a segment's header, a frame's head, and the records.
    pub(super) buffer: Vec<u8>,
    pub(super) failed: Option<String>,
    pub(super) catalogue: Arc<SegmentIndex>,
    pub(super) health: Arc<Health>,
    pub(super) handover: Arc<Handover>,
    pub(super) background: Option<Background>,
    pub(super) _lock: Option<Arc<Lock>>,
}

/// What the first part of `pending` comes to.
enum Next {
    /// So many orders are encoded in the buffer.
    Frame(usize),
    /// The first order fits into no frame.
    TooLong,
}

impl<T: Item> JournalLedger<T> {
    fn commit_pending(&mut self) {
        while self.failed.is_none() && !self.pending.is_empty() {
            let orders = match self.encode() {
                Next::Frame(orders) => orders,
                Next::TooLong => {
                    self.give_up(1);
                    continue;
                }
            };
            match self.commit(orders as u32) {
                Ok(at) => self.committed(orders, at),
                Err(why) => return self.stop(why),
            }
        }
        if self.health.state() == State::Full && self.failed.is_none() {
            tracing::info!("the journal has space again");
            self.health.set(State::Ok, "");
            self.handover.set_writer_full(false);
        }
    }

    /// Encodes a frame's worth of pending orders.
    fn encode(&mut self) -> Next {
        let heads = SEGMENT_HEAD + FRAME_HEAD;
        // Behind the last frame there is always place for a seal.
        let body_max = (self.segment_bytes as usize - heads - FRAME_HEAD).min(RECORD_BYTES_MAX);
        self.buffer.clear();
        self.buffer.resize(heads, 0);
        let mut orders = 0;
        for item in self.pending.iter().take(BATCH_ORDERS_MAX) {
            let len = record::encoded_len(item);
            if len > body_max {
                break;
            }
            let body = self.buffer.len() - heads + len;
            if orders > 0 && body > BATCH_BYTES_MAX.min(body_max) {
                break;
            }
            let seq = self.next_seq + orders as u64;
            record::encode(&mut self.buffer, seq, item, self.salt);
            orders += 1;
        }
        if orders == 0 {
            Next::TooLong
        } else {
            Next::Frame(orders)
        }
    }

    /// Commits what `encode` has left in the buffer; says when.
    fn commit(&mut self, count: u32) -> Result<u64, Stop> {
        let frame_len = (self.buffer.len() - SEGMENT_HEAD) as u64;
        let begun = Instant::now();
        let mut current = match self.current.take() {
            Some(current)
                if u64::from(current.offset) + frame_len + FRAME_HEAD as u64
                    <= self.segment_bytes =>
            {
                current
            }
            full => match self.next_segment() {
                Ok(next) => next,
                Err(why) => {
                    self.current = full;
                    return Err(why);
                }
            },
        };
        let written = self.write(&mut current, count, begun);
        self.current = Some(current);
        written
    }

    fn next_segment(&mut self) -> Result<Current, Stop> {
        if let Some(background) = &mut self.background
            && background.is_inline()
        {
            background.let_prepare(&self.handover);
        }
        let prepared = self.handover.take()?;
        if let Some(background) = &mut self.background {
            background.let_prepare(&self.handover);
        }
        Ok(Current {
            number: prepared.number,
            first_seq: self.next_seq,
            file: prepared.file,
            offset: 0,
            index: Index::new(self.segment_bytes),
        })
    }

    /// Writes the frame in the buffer to `current` and syncs it. The commit was
    /// begun before its segment was had.
    fn write(&mut self, current: &mut Current, count: u32, begun: Instant) -> Result<u64, Stop> {
        let fresh = current.offset == 0;
        let offset = if fresh {
            SEGMENT_HEAD as u32
        } else {
            current.offset
        };
        let committed_at = clock::unix_nanos();
        let head = FrameHead {
            at: Position {
                segment: current.number,
                offset,
            },
            body: (self.buffer.len() - SEGMENT_HEAD - FRAME_HEAD) as u32,
            count,
            first_seq: self.next_seq,
            committed_at,
            durable: self.end,
        };
        self.buffer[SEGMENT_HEAD..SEGMENT_HEAD + FRAME_HEAD]
            .copy_from_slice(&head.encode(self.salt));
        let mut bytes = &self.buffer[SEGMENT_HEAD..];
        if fresh {
            let segment = SegmentHead {
                ledger: self.ledger,
                number: current.number,
                first_seq: current.first_seq,
                previous_end: self.end,
            };
            self.buffer[..SEGMENT_HEAD].copy_from_slice(&segment.encode());
            bytes = &self.buffer;
        }
        let name = || segment_name(current.number);
        let start = Instant::now();
        write_full(&*current.file, bytes, current.offset.into())
            .map_err(|error| Stop::of(&format!("can't write to {}", name()), &error))?;
        let wrote = Instant::now();
        // Whatever the error: the batch may be there or not.
        current
            .file
            .sync()
            .map_err(|error| Stop::Failed(format!("fdatasync of {} failed: {error}", name())))?;

        let metrics = self.health.metrics();
        let done = Instant::now();
        metrics.commit.record(done - start);
        metrics.batch_orders.record_value(count.into());
        if done - begun >= SLOW {
            tracing::debug!(
                orders = count,
                total_us = (done - begun).as_micros() as u64,
                segment_us = (start - begun).as_micros() as u64,
                write_us = (wrote - start).as_micros() as u64,
                sync_us = (done - wrote).as_micros() as u64,
                "a commit took long"
            );
        }
        current
            .index
            .note(self.next_seq - current.first_seq, offset);
        if fresh {
            let index = Some(current.index.clone());
            self.catalogue
                .add(Segment::new(current.number, current.first_seq, index));
        }
        current.offset = head.end() as u32; // within the segment: checked in `commit`
        self.end = Position {
            segment: current.number,
            offset: current.offset,
        };
        self.next_seq += u64::from(count);
        self.sealed = false;
        self.catalogue.publish(self.next_seq - 1);
        Ok(committed_at)
    }

    fn committed(&mut self, orders: usize, at: u64) {
        let first = self.next_seq - orders as u64;
        for (item, seq) in self.pending.drain(..orders).zip(first..) {
            let result = CommitResult::Committed { seq, at };
            self.done.push(Completion { item, result });
        }
        // One long order must not hold its memory for ever.
        self.buffer.clear();
        self.buffer.shrink_to(2 * BATCH_BYTES_MAX);
    }

    fn stop(&mut self, why: Stop) {
        match why {
            Stop::Full(why) => {
                if self.health.state() == State::Ok {
                    tracing::error!("no space: {why}; orders are refused until there is some");
                    self.health.set(State::Full, &why);
                    self.handover.set_writer_full(true);
                }
            }
            Stop::Failed(why) => {
                self.health.set(State::Failed, &why);
                self.failed = Some(why);
                self.give_up(self.pending.len());
            }
        }
    }

    /// The first `orders` pending ones get no outcome.
    fn give_up(&mut self, orders: usize) {
        let result = CommitResult::InDoubt;
        let receipts = self.pending.drain(..orders).map(|item| Completion {
            item,
            result: result.clone(),
        });
        self.done.extend(receipts);
    }
}

impl<T: Item> Ledger<T> for JournalLedger<T> {
    fn is_full(&self) -> bool {
        self.health.state() == State::Full
    }

    /// 0 while there is no space, and after a failure.
    fn capacity_left(&self) -> usize {
        if self.failed.is_some() || !self.pending.is_empty() {
            0
        } else {
            BATCH_ORDERS_MAX
        }
    }

    /// Blocks for a commit: for several, if the orders are long. An order that
    /// is too long for any segment is in doubt; admission must not let one in.
    fn append(&mut self, batch: &mut Vec<T>) {
        self.pending.extend(batch.drain(..));
        if self.failed.is_some() {
            self.give_up(self.pending.len());
        } else {
            self.commit_pending();
        }
    }

    /// While there was no space, and the preparer says that there may be now,
    /// this blocks for a commit.
    fn completions(&mut self, done: &mut Vec<Completion<T>>) -> Result<(), LedgerFailed> {
        if !self.pending.is_empty() {
            let inline = self.background.as_ref().is_some_and(Background::is_inline);
            if inline || self.handover.may_try_again() {
                self.commit_pending();
            }
        }
        done.append(&mut self.done);
        match &self.failed {
            Some(why) => Err(LedgerFailed(why.clone())),
            None => Ok(()),
        }
    }

    /// Those for which there was no space.
    fn reclaim(&mut self, items: &mut Vec<T>) {
        items.extend(self.pending.drain(..));
    }
}

impl<T> Drop for JournalLedger<T> {
    fn drop(&mut self) {
        if let Some(background) = self.background.take() {
            background.end(&self.handover);
        }
        self.seal();
    }
}

impl<T> JournalLedger<T> {
    /// Says what is durable, in a frame without records. Without a seal, the
    /// last frame can't be told from one that was being written.
    fn seal(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        if self.failed.is_some() || self.sealed || current.offset == 0 {
            return;
        }
        let head = FrameHead {
            at: self.end,
            body: 0,
            count: 0,
            first_seq: self.next_seq,
            committed_at: clock::unix_nanos(),
            durable: self.end,
        };
        let sealed = write_full(
            &*current.file,
            &head.encode(self.salt),
            current.offset.into(),
        )
        .and_then(|()| current.file.sync());
        if let Err(error) = sealed {
            tracing::warn!("can't seal the journal: {error}; what is committed is not affected");
        }
    }
}
