//! Pending orders: acknowledged, without an outcome when the process ended. A
//! drain writes them to the pending file, and the next start takes them up
//! again.
//!
//! A drain begins with that, and adds what is acknowledged later: a kill while
//! it goes on loses none. Orders in the file may be committed meanwhile; the
//! next start finds those in the journal. At its end the drain leaves in the
//! file what has no outcome, or removes it.
//!
//! | file | |
//! |---|---|
//! | `claim.rs` | a start takes them up |
//! | `store.rs` | a drain saves them |
//! | `save.rs` | one round of that, on a thread of its own |
//! | `shared_file.rs` | the file, which the feeder of the start removes |

mod claim;
mod save;
mod shared_file;
mod store;
#[cfg(test)]
mod tests;

pub(super) use self::claim::PendingOrdersError;
pub(super) use self::claim::claim;
pub(super) use self::store::{PendingStore, Saved};
