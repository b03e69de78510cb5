//! What is known of a segment before it is read, and what was found in it.

use std::ops::Range;

/// What is known of a segment before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Its length, unless it was cut.
    pub(super) size: u64,
    /// Where its frames end.
    pub(super) end: Option<u64>,
    /// The first sequence behind it.
    pub(super) next_seq: Option<u64>,
}

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
