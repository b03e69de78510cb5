//! Walks through the bytes of a segment.

use std::ops::Range;

use crate::ledger::journal::format::{
    FRAME_HEAD, FrameHead, RecordView, SEGMENT_HEAD, Salt, decode_record,
};
use crate::ledger::journal::limits::RECORD_BYTES_MAX;
use crate::ledger::journal::salvage::found::{Bounds, Found, Gap, Scan};
use crate::ledger::journal::salvage::misplaced::Misplaced;

/// Everything starts at multiples of this.
const ALIGN: usize = 8;
const ELSEWHERE: &str = "it belongs elsewhere in the journal";

pub(super) struct Scanner<'a> {
    /// Up to the segment's end, as far as the file goes.
    bytes: &'a [u8],
    /// All behind is zero.
    used: usize,
    number: u32,
    bounds: Bounds,
    salt: Salt,
    scan: Scan,
    /// What was found from here on is behind the last frame with a head.
    headless: usize,
    /// Everything before this offset was durable.
    durable: u64,
    /// The last frame's head, and whether all its records decode.
    last_frame: Option<(FrameHead, bool)>,
}

impl<'a> Scanner<'a> {
    /// All behind `used` is zero.
    pub(super) fn new(
        bytes: &'a [u8],
        used: usize,
        number: u32,
        bounds: Bounds,
        salt: Salt,
    ) -> Self {
        let limit = bounds.end.unwrap_or(bounds.size);
        let limit = bytes.len().min(limit as usize);
        Self {
            bytes: &bytes[..limit],
            used: used.min(limit),
            number,
            bounds,
            salt,
            scan: Scan::default(),
            headless: 0,
            durable: bounds.end.unwrap_or(0),
            last_frame: None,
        }
    }

    pub(super) fn run(mut self) -> Scan {
        self.walk();
        if let Some(seq) = self.bounds.next_seq {
            self.only_before(seq);
        }
        self.proven()
    }

    fn walk(&mut self) {
        let mut at = SEGMENT_HEAD;
        if let Some(misplaced) = Misplaced::segment(self.bytes, self.number) {
            at = self.misplaced(at, misplaced);
        }
        while at < self.bytes.len() {
            if let Some(head) = self.frame_head(at) {
                at = match self.belongs_at(at, &head) {
                    true => self.frame(&head),
                    false => self.misplaced(at, Misplaced::frame(at, &head)),
                };
            } else if let Some((found, _)) = self.record(at..self.bytes.len()) {
                at = self.records_without_head(found);
            } else if let Some(next) = self.next_from(at + ALIGN) {
                self.gap(at..next, "no batch decodes");
                at = next;
            } else {
                let end = match self.bounds.end {
                    Some(_) => self.bytes.len(),
                    None => self.used,
                };
                self.gap(at..end, "no batch decodes");
                break;
            }
        }
    }

    /// The head of a frame at `at`, whatever position it names.
    fn frame_head(&self, at: usize) -> Option<FrameHead> {
        FrameHead::decode_anywhere(self.bytes.get(at..)?, self.salt)
    }

    /// Whether it names this position, and ends inside of the segment.
    fn belongs_at(&self, at: usize, head: &FrameHead) -> bool {
        head.at.segment == self.number
            && head.at.offset as usize == at
            && head.is_possible(self.bounds.end.unwrap_or(self.bounds.size))
    }

    /// Steps over what was copied with a head that belongs elsewhere.
    fn misplaced(&mut self, at: usize, misplaced: Misplaced) -> usize {
        let end = self.end_of_misplaced(misplaced);
        self.gap(at..end, ELSEWHERE);
        end
    }

    fn end_of_misplaced(&self, mut misplaced: Misplaced) -> usize {
        while let Some(next) = self.next_from(misplaced.end)
            && let Some((found, _)) = self.record(next..self.bytes.len())
            && misplaced.takes(&found)
        {}
        misplaced.end
    }

    /// Leaves out, of the records behind the last frame, those that don't come
    /// before a sequence that does follow.
    fn only_before(&mut self, next_seq: u64) {
        for found in self.scan.found.split_off(self.headless) {
            if found.seq < next_seq {
                self.scan.found.push(found);
            } else {
                self.gap(found.range, ELSEWHERE);
            }
        }
        self.headless = self.scan.found.len();
    }

    /// Takes what decodes of a frame. Returns where that ends.
    fn frame(&mut self, head: &FrameHead) -> usize {
        self.only_before(head.first_seq);
        // One frame at a time was in flight.
        self.durable = self.durable.max(head.at.offset.into());
        let end_seq = head.end_seq();
        self.scan.reached = self.scan.reached.max(end_seq.saturating_sub(1));
        let mut end = head.end() as usize;
        // The file may have been cut inside of it.
        let body_end = end.min(self.bytes.len());
        let (mut at, mut seq) = (head.at.offset as usize + FRAME_HEAD, head.first_seq);
        let mut is_whole = end == body_end;
        while seq < end_seq || at < body_end {
            let next = self.next_in_frame(at..body_end, seq..end_seq);
            let follows = |found: &Found| found.range.start == at && found.seq == seq;
            if !next.as_ref().is_ok_and(follows) {
                is_whole = false;
                let from = next
                    .as_ref()
                    .map_or_else(|&behind| behind, |it| it.range.start);
                self.gap(at..from, "no order decodes");
            }
            match next {
                Ok(found) => {
                    (at, seq) = (found.range.end, found.seq + 1);
                    self.scan.found.push(Found {
                        committed_at: head.committed_at,
                        is_estimated: false,
                        ..found
                    });
                }
                Err(behind) => {
                    end = end.max(behind);
                    break;
                }
            }
        }
        self.last_frame = Some((*head, is_whole));
        self.headless = self.scan.found.len();
        end
    }

    /// The first record of these sequences in what is left of a frame's body,
    /// or where the search ended. What was written over the body together with
    /// a head of its own is not of this frame.
    fn next_in_frame(&self, body: Range<usize>, seqs: Range<u64>) -> Result<Found, usize> {
        let mut at = body.start;
        while at < body.end {
            if let Some(head) = self.frame_head(at) {
                at = self.end_of_misplaced(Misplaced::frame(at, &head));
                continue;
            }
            match self.record(at..body.end) {
                Some((found, _)) if seqs.contains(&found.seq) => return Ok(found),
                _ => at += ALIGN,
            }
        }
        Err(at.max(body.end))
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
        // No checksum of more than a record can have is worth the time.
        let end = range.end.min(range.start.saturating_add(RECORD_BYTES_MAX));
        let bytes = self.bytes.get(range.start..end)?;
        let (record, len) = decode_record(bytes, 0, self.salt)?;
        let RecordView {
            seq, accepted_at, ..
        } = record;
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
