//! What stands where no frame decodes: nothing, a batch that was being written,
//! or the sign that what should be there was durable once.
//!
//! Every frame names a place up to which all was durable when it was written.
//! So a frame behind the end of the journal, other than the one that was in
//! flight, or one that names a later place as durable, gives damage away.

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{FRAME_HEAD, FrameHead, Position, SEGMENT_HEAD, segment_name};
use crate::ledger::journal::segment_reader::{Listing, Tail, Walk, damaged, io_error};
use crate::ledger::journal::storage::{File, read_full};

/// Bytes that are looked through in one go.
const READ_BYTES: usize = 256 << 10;

static ZEROES: [u8; READ_BYTES] = [0; READ_BYTES];

/// Where the last byte stands that isn't zero.
fn last_used(bytes: &[u8]) -> Option<usize> {
    // Nearly all is zero, and comparing is quicker than searching.
    if *bytes == ZEROES[..bytes.len()] {
        return None;
    }
    bytes.iter().rposition(|&byte| byte != 0)
}

/// What stands behind the end of the journal: no frame that counts.
pub(super) struct Voids {
    /// Bytes up to the last that isn't zero, in the last segment with a header.
    pub(super) tail: u64,
    /// The same of each segment without a header, in order.
    pub(super) without: Vec<u64>,
}

impl Voids {
    /// What to tell of it, the journal ending at `end`.
    pub(super) fn cut(&self, end: Position) -> Option<crate::ledger::journal::Cut> {
        let bytes = self.tail + self.without.iter().sum::<u64>();
        let in_tail = self.tail > 0;
        (bytes > 0).then(|| crate::ledger::journal::Cut {
            file: segment_name(end.segment + u32::from(!in_tail)),
            offset: if in_tail { end.offset.into() } else { 0 },
            bytes,
        })
    }
}

impl Walk<'_> {
    /// Looks through everything behind the end of the journal, which `tail`
    /// has reached.
    pub(super) fn voids(&self, tail: Option<&Tail>, listing: &Listing) -> Result<Voids, OpenError> {
        let end = tail.map_or(Position::START, Tail::position);
        let in_tail = match tail {
            Some(tail) => self.void(&*tail.file, end, end)?,
            None => 0,
        };
        let without = listing.without.iter().map(|&segment| {
            let start = Position { segment, offset: 0 };
            self.void(&*self.open(segment)?, start, end)
        });
        Ok(Voids {
            tail: in_tail,
            without: without.collect::<Result<_, _>>()?,
        })
    }

    /// Bytes from `from` up to the last that isn't zero, in a segment whose
    /// frames end there because the next one says so: void, whatever they are.
    pub(super) fn remains(&self, file: &dyn File, from: Position) -> Result<u64, OpenError> {
        let mut bytes = vec![0; READ_BYTES];
        let (start, mut used) = (u64::from(from.offset), 0);
        let mut offset = start;
        loop {
            let read =
                read_full(file, &mut bytes, offset).map_err(io_error(from.segment, "read"))?;
            if read == 0 {
                return Ok(used);
            }
            if let Some(last) = last_used(&bytes[..read]) {
                used = offset + last as u64 + 1 - start;
            }
            offset += read as u64;
        }
    }

    /// Looks through what stands from `from` on to the end of its segment, the
    /// journal ending at `end`. Says how far it isn't zero; an error if it was
    /// durable.
    fn void(&self, file: &dyn File, from: Position, end: Position) -> Result<u64, OpenError> {
        let number = from.segment;
        let from = u64::from(from.offset);
        let mut bytes = vec![0; READ_BYTES];
        let (mut offset, mut used) = (from, 0);
        while offset < self.identity.segment_bytes {
            let read = read_full(file, &mut bytes, offset).map_err(io_error(number, "read"))?;
            if read == 0 {
                break;
            }
            let some = &bytes[..read];
            if let Some(last) = last_used(some) {
                used = offset + last as u64 + 1 - from;
                // Frames start at multiples of 8, and so did `from`.
                for at in (0..=last).step_by(8).filter(|&at| some[at] == 0xFF) {
                    let place = Position {
                        segment: number,
                        offset: (offset + at as u64) as u32,
                    };
                    let mut head = [0; FRAME_HEAD];
                    read_full(file, &mut head, place.offset.into())
                        .map_err(io_error(number, "read"))?;
                    let Some(head) = FrameHead::decode(&head, place, self.salt()) else {
                        continue;
                    };
                    let in_flight = place == end
                        || (number == end.segment + 1 && place.offset as usize == SEGMENT_HEAD);
                    if head.durable > end || !in_flight {
                        let what = format!(
                            "nothing decodes; the batch at offset {} of {} was written later",
                            place.offset,
                            segment_name(number)
                        );
                        // A frame that was not the first: it is the header of
                        // its own segment that is lost, unless something is
                        // lost before that.
                        let (broken, at) = if head.durable.segment > end.segment {
                            (number, 0)
                        } else {
                            (end.segment, end.offset.into())
                        };
                        return Err(damaged(broken, at, what));
                    }
                }
            }
            offset += read as u64;
        }
        Ok(used)
    }
}
