//! A journal looked at from outside: without the lock, without a change to the
//! directory, and beside a service that may be running on it.
//!
//! # Why a running service does no harm
//!
//! - *It appends.* One frame is in flight at a time, and is whole before the
//!   next one is begun. So a look that finds no frame at a place, and later
//!   frames behind it, looks at that place again: if the frame is there now, it
//!   was being written; if not, it is damaged.
//! - *It goes on to the next segment*: the same, with that segment's header.
//! - *It removes the oldest segments.* One that can't be opened and comes before
//!   all that are there is gone, not missing.
//! - *It makes segments, and starts or ends.* A list of names that is read
//!   meanwhile may have a gap. So a list that doesn't hold together is read
//!   again, and what is wrong counts if it stays so.
//!
//! What is read comes from the page cache when it is there: that an fdatasync
//! has been through is known of all frames but the last.

use std::io;
use std::path::Path;

use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{Position, SegmentHead, segment_name};
use crate::ledger::journal::frame_reader::{Frame, Scan};
use crate::ledger::journal::manifest;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::segment_reader::{Listing, Tail, Visitor, Walk, io_error};
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tail_scan::Voids;

/// How often a list of segments is read before what is wrong with it counts,
/// should each one be wrong in another way.
const LISTINGS: u32 = 5;

/// The identity of the journal in `dir`.
pub(super) fn identity(source: &dyn Source, dir: &Path) -> Result<Manifest, OpenError> {
    let none = |why: String| OpenError::NoJournal {
        dir: dir.to_owned(),
        why,
    };
    match source.names() {
        Err(error) => Err(none(error.to_string())),
        Ok(_) => Manifest::load(source)?
            .ok_or_else(|| none(format!("there is no file {}", manifest::NAME))),
    }
}

impl Walk<'_> {
    /// The segments, when they hold together; what is wrong with them, when it
    /// is so again.
    pub(super) fn settled_listing(&self) -> Result<Listing, OpenError> {
        let mut before = None;
        for _ in 1..LISTINGS {
            match self.listing() {
                Ok(listing) => return Ok(listing),
                Err(error) => {
                    let what = Some(error.to_string());
                    if what == before {
                        return Err(error);
                    }
                    before = what;
                }
            }
        }
        self.listing()
    }

    /// As [`segment`](Self::segment); `None` if it has been removed since it
    /// was listed.
    pub(super) fn segment_if_kept(
        &self,
        head: &SegmentHead,
        next: Option<&SegmentHead>,
        visitor: &mut dyn Visitor,
    ) -> Result<Option<Tail>, OpenError> {
        match self.segment(head, next, visitor) {
            Ok(tail) => Ok(Some(tail)),
            Err(error) if is_missing(&error) => match self.numbers()?.first() {
                Some(&first) if first > head.number => Ok(None),
                _ => Err(OpenError::Missing {
                    file: segment_name(head.number),
                }),
            },
            Err(error) => Err(error),
        }
    }

    /// What stands behind the end of the journal, which `tail` has reached;
    /// `None` if the journal has gone on since.
    pub(super) fn voids_unless_gone_on(
        &self,
        tail: Option<&Tail>,
        listing: &Listing,
    ) -> Result<Option<Voids>, OpenError> {
        let nothing = |voids: &Voids| voids.cut(Position::START).is_none();
        match self.voids(tail, listing) {
            Ok(voids) if nothing(&voids) || !self.has_gone_on(tail)? => Ok(Some(voids)),
            Ok(_) => Ok(None),
            // A start has removed what it had no use for.
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => match self.has_gone_on(tail)? {
                true => Ok(None),
                false => Err(error),
            },
        }
    }

    /// Whether there is something now where `tail` ended, which was read
    /// before.
    fn has_gone_on(&self, tail: Option<&Tail>) -> Result<bool, OpenError> {
        let end = tail.map_or(Position::START, Tail::position);
        let next_seq = tail.map_or(1, |tail| tail.next_seq);
        if let Some(tail) = tail {
            let size = self.identity.segment_bytes;
            let mut scan = Scan::new(&*tail.file, tail.number, size, self.salt());
            let frame = scan
                .frame(tail.end)
                .map_err(io_error(tail.number, "read"))?;
            if let Frame::Here(head, body) = frame
                && head.first_seq == next_seq
                && body.verify().is_ok()
            {
                return Ok(true);
            }
        }
        match self.head(end.segment + 1) {
            Ok(head) => {
                Ok(head.is_some_and(|head| head.previous_end == end && head.first_seq == next_seq))
            }
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn is_missing(error: &OpenError) -> bool {
    matches!(error, OpenError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
