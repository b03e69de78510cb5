//! All segments in order: which runs of sequences are there, and what is
//! missing between them.

use std::ops::Range;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::format::SEGMENT_HEAD;
use crate::ledger::journal::salvage::found::{Bounds, Found};
use crate::ledger::journal::salvage::image::Image;
use crate::ledger::journal::salvage::layout::Layout;
use crate::ledger::journal::salvage::report::{Damage, Lost, Run};
use crate::ledger::journal::salvage::scan::scan;

/// Receives an outcome that counts: the bytes of its record, and the index of
/// its run.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&Found, &[u8], usize) -> Result<(), OpenError>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    pub(super) runs: Vec<Run>,
    pub(super) damages: Vec<Damage>,
    pub(super) lost: Vec<Lost>,
    pub(super) times_estimated: u64,
    /// The sequence of the next outcome, if it is known.
    next: Option<u64>,
    /// The damages since the last outcome are those from here on.
    open: usize,
    /// A sequence that was reached.
    reached: u64,
}

impl Survey {
    /// Reads every segment.
    pub(super) fn run(layout: &Layout<'_>, visit: Visit<'_>) -> Result<Self, OpenError> {
        let mut survey = Self {
            next: layout.first_seq(),
            reached: layout.reached(),
            ..Self::default()
        };
        let mut expected = None;
        for &number in layout.segments.keys() {
            survey.missing(layout, expected.unwrap_or(number)..number);
            survey.segment(layout, number, visit)?;
            expected = number.checked_add(1);
        }
        Ok(survey)
    }

    /// Adds what is missing behind the last outcome of a journal that has
    /// `reached` a sequence. Whether it went further is not known behind
    /// damage, and without its extent.
    pub(super) fn finish(&mut self, reached: u64, has_extent: bool) {
        let reached = self.reached.max(reached);
        let is_uncertain = !has_extent || self.open < self.damages.len();
        if self.next.unwrap_or(1) <= reached {
            self.lose(Lost {
                first_seq: self.next,
                last_seq: Some(reached),
            });
            self.next = Some(reached + 1);
        }
        if is_uncertain {
            let lost = Lost {
                first_seq: self.next,
                last_seq: None,
            };
            self.lose(lost);
        }
    }

    /// One damage for all, however many a stray file makes of them.
    fn missing(&mut self, layout: &Layout<'_>, numbers: Range<u32>) {
        let size = layout.files.manifest.segment_bytes;
        let bytes = size.saturating_mul(numbers.len() as u64);
        match numbers.len() {
            0 => {}
            1 => self.damage(numbers.start, 0, bytes, "it is missing"),
            many => {
                let what = format!("it is missing, and {} more behind it", many - 1);
                self.damage(numbers.start, 0, bytes, what);
            }
        }
    }

    fn segment(
        &mut self,
        layout: &Layout<'_>,
        number: u32,
        visit: Visit<'_>,
    ) -> Result<(), OpenError> {
        let size = layout.files.manifest.segment_bytes;
        let file = layout.files.open(number)?;
        let image = Image::read(&*file, size).map_err(OpenError::segment_io(number, "read"))?;
        let start = &layout.segments[&number];
        if let Some(other) = start.foreign {
            let what = format!("it belongs to ledger {other}");
            self.damage(number, 0, image.len, what);
            return Ok(());
        }
        let end = layout.end_of(number);
        let is_unused = image.bytes.iter().all(|&byte| byte == 0) && image.unreadable.is_empty();
        if start.head.is_none() && (end.is_some() || !is_unused) {
            self.damage(number, 0, SEGMENT_HEAD as u64, "no header of a segment");
        }
        if image.len > size {
            self.damage(number, size, image.len - size, "it was added to");
        }
        let bounds = Bounds {
            size,
            end,
            next_seq: layout.next_seq_of(number),
        };
        let scan = scan(&image, number, bounds, layout.files.salt());
        self.reached = self.reached.max(scan.reached);
        let mut gaps = scan.gaps.into_iter().peekable();
        for found in &scan.found {
            while let Some(gap) = gaps.next_if(|gap| gap.range.start < found.range.start) {
                self.damage(
                    number,
                    gap.range.start as u64,
                    gap.range.len() as u64,
                    gap.what,
                );
            }
            if self.outcome(found.seq) {
                self.times_estimated += u64::from(found.is_estimated);
                visit(
                    found,
                    &image.bytes[found.range.clone()],
                    self.runs.len() - 1,
                )?;
            } else {
                let (at, len) = (found.range.start as u64, found.range.len() as u64);
                self.damage(number, at, len, "its sequence has gone back");
            }
        }
        for gap in gaps {
            self.damage(
                number,
                gap.range.start as u64,
                gap.range.len() as u64,
                gap.what,
            );
        }
        let end = end.unwrap_or(size);
        if image.len < end {
            self.damage(number, image.len, end - image.len, "it was cut");
        }
        Ok(())
    }

    /// Takes an outcome, unless its sequence is not behind the last one.
    fn outcome(&mut self, seq: u64) -> bool {
        let next = self.next.unwrap_or(0);
        if seq < next {
            return false;
        }
        if self.next.unwrap_or(1) < seq {
            self.lose(Lost {
                first_seq: self.next,
                last_seq: Some(seq - 1),
            });
        }
        match self.runs.last_mut() {
            Some(run) if run.last_seq + 1 == seq => run.last_seq = seq,
            _ => self.runs.push(Run {
                first_seq: seq,
                last_seq: seq,
            }),
        }
        self.next = Some(seq + 1);
        self.open = self.damages.len();
        true
    }

    /// For the damages since the last outcome.
    fn lose(&mut self, lost: Lost) {
        for damage in &mut self.damages[self.open..] {
            damage.lost.get_or_insert(lost);
        }
        self.lost.push(lost);
    }

    /// Neighbours without an outcome between them are one damage, with what
    /// lies between them.
    fn damage(&mut self, number: u32, offset: u64, bytes: u64, what: impl Into<String>) {
        let (file, what) = (segment_name(number), what.into());
        if let Some(last) = self.damages[self.open..].last_mut()
            && last.file == file
            && last.what == what
            && last.lost.is_none()
        {
            last.bytes = offset + bytes - last.offset;
            return;
        }
        self.damages.push(Damage {
            file,
            offset,
            bytes,
            what,
            lost: None,
        });
    }
}
