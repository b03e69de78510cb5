//! The adapter from `may_minihttp` to the routes: the admin port, and the order
//! port under `--http-engine may_minihttp`.
//!
//! The crate frames requests itself, and less strictly than an open port
//! needs. What can be checked before a body is read is refused here; a request
//! whose end can't be trusted ends the connection (the crate closes it once it
//! reads the end of the stream, so its receiving side is shut down). What it
//! can't do is listed in [`LIMITS`].
//!
//! | file | holds |
//! |---|---|
//! | `engine.rs` | [`start`]: a port, and a service for each of its connections |
//! | `connection.rs` | a request in, a reply out |
//! | `deadline.rs` | how long a connection may take for each of its steps |
//! | `request.rs`, `response.rs` | the crate's types on one side, ours on the other |
//! | `socket.rs` | what the adapter does with the crate's socket beside the crate |

mod connection;
mod deadline;
mod engine;
mod request;
mod response;
mod socket;

pub(crate) use self::engine::{ADMIN_CONNECTIONS_MAX, start};

/// What this engine can't do, for the log and the docs.
pub const LIMITS: &str = "no batches and no feed, at most 16 request headers, no \
    100-continue, no Connection: close, no Location header; a request that it can't parse ends \
    the connection without a reply, and replies before it may be lost; replies to requests that \
    a client sends ahead without reading collect in memory without a bound; for trusted networks \
    only";
