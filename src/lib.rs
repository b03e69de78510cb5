//! Order intake: refuses at once what it can't take, and answers what it took.
//!
//! ```text
//!  HTTP :8080 (may coroutines) ─┐
//!  gRPC :50051 (tonic) ─────────┴─> admission ──> intake queue ──> workers ──> commit queue ──> ledger ──> reply
//!                                  validate        ArrayQueue       N pinned    ArrayQueue       one thread
//!                                  claim the id    full: 503        spin-park   full: wait       batch, publish, wake
//! ```
//!
//! The rooms, in the order in which an order passes them:
//!
//! | room | what it is for |
//! |---|---|
//! | [`config`] | the command line and the environment, checked whole before anything starts |
//! | [`order`] | an order: decoded, validated, hashed; pure |
//! | [`http`] | the order port and the admin port |
//! | [`grpc`] | the gRPC port |
//! | [`bodies`] | room for what is being received, over all doors |
//! | [`admission`] | the one door to the pipeline: claim the id, push, or say why not |
//! | [`pipeline`] | queue, workers, committer, claims, tickets |
//! | [`ledger`] | where outcomes become final and are read again |
//! | [`metrics`] | counters, histograms, and their exposition |
//! | [`server`] | all of it put together, and its drain |
//!
//! Arrows go one way: doors know admission, admission knows the pipeline, the
//! pipeline knows the ledger's trait, and nobody below knows a door.
//!
//! A program that brings its own [`Processor`] starts a [`server::Server`] with
//! it; see `examples/`.

pub mod admission;
pub mod bodies;
mod clock;
pub mod config;
pub mod grpc;
pub mod http;
pub mod ledger;
pub mod metrics;
pub mod order;
pub mod pipeline;
mod prefetch;
pub mod server;
mod sync;

pub use config::Config;
pub use order::Order;
pub use pipeline::processor::{Processor, Verdict};
pub use server::Server;
