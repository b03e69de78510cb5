//! Claims: the ids in flight.
//!
//! An id is claimed before its order enters the queue and released when the
//! order has an outcome or is withdrawn: of two submissions with one id,
//! however close together, one runs and the other finds it.
//!
//! # The table
//!
//! A fixed array of buckets of 16 slots, allocated once, never grown: an
//! id's hash names its bucket, and it may take any slot there. With four slots
//! for every order that can be in flight, a bucket overflows about once in a
//! million claims at full load; the claim is then refused as if the queue were
//! full. Slots hold hashes, not orders, and are addressed by [`Claim`], an
//! index with a generation, so that nothing is ever freed under a reader.
//!
//! # Two claims for one id can't both succeed
//!
//! A claimer takes a free slot, writes the id, sets the phase to `Claiming`,
//! passes a SeqCst fence and then searches another slot of the bucket with the
//! same id. Of two claimers' fences one comes first, so the later one sees the
//! earlier slot and backs off. Both may see each other and both back off; they
//! try again a few times and then return [`Claimed::Busy`].
//!
//! # No id slips between a claim's end and the window
//!
//! A committed id is written to the window *before* its slot is freed
//! (Release), and a claimer searches the window *after* its scan of the bucket
//! (Acquire): it finds the id in one of the two places.

mod acknowledge;
mod claim;
mod duplicates;
#[cfg(all(test, orders_loom))]
mod loom_models;
mod registry;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use self::claim::{Claim, Unacked};
pub use self::claim::{Claimed, Ended};
pub use self::registry::Claims;
pub(crate) use self::table::table_bytes;
