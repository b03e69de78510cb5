//! `journal salvage`: all that can be proven of a damaged journal, in a new
//! directory.
//!
//! # What counts
//!
//! An outcome is saved if its record's checksum, which is valid in one ledger
//! only, is right, and if its position shows that it was durable. Frames name
//! their position, and so can't be found where they don't belong; behind damage
//! the next one is searched for at each multiple of 8 bytes. Nothing behind the
//! end that the next segment gives is read: that was discarded. Where no later
//! frame proves a batch, it must be whole, as for recovery. See [`scan`].
//!
//! # A hole in the sequence
//!
//! A journal has no gaps, and an outcome has one sequence, which was in the
//! reply to its client. So nothing is renumbered, and nothing takes the place
//! of what is lost: the new journal is *one* run of sequences, the longest or
//! the one that is asked for, and looks like a journal whose earlier segments
//! were removed by retention. The outcomes of all other runs are whole, too,
//! and go to a file beside it, as lines of the feed. The longest run is the
//! default since what is outside of the journal is unknown to its dedupe
//! window and its readers.
//!
//! The new directory is another ledger, with an id of its own. It appears under
//! its name when all in it is durable.

mod directory;
mod found;
mod identity;
mod image;
mod layout;
mod misplaced;
mod pending;
mod report;
mod scan;
mod scanner;
mod survey;
mod target;

pub use self::directory::salvage;
#[cfg(test)]
pub(crate) use self::directory::salvage_source;
pub use self::report::{Damage, Lost, Run, Salvaged, SalvagedPending};
pub use self::target::Output;
