//! The work that is done for an order: what a user of the pipeline writes, and two examples.

mod api;
mod rules;
mod simulate;

pub(crate) use self::api::REASON_BYTES_MAX;
pub use self::api::{Processor, Verdict};
pub use self::rules::Rules;
pub(crate) use self::simulate::Simulate;
