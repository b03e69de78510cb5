//! What the HTTP peers have in common, so that they differ in the server alone:
//! the options, an order, and the hand-off to one consumer.
//!
//! The hand-off is what one would write first: a bounded tokio channel, 503 when
//! it is full, one consumer that evaluates an order and numbers it. No ids are
//! remembered, nothing is stored, nothing is drained, nothing but the channel is
//! bounded. The allocator is the service's, so that the difference measured is
//! not the allocator's.

mod intake;
mod options;

pub use intake::{Intake, Order, Outcome};
pub use options::{Mode, Options, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
