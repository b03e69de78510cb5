//! gRPC: orders over HTTP/2, for programs that speak `proto/order.proto`.
//!
//! `tonic` over `h2`, on a tokio runtime of this front end's own: with
//! `--grpc-listen off` there is none. Orders go through admission as those over
//! HTTP do, and are the same orders.
//!
//! | file | holds |
//! |---|---|
//! | `proto` | the messages, generated |
//! | `server` | the port: started, drained, closed |
//! | `listener` | accepting, and refusing past the limit |
//! | `connection_permit` | the limit on connections, and how many are open |
//! | `http2` | connections and calls on the wire, and the time they have |
//! | `refusal`, `route` | what is no call; what a path says of one |
//! | `router` | which service serves a request, and under which limits |
//! | `calls`, `health` | the services |
//! | `submit`, `stream`, `lookup`, `follow` | the calls |
//! | `idempotency` | an order's id from the metadata |
//! | `metadata` | who asks, as proxies say it |
//! | `request` | the fields that one order and one of many have in common |
//! | `front_end` | what all calls share |
//! | `call_record`, `access_log` | what becomes of a call: in the figures, and as a line |
//! | `limits`, `call_permits` | every limit, and permits for open calls |
//! | `body` | limits and budget of messages, before they are decoded |
//! | `status`, `error` | why a call fails, as a status with details |
//! | `convert` | outcomes and records as messages |
//! | `ready_queue` | waking calls from the pipeline's threads, once a batch |
//!
//! # The end
//!
//! `GrpcServer::drain`: no more connections, GOAWAY on those that are open;
//! streams of orders end after their last response; new calls find the gate
//! closed. `GrpcServer::finish_drain`: no order is in flight any more (or the
//! deadline has passed, and those in flight are withdrawn), so waiting calls
//! check for their answer once more and followers end.
//! `GrpcServer::wait_closed` gives connections a moment to close; those that
//! don't are cut off.

mod access_log;
mod body;
#[cfg(any(test, fuzzing))]
pub(crate) use self::body::fuzzing;
mod call_permits;
mod call_record;
mod calls;
mod connection_permit;
mod convert;
mod error;
mod follow;
mod front_end;
mod health;
mod http2;
mod idempotency;
pub(crate) mod limits;
mod listener;
mod lookup;
#[cfg(all(test, orders_loom))]
mod loom_models;
mod memory;
mod metadata;
pub mod proto;
mod ready_queue;
mod refusal;
mod request;
mod route;
mod router;
mod server;
mod status;
mod stream;
mod submit;

pub(crate) use self::limits::{Limits, REFUSING_MAX};
pub(crate) use self::memory::{TLS_BYTES_MAX, memory};
pub(crate) use self::ready_queue::ReadyQueue;
pub(crate) use self::server::{GrpcPort, GrpcServer};
