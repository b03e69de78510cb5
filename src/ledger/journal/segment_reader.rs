//! Goes through the segments and changes nothing: their headers, the frames of
//! each, and where they end. Recovery goes this way when the journal is opened,
//! and so do the tools that look at one; both refuse the same things.

use std::io;
use std::sync::Arc;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{
    FRAME_HEAD, NoHead, Position, SEGMENT_HEAD, Salt, SegmentHead, VERSION, segment_name,
    segment_number,
};
use crate::ledger::journal::frame_reader::{Frame, Scan};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::record::RecordView;
use crate::ledger::journal::segment_index::Index;
use crate::ledger::journal::storage::{File, Source, read_full};

/// Bytes read between two calls of [`Visitor::read`].
const TOLD_BYTES: u64 = 4 << 20;

/// A directory's segments.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) identity: Manifest,
}

/// The segments that are there, in order and without gaps.
pub(super) struct Listing {
    /// Those that have a header: it follows from the one before.
    pub(super) heads: Vec<SegmentHead>,
    /// The numbers of those behind them, which have none.
    pub(super) without: Vec<u32>,
}

/// Hears what is found on the way.
pub(super) trait Visitor {
    /// An outcome, verified, in the order of sequences.
    fn record(&mut self, record: &RecordView<'_>);
    /// So many bytes of this segment have been read.
    fn read(&mut self, bytes: u64);
}

/// How far a segment decodes.
pub(super) struct Tail {
    pub(super) number: u32,
    pub(super) file: Box<dyn File>,
    pub(super) index: Arc<Index>,
    /// Where the last frame starts, with the header if it is the first.
    pub(super) last: u64,
    pub(super) end: u64,
    /// The last frame is a seal.
    pub(super) sealed: bool,
    /// The sequence that comes next.
    pub(super) next_seq: u64,
}

impl Tail {
    /// Where the segment's frames end.
    pub(super) fn position(&self) -> Position {
        Position {
            segment: self.number,
            offset: self.end as u32, // within the segment
        }
    }
}

pub(super) fn io_error(number: u32, doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        file: segment_name(number),
        doing,
        source,
    }
}

pub(super) fn damaged(number: u32, offset: u64, what: impl Into<String>) -> OpenError {
    OpenError::Damaged {
        file: segment_name(number),
        offset,
        what: what.into(),
    }
}

impl Walk<'_> {
    pub(super) fn salt(&self) -> Salt {
        Salt::of(self.identity.ledger)
    }

    pub(super) fn open(&self, number: u32) -> Result<Box<dyn File>, OpenError> {
        self.source
            .open(&segment_name(number))
            .map_err(io_error(number, "open"))
    }

    /// The numbers of the segments that are there, ascending.
    pub(super) fn numbers(&self) -> Result<Vec<u32>, OpenError> {
        let names = self.source.names().map_err(|source| OpenError::Io {
            file: "the data directory".into(),
            doing: "list",
            source,
        })?;
        let mut numbers: Vec<u32> = names
            .iter()
            .filter_map(|name| segment_number(name))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// All segments in order, their sizes and headers looked at: none is
    /// missing, and nothing with a header follows anything without.
    pub(super) fn listing(&self) -> Result<Listing, OpenError> {
        let numbers = self.numbers()?;
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            return Err(OpenError::Missing {
                file: segment_name(gap[0] + 1),
            });
        }
        let mut listing = Listing {
            heads: Vec::new(),
            without: Vec::new(),
        };
        for number in numbers {
            match (self.head(number)?, listing.without.first()) {
                (Some(head), None) => listing.heads.push(head),
                (Some(_), Some(&first)) => {
                    return Err(damaged(first, 0, "no header of a segment"));
                }
                (None, _) => listing.without.push(number),
            }
        }
        if let (None, Some(&first)) = (listing.heads.first(), listing.without.first())
            && first != 1
        {
            return Err(OpenError::Missing {
                file: segment_name(first - 1),
            });
        }
        self.check_chain(&listing.heads)?;
        Ok(listing)
    }

    /// The segment's header, if it has one.
    pub(super) fn head(&self, number: u32) -> Result<Option<SegmentHead>, OpenError> {
        let file = self.open(number)?;
        let bytes = file.len().map_err(io_error(number, "measure"))?;
        if bytes != self.identity.segment_bytes {
            return Err(OpenError::Size {
                file: segment_name(number),
                bytes,
                expected: self.identity.segment_bytes,
            });
        }
        let mut head = [0; SEGMENT_HEAD];
        let read = read_full(&*file, &mut head, 0).map_err(io_error(number, "read"))?;
        match SegmentHead::decode(&head) {
            Ok(head) if read == SEGMENT_HEAD => Ok(Some(head)),
            Err(NoHead::Version(version)) => Err(OpenError::Version {
                file: segment_name(number),
                version,
                known: VERSION,
            }),
            _ => Ok(None),
        }
    }

    /// Headers follow from one another.
    fn check_chain(&self, heads: &[SegmentHead]) -> Result<(), OpenError> {
        let mut before: Option<&SegmentHead> = None;
        for head in heads {
            let file = || segment_name(head.number);
            if head.ledger != self.identity.ledger {
                return Err(OpenError::Foreign {
                    file: file(),
                    found: head.ledger,
                    expected: self.identity.ledger,
                });
            }
            let end = head.previous_end;
            let follows = before.is_none_or(|before| {
                before.number + 1 == head.number && before.first_seq <= head.first_seq
            });
            let ends = end.segment + 1 == head.number
                && (end.segment == 0 || end.offset as usize >= SEGMENT_HEAD)
                && head.first_seq > 0;
            if !follows || !ends {
                return Err(damaged(
                    head.number,
                    0,
                    "its header doesn't follow from the one before",
                ));
            }
            before = Some(head);
        }
        Ok(())
    }

    /// Reads a segment's frames up to where the next says that it ends, or as
    /// far as they go.
    pub(super) fn segment(
        &self,
        head: &SegmentHead,
        next: Option<&SegmentHead>,
        visitor: &mut dyn Visitor,
    ) -> Result<Tail, OpenError> {
        let number = head.number;
        let size = self.identity.segment_bytes;
        let file = self.open(number)?;
        let index = Index::new(size);
        let stop = next.map_or(size, |next| next.previous_end.offset.into());
        let mut scan = Scan::new(&*file, number, size, self.salt());
        let (mut offset, mut last, mut sealed) = (SEGMENT_HEAD as u64, 0, false);
        let mut next_seq = head.first_seq;
        let mut told = 0;
        while offset < stop {
            let Frame::Here(frame, body) = scan.frame(offset).map_err(io_error(number, "read"))?
            else {
                break;
            };
            if frame.end() > stop {
                return Err(damaged(
                    number,
                    offset,
                    "a batch goes on past the segment's end",
                ));
            }
            if frame.first_seq != next_seq {
                let what = format!("sequence {} where {next_seq} should be", frame.first_seq);
                return Err(damaged(number, offset, what));
            }
            if let Err(at) = body.verify() {
                if next.is_some() {
                    let at = offset + FRAME_HEAD as u64 + at as u64;
                    return Err(damaged(number, at, "no order decodes"));
                }
                break;
            }
            index.note(next_seq - head.first_seq, offset as u32);
            for record in body.records(0).flatten() {
                visitor.record(&record);
            }
            next_seq += u64::from(frame.count);
            sealed = frame.count == 0;
            last = if offset == SEGMENT_HEAD as u64 {
                0
            } else {
                offset
            };
            offset = frame.end();
            if offset - told >= TOLD_BYTES {
                told = offset;
                visitor.read(offset);
            }
        }
        if let Some(next) = next {
            if offset != stop {
                return Err(damaged(number, offset, "no batch decodes"));
            }
            if next.first_seq != next_seq {
                let what = format!(
                    "it starts with sequence {} where {next_seq} should be",
                    next.first_seq
                );
                return Err(damaged(next.number, 0, what));
            }
        }
        visitor.read(size);
        Ok(Tail {
            number,
            file,
            index,
            last,
            end: offset,
            sealed,
            next_seq,
        })
    }
}
