//! The read side: outcomes by sequence and by range, read from the files by a few
//! threads behind a bounded queue, so that no reader blocks a coroutine on the
//! disk or slows the writer down.
//!
//! Everything that is handed out has been verified by its checksum. Readers see
//! what is durable and nothing else. Memory: one buffer a thread.

mod range_reader;
mod threads;

pub(crate) use self::range_reader::{JournalFiles, RangeReader};
pub(crate) use self::threads::JournalArchive;
