//! Admission: the one way into the pipeline, whatever the protocol.
//!
//! Decode, validate, claim the id, push; or say why not. Every submission is
//! counted exactly once: accepted, duplicate, or rejected with a reason. Front
//! ends reach the pipeline through [`Admission`] only.

mod acknowledge;
mod admit;
mod blocking;
mod claiming;
mod observe;
mod outcome;
#[cfg(test)]
mod pause_tests;
mod shared;
#[cfg(test)]
mod tests;
mod ticket;
#[cfg(test)]
mod ticket_tests;
pub(crate) mod wording;

pub(crate) use self::acknowledge::Acknowledged;
pub(crate) use self::observe::{OrderState, WindowReach};
pub use self::outcome::Admitted;
pub(crate) use self::outcome::{Offered, Rejection};
pub use self::shared::Admission;
pub(crate) use self::ticket::Ticket;
pub(crate) use crate::pipeline::bulk_share::BulkWaiting;
