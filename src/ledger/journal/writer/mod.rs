//! The write side: batches in, one write and one fdatasync each, completions out.
//!
//! One frame is in flight at a time: it is written, then synced, and only then
//! the next one is written. Recovery relies on that.
//!
//! *No space*: the frame is dropped as if it had not been tried. Its orders are
//! queued and tried again at the same position, and meanwhile the ledger takes no
//! others. A part of the frame that did reach the disk doesn't decode, and is
//! overwritten by the next frame there, or discarded by recovery.
//!
//! *Any other failure*, of an fdatasync above all, is final: what is on disk is
//! unknown then, and a second fdatasync can't tell (Rebello et al., "Can
//! Applications Recover from fsync Failures?", 2020). Nothing is written any more.
//! Orders without an outcome are completed as in doubt, so that clients that wait
//! for them get a reply at once.

mod active_segment;
mod appender;
mod frame_buffer;
mod ledger;

pub(crate) use self::active_segment::{ActiveSegment, JournalEnd};
pub(crate) use self::appender::Appender;
pub(crate) use self::ledger::JournalLedger;
#[cfg(test)]
pub(crate) use self::ledger::WriterState;
