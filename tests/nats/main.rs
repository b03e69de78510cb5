//! The ledger on NATS JetStream, against real servers.
//!
//! | file | holds |
//! |---|---|
//! | `servers.rs` | one server or a cluster: started, stopped, killed, asked |
//! | `load.rs` | clients that remember what they were told |
//! | `proxy.rs` | a network that can be cut |
//! | `once.rs` | one id has one outcome, whichever instance it is sent to |
//! | `reading.rs` | the feed and look-ups, on any instance |
//! | `starting.rs` | what a start refuses, and what it waits for |
//! | `faults.rs` | one server that is killed, stopped, full, or loses the stream |
//! | `consumers.rs` | the examples that read the stream, killed and started again |
//! | `cluster.rs` | three servers whose leader is killed |

#[path = "../harness/mod.rs"]
mod harness;

mod cluster;
mod consumers;
mod faults;
mod load;
mod once;
mod proxy;
mod reading;
mod servers;
mod starting;
