//! The file `pending`: orders that were acknowledged as queued, and that a
//! drain could not finish in time.
//!
//! # Life cycle
//!
//! A drain begins by writing it and may write it again, as `pending.new`,
//! synced, renamed, and the name synced: there is the old file or the new one,
//! each whole. On a full disk it takes the space that is reserved for it. It is
//! removed when every order in it has its outcome. In between, orders in it may
//! have been committed, and only the journal says which. A start therefore
//! searches the journal for their ids, behind the sequence in the header,
//! wherever the dedupe window begins, and hands out those that are not there;
//! until the file is removed, no segment with such outcomes is. So a kill at any
//! moment neither loses an order nor has one committed twice.

mod check;
mod file;
mod format;
mod order;
mod reserve;
#[cfg(test)]
mod tests;

pub(crate) use self::check::PendingSummary;
pub(crate) use self::file::{PendingFile, PendingFileError};
pub(crate) use self::format::{load, write_copy};
pub(crate) use self::order::{PendingOrder, PendingOrders};
pub(crate) use self::reserve::PendingReserve;
