//! From an admitted order to its answer: intake queue, workers, commit queue,
//! committer.
//!
//! ```text
//! admission ──push──> intake ──pop──> workers ──push──> commit queue ──pop──> committer
//!  (any thread)       ArrayQueue      N threads         ArrayQueue            1 thread, owns the ledger
//! ```
//!
//! No lock on an order's way; both queues are of fixed size. The thread that
//! ends an order completes its oneshots, ends its claim and lets it out of the
//! gate: the committer, or [`force_drain`] at the drain deadline.

pub(crate) mod answer;
pub(crate) mod bulk_share;
mod committer;
mod committer_wake;
mod evaluate;
mod evaluated;
pub(crate) mod force_drain;
pub(crate) mod gate;
mod given_back;
mod in_flight;
#[cfg(all(test, orders_loom))]
mod loom_models;
pub(crate) mod memory;
mod pace;
pub(crate) mod pending_feeder;
pub(crate) mod pending_queue;
pub(crate) mod processor;
mod settings;
mod shared;
mod source;
mod stall;
mod start;
#[cfg(test)]
mod test_pipeline;
pub(crate) mod throughput;
mod unsaved;
mod window_monitor;
mod withdraw;
mod withdrawn_orders;
mod worker;

pub(crate) use self::evaluated::Evaluated;
pub(crate) use self::in_flight::{InFlight, cost};
pub use self::settings::Settings;
pub use self::shared::Pipeline;
pub(crate) use self::start::Threads;
