//! One version of the program replaced by another, under load, and back.
//!
//! | file | holds |
//! |---|---|
//! | `versions.rs` | the two programs |
//! | `journal.rs` | one instance with its directory, as a StatefulSet replaces it |
//! | `nats.rs` | two instances behind HAProxy, replaced one at a time |
//! | `balancer.rs` | HAProxy, with the lines of docs/operations.md |
//!
//! A repository holds no programs, so both versions are the one under test,
//! unless `ORDERS_OLD_PROGRAM=/path/of/an/earlier/order-processor` names another;
//! docs/operations.md (Upgrade) says how.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../nats/load.rs"]
#[allow(dead_code, reason = "the tests of NATS use the rest")]
mod load;
#[path = "../nats/servers.rs"]
#[allow(dead_code, reason = "the tests of NATS use the rest")]
mod servers;

mod balancer;
mod journal;
mod nats;
mod versions;
