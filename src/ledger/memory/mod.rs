//! The ledger without storage: outcomes live in memory and end with the
//! process. For tests, demonstrations and benchmarks.
//!
//! It holds as many outcomes as the dedupe window, in chunks of 1,024; the
//! oldest chunk is dropped when the window has moved past it. The writer appends
//! to the newest chunk without a lock. The list of chunks is locked only by the
//! writer, to add one, and by readers, to copy a pointer out.

mod archive;
mod chunks;
mod ledger;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::ledger::MemoryLedger;
pub use self::ledger::open;
