//! What of one segment can be proven.
//!
//! Frames are read one after the other, as recovery does. Where none decodes,
//! the next multiple of 8 is sought at which a frame does, or a record alone:
//! those of a frame whose head is damaged. A frame's head gives its position
//! and is valid nowhere else. A record gives none, but has a checksum, and
//! counts only where its bytes were durable.
//!
//! # What was durable
//!
//! Everything before the end that the next segment gives; without it, all in
//! front of the last frame whose head is whole, since one frame at a time is in
//! flight. So only that frame may be unproven. It counts if it is whole: recovery takes it for an outcome, too. If it isn't,
//! it may have been torn by a crash, its sequences given to other orders, and
//! its records are left alone.

use std::ops::Range;

use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, Position, RECORD_MIN, RecordView, SEGMENT_HEAD, Salt, decode_record,
};
use crate::ledger::journal::salvage::image::Image;

/// Everything starts at multiples of this.
const ALIGN: usize = 8;

/// An outcome that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its bytes in the segment.
    pub(super) range: Range<usize>,
    pub(super) seq: u64,
    pub(super) committed_at: u64,
    /// The time is not the frame's, whose head is damaged.
    pub(super) is_estimated: bool,
}

/// Bytes that don't decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) range: Range<usize>,
    pub(super) what: &'static str,
}

/// Outcomes and gaps, each in order.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) found: Vec<Found>,
    pub(super) gaps: Vec<Gap>,
    /// The last sequence that a frame's head names.
    pub(super) reached: u64,
}

/// Scans segment `number`, whose frames end at `end`, if that is known.
pub(super) fn scan(image: &Image, number: u32, end: Option<u64>, salt: Salt) -> Scan {
    let bytes = &image.bytes;
    let used = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let limit = end.map_or(bytes.len(), |end| bytes.len().min(end as usize));
    let mut scanner = Scanner {
        bytes: &bytes[..limit],
        used: used.min(limit),
        number,
        salt,
        scan: Scan::default(),
        durable: end.unwrap_or(0),
        last_frame: None,
    };
    scanner.walk(end.is_some());
    let mut scan = scanner.proven();
    for gap in &mut scan.gaps {
        if image.is_unreadable(&gap.range) {
            gap.what = "the disk can't read it";
        }
    }
    scan
}

struct Scanner<'a> {
    /// Up to the segment's end.
    bytes: &'a [u8],
    /// All behind is zero.
    used: usize,
    number: u32,
    salt: Salt,
    scan: Scan,
    /// Everything before this offset was durable.
    durable: u64,
    /// The last frame's head, and whether all its records decode.
    last_frame: Option<(FrameHead, bool)>,
}

impl Scanner<'_> {
    fn walk(&mut self, end_is_known: bool) {
        let mut at = SEGMENT_HEAD;
        while at < self.bytes.len() {
            if let Some(head) = self.frame_head(at) {
                self.frame(&head);
                at = head.end() as usize;
            } else if let Some((found, _)) = self.record(at..self.bytes.len()) {
                at = self.records_without_head(found);
            } else if let Some(next) = self.next_from(at + ALIGN) {
                self.gap(at..next, "no batch decodes");
                at = next;
            } else {
                let end = match end_is_known {
                    true => self.bytes.len(),
                    false => self.used,
                };
                self.gap(at..end, "no batch decodes");
                break;
            }
        }
    }

    /// The head of a frame at `at` that ends inside of the segment.
    fn frame_head(&self, at: usize) -> Option<FrameHead> {
        let here = Position {
            segment: self.number,
            offset: u32::try_from(at).ok()?,
        };
        let head = FrameHead::decode(self.bytes.get(at..)?, here, self.salt)?;
        let body_min = u64::from(head.count) * RECORD_MIN as u64;
        let plausible = head.end() <= self.bytes.len() as u64
            && u64::from(head.body_len) >= body_min
            && (head.count == 0) == (head.body_len == 0);
        plausible.then_some(head)
    }

    fn frame(&mut self, head: &FrameHead) {
        // One frame at a time was in flight.
        self.durable = self.durable.max(head.at.offset.into());
        let end_seq = head.first_seq.saturating_add(head.count.into());
        self.scan.reached = self.scan.reached.max(end_seq.saturating_sub(1));
        let body_end = head.end() as usize;
        let (mut at, mut seq) = (head.at.offset as usize + FRAME_HEAD, head.first_seq);
        let mut is_whole = true;
        while seq < end_seq || at < body_end {
            let next = (at..body_end).step_by(ALIGN).find_map(|from| {
                let (found, _) = self.record(from..body_end)?;
                (seq..end_seq).contains(&found.seq).then_some(found)
            });
            let from = next.as_ref().map_or(body_end, |found| found.range.start);
            if from > at || next.as_ref().is_none_or(|found| found.seq != seq) {
                is_whole = false;
                self.gap(at..from, "no order decodes");
            }
            let Some(found) = next else { break };
            (at, seq) = (found.range.end, found.seq + 1);
            self.scan.found.push(Found {
                committed_at: head.committed_at,
                is_estimated: false,
                ..found
            });
        }
        self.last_frame = Some((*head, is_whole));
    }

    /// The records from `first` on, one behind the other, of a frame whose head
    /// is damaged. The time of the commit was in it: the best guess is the time
    /// at which the last of them was admitted. Returns where they end.
    fn records_without_head(&mut self, first: Found) -> usize {
        let start = self.scan.found.len();
        let mut at = first.range.start;
        let mut latest = 0;
        while let Some((found, accepted_at)) = self.record(at..self.bytes.len()) {
            at = found.range.end;
            latest = latest.max(accepted_at);
            self.scan.found.push(found);
        }
        for found in &mut self.scan.found[start..] {
            found.committed_at = latest;
        }
        at
    }

    /// The record at the start of `range`, and when it was admitted.
    fn record(&self, range: Range<usize>) -> Option<(Found, u64)> {
        let (
            RecordView {
                seq, accepted_at, ..
            },
            len,
        ) = decode_record(self.bytes.get(range.clone())?, 0, self.salt)?;
        // Sequences run from 1, and another one follows.
        if !(1..u64::MAX).contains(&seq) {
            return None;
        }
        let found = Found {
            range: range.start..range.start + len,
            seq,
            committed_at: 0,
            is_estimated: true,
        };
        Some((found, accepted_at))
    }

    /// The first offset from `from` on at which a frame or a record decodes.
    fn next_from(&self, from: usize) -> Option<usize> {
        (from..self.used).step_by(ALIGN).find(|&at| {
            let is_frame = self.bytes[at] == 0xFF && self.frame_head(at).is_some();
            is_frame || self.record(at..self.bytes.len()).is_some()
        })
    }

    fn gap(&mut self, range: Range<usize>, what: &'static str) {
        if !range.is_empty() {
            self.scan.gaps.push(Gap { range, what });
        }
    }

    /// Leaves out what wasn't known to be durable: the end of the last frame if
    /// that isn't whole, and what lies behind it.
    fn proven(mut self) -> Scan {
        let mut end = self.durable as usize;
        let whole = self.last_frame.filter(|&(_, is_whole)| is_whole);
        if let Some((head, _)) = whole {
            end = end.max(head.end() as usize);
        }
        let proven = self
            .scan
            .found
            .partition_point(|found| found.range.end <= end);
        if proven < self.scan.found.len() {
            self.scan.found.truncate(proven);
            let start = match self.last_frame {
                Some((head, false)) => end.max(head.at.offset as usize),
                _ => end,
            };
            self.scan.gaps.retain(|gap| gap.range.end <= start);
            self.gap(start..self.used, "no whole batch, and none follows");
        }
        self.scan
    }
}
