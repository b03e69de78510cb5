//! Makes segments ahead of use and removes old ones: a thread beside the
//! writer, so that a change of segment costs the writer nothing.
//!
//! A segment is written with zeroes under a temporary name, synced, renamed,
//! and its name synced. So a file with a segment's name is whole, its blocks
//! are allocated, and a commit in it changes no metadata. The next segment
//! waits in a [slot](slot::SegmentSlot) until the writer takes it; one is made
//! ahead.
//!
//! An attempt that fails, for whatever reason, is repeated: no outcome depends
//! on a segment that isn't used yet. The thread also decides when a writer that
//! waits for space tries again: every
//! [`RETRY_INTERVAL`](slot::RETRY_INTERVAL). And it notices when the directory
//! is gone.

mod retention;
mod slot;
mod supply;
mod worker;

pub(crate) use self::retention::{Retention, RetentionLimits};
pub(crate) use self::slot::{PreparedSegment, SegmentSlot};
pub(crate) use self::supply::SegmentSupply;
pub(crate) use self::worker::{Attempts, Preallocator};
