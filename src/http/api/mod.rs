//! The HTTP API: plain functions from a request to a reply, or to something to
//! wait for. No socket here.
//!
//! | file | holds |
//! |---|---|
//! | `router/` | what a request is, and what answers it |
//! | `submit.rs`, `batch/`, `orders.rs`, `feed/`, `observer.rs` | the routes, and what each waits for |
//! | `request.rs`, `handled.rs`, `prefer.rs`, `accept.rs`, `idempotency_key.rs` | what routes get, what they come to, what clients prefer |
//! | `site.rs` | who may ask |
//! | `problem/`, `outcome.rs`, `feed_line.rs` | what replies say: errors, outcomes, committed orders |
//! | `access_log.rs` | a log line for each request that was answered |
//! | `service.rs`, `limits.rs` | what all of them share |

mod accept;
pub(crate) mod access_log;
pub(crate) mod batch;
pub(crate) mod feed;
pub(crate) mod feed_line;
mod handled;
mod idempotency_key;
pub(crate) mod limits;
pub(crate) mod observer;
mod orders;
mod outcome;
mod prefer;
pub(crate) mod problem;
mod request;
pub(crate) mod router;
pub(crate) mod service;
pub(crate) mod site;
mod submit;
