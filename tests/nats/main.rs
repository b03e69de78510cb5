//! The ledger on NATS JetStream, against real servers.
//!
//! | file | holds |
//! |---|---|
//! | `servers.rs` | one server or a cluster: started, stopped, killed, asked |
//! | `load.rs` | clients that remember what they were told |
//! | `proxy.rs` | a network that can be cut |
//! | `once.rs` | one id has one outcome, whichever instance it is sent to |
//! | `reading.rs` | the feed and look-ups, on any instance |
//! | `others.rs` | messages of others at the stream's end |
//! | `grpc.rs` | the same over gRPC |
//! | `trace_context.rs` | trace contexts as headers |
//! | `starting.rs` | what a start refuses, and what it waits for |
//! | `credentials.rs` | every way to prove who one is |
//! | `jwt.rs` | tokens of an operator, an account and a user |
//! | `tls.rs`, `certificates.rs` | TLS, with certificates made for the test |
//! | `faults.rs` | one server that is killed, stopped, full, or loses the stream |
//! | `hung.rs` | one server that hangs under load |
//! | `consumers.rs` | the examples on the stream, killed and started again |
//! | `cluster.rs` | three servers whose leader is killed |
//! | `readme.rs` | the README's section, run as it stands there |
//!
//! `ORDERS_TEST_NATS_FACTOR=5` is the long run: so many times the ids, the
//! faults, and the orders between two of them.

#[path = "../harness/mod.rs"]
mod harness;

#[path = "../grpc/client.rs"]
#[allow(dead_code, reason = "the tests of gRPC itself use the rest")]
mod client;

mod certificates;
mod cluster;
mod consumers;
mod credentials;
mod faults;
mod grpc;
mod hung;
mod jwt;
mod load;
mod once;
mod others;
mod proxy;
mod reading;
mod readme;
mod servers;
mod starting;
mod tls;
mod trace_context;
