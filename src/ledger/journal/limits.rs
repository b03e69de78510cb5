//! Every limit of the journal, and the relations between them.

use std::ops::RangeInclusive;

use crate::ledger::journal::format::{FRAME_HEAD, RECORD_MIN, SEGMENT_HEAD};
use crate::order::{CLIENT_LEN_MAX, ID_LEN_MAX, TRACEPARENT_BYTES};

/// Bytes in a segment of a new directory, unless the options say otherwise or
/// the volume is small.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// The same on the smallest volume: the longest record fits.
pub(crate) const SEGMENT_BYTES_SMALL: u64 = 17 << 20;
/// Segments that a volume has space for, at least, if they need not be smaller.
pub(crate) const SEGMENTS_IN_VOLUME: u64 = 10;
/// The space reserved for the pending file is a segment's divided by this.
pub(crate) const PENDING_RESERVE_SHARE: u64 = 8;
/// Allowed sizes of a segment.
pub(crate) const SEGMENT_BYTES_ALLOWED: RangeInclusive<u64> = 1 << 10..=1 << 30;
/// Most orders in a batch.
pub(crate) const BATCH_ORDERS_MAX: usize = 4096;
/// Most bytes of records in a batch of more than one order.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 20;
/// Most bytes of one record, in segments of [`SEGMENT_BYTES_SMALL`]. The JSON and the
/// reason of an admitted order must be shorter by [`RECORD_OVERHEAD_MAX`].
pub(crate) const RECORD_BYTES_MAX: usize = (16 << 20) + 1024;
/// Most bytes of a record beside the order's JSON and its reason.
pub(crate) const RECORD_OVERHEAD_MAX: usize = 256;

const _: () = {
    // A segment's header, a frame's head, and a seal behind the frame.
    let heads = SEGMENT_HEAD + 2 * FRAME_HEAD;
    assert!(BATCH_BYTES_MAX <= RECORD_BYTES_MAX);
    assert!((heads + RECORD_BYTES_MAX) as u64 <= SEGMENT_BYTES_SMALL);
    assert!(SEGMENT_BYTES_SMALL <= SEGMENT_BYTES);
    assert!(BATCH_ORDERS_MAX * RECORD_MIN <= BATCH_BYTES_MAX);
    let submission = CLIENT_LEN_MAX + TRACEPARENT_BYTES;
    assert!(RECORD_MIN + ID_LEN_MAX + submission + 8 <= RECORD_OVERHEAD_MAX);
    assert!(heads as u64 <= *SEGMENT_BYTES_ALLOWED.start() / 2);
    assert!(
        *SEGMENT_BYTES_ALLOWED.end() < u32::MAX as u64,
        "offsets are 32 bits"
    );
};
