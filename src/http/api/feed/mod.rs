//! `GET /orders?after=SEQ&limit=N&wait=S`: the feed, committed outcomes in the
//! order of their sequence. `since=TIME` in place of `after` begins at a time.
//!
//! A page holds what comes after `after`. It may be shorter than `limit`
//! though more is there: it ends at [`PAGE_BYTES`], and readers at the same
//! position share one. So a reader asks for the next page with the sequence of
//! the last line, and has seen all there is when a page is empty.
//!
//! While there is nothing, a reader with `wait` is on the pipeline's watch list
//! and takes no memory but its connection's. Its wait ends with the first
//! outcome, in time, with the drain, or when its client hangs up.

mod long_poll;
mod page;
mod pages;
mod query;
mod seek;
#[cfg(test)]
mod tests;

pub(crate) use self::long_poll::{LongPoll, feed};
pub(crate) use self::pages::{BUDGET_BYTES, PAGE_BYTES, Pages};
