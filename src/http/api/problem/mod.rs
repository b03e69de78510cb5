//! Error replies as RFC 9457 problems: each kind has a stable `type`, a title,
//! a status and a default for `retry_safe`.
//!
//! `type` is a URI reference relative to the server (`/problems/queue-full`).
//! It is a name to compare with and promises no page. A slug never changes its
//! meaning; `title` and `detail` are for people. `retry_safe` says whether
//! sending the same order again, unchanged, is right: true when nothing was
//! decided about it and a later try may fare better.

mod causes;
mod kind;
mod report;
#[cfg(test)]
mod tests;

pub(crate) use self::causes::{
    busy, closed, closed_because, committed_otherwise, rejected, unreadable, unsupported_coding,
    withdrawn,
};
pub(crate) use self::kind::Problem;
pub(crate) use self::report::{Report, shown};
