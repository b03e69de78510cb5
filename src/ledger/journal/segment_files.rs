//! The segment files of a directory and their headers: opened, listed and
//! checked, and never changed.

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{segment_name, segment_number};
use crate::ledger::journal::format::{HeadError, SEGMENT_HEAD, Salt, SegmentHead, VERSION};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::storage::{File, Source, read_full};

#[derive(Clone, Copy)]
pub(crate) struct SegmentFiles<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) manifest: Manifest,
}

/// The segments of a directory, in order and without gaps.
pub(crate) struct SegmentList {
    /// Those with a header, each of which follows from the one before.
    pub(crate) heads: Vec<SegmentHead>,
    /// The numbers of those behind them, which have no header.
    pub(crate) headless: Vec<u32>,
}

impl SegmentFiles<'_> {
    pub(crate) fn salt(&self) -> Salt {
        Salt::of(self.manifest.ledger)
    }

    pub(crate) fn open(&self, number: u32) -> Result<Box<dyn File>, OpenError> {
        self.source
            .open(&segment_name(number))
            .map_err(OpenError::segment_io(number, "open"))
    }

    /// The numbers of all segments, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, OpenError> {
        Self::numbers_in(self.source)
    }

    /// The same of a directory whose manifest isn't known.
    pub(crate) fn numbers_in(source: &dyn Source) -> Result<Vec<u32>, OpenError> {
        let names = source
            .names()
            .map_err(OpenError::io("the data directory", "list"))?;
        let mut numbers: Vec<u32> = names
            .iter()
            .filter_map(|name| segment_number(name))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// All segments in order, their sizes and headers checked: none is missing,
    /// and none with a header follows one without.
    pub(crate) fn list(&self) -> Result<SegmentList, OpenError> {
        let numbers = self.numbers()?;
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            return Err(OpenError::Missing {
                file: segment_name(gap[0] + 1),
            });
        }
        let mut list = SegmentList {
            heads: Vec::new(),
            headless: Vec::new(),
        };
        for number in numbers {
            match (self.head(number)?, list.headless.first()) {
                (Some(head), None) => list.heads.push(head),
                (Some(_), Some(&first)) => {
                    return Err(OpenError::damaged(first, 0, "no header of a segment"));
                }
                (None, _) => list.headless.push(number),
            }
        }
        if let (None, Some(&first)) = (list.heads.first(), list.headless.first())
            && first != 1
        {
            return Err(OpenError::Missing {
                file: segment_name(first - 1),
            });
        }
        self.check_heads(&list.heads)?;
        Ok(list)
    }

    /// Of a list that is refused: the first segments, up to the one that is
    /// missing or wrong.
    pub(crate) fn list_before_damage(&self) -> Result<SegmentList, OpenError> {
        let mut heads: Vec<SegmentHead> = Vec::new();
        for number in self.numbers()? {
            let follows = |last: &SegmentHead| last.number.checked_add(1) == Some(number);
            if !heads.last().is_none_or(follows) {
                break;
            }
            match self.head(number) {
                Ok(Some(head)) => heads.push(head),
                Ok(None) | Err(_) => break,
            }
            if self.check_heads(&heads).is_err() {
                heads.pop();
                break;
            }
        }
        Ok(SegmentList {
            heads,
            headless: Vec::new(),
        })
    }

    /// The segment's header, if it has one.
    pub(crate) fn head(&self, number: u32) -> Result<Option<SegmentHead>, OpenError> {
        let file = self.open(number)?;
        let bytes = file
            .len()
            .map_err(OpenError::segment_io(number, "measure"))?;
        if bytes != self.manifest.segment_bytes {
            return Err(OpenError::Size {
                file: segment_name(number),
                bytes,
                expected: self.manifest.segment_bytes,
            });
        }
        let mut head = [0; SEGMENT_HEAD];
        let read =
            read_full(&*file, &mut head, 0).map_err(OpenError::segment_io(number, "read"))?;
        match SegmentHead::decode(&head) {
            Ok(head) if read == SEGMENT_HEAD => Ok(Some(head)),
            Err(HeadError::Version(version)) => Err(OpenError::Version {
                file: segment_name(number),
                version,
                known: VERSION,
            }),
            _ => Ok(None),
        }
    }

    /// Checks that each header follows from the one before.
    fn check_heads(&self, heads: &[SegmentHead]) -> Result<(), OpenError> {
        let mut before: Option<&SegmentHead> = None;
        for head in heads {
            if head.ledger != self.manifest.ledger {
                return Err(OpenError::Foreign {
                    file: segment_name(head.number),
                    found: head.ledger,
                    expected: self.manifest.ledger,
                });
            }
            let end = head.previous_end;
            let follows = before.is_none_or(|before| {
                before.number.checked_add(1) == Some(head.number)
                    && before.first_seq <= head.first_seq
            });
            let end_is_plausible = end.segment.checked_add(1) == Some(head.number)
                && (end.segment == 0 || end.offset as usize >= SEGMENT_HEAD)
                && head.first_seq > 0;
            if !follows || !end_is_plausible {
                return Err(OpenError::damaged(
                    head.number,
                    0,
                    "its header doesn't follow from the one before",
                ));
            }
            before = Some(head);
        }
        Ok(())
    }
}
