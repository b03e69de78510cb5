//! The order port's own HTTP/1.1 engine: a connection loop on `may` coroutines
//! over [`wire`](crate::http::wire).
//!
//! One coroutine a connection, one request in execution a connection, replies
//! in order. Every wait (for the socket, the pipeline, a deadline) is one call
//! of `wait_io`, which each of them ends. A malformed request gets its reply,
//! then the connection is closed and nothing behind that request is executed.
//!
//! | file | holds |
//! |---|---|
//! | `listener` | [`Listener`]: starts and stops the port |
//! | `accept_loop` | the coroutine that accepts |
//! | `spawner` | a coroutine for each connection, [permitted](connection_permit) by its limit |
//! | `connection` | the life of a connection |
//! | `socket`, `polled` | waiting for a socket on a coroutine, and TLS |
//! | `quantum` | when a connection gives way to the others on its thread |

mod accept_loop;
mod connection;
mod connection_permit;
mod listener;
mod memory;
mod polled;
mod quantum;
mod socket;
mod spawner;
mod stack;

#[cfg(any(test, fuzzing))]
pub(crate) use self::connection::fuzzing;
pub(crate) use self::listener::Listener;
pub(crate) use self::memory::{CONNECTION_BYTES_MAX, TLS_BYTES_MAX};
pub(crate) use self::spawner::REFUSING_MAX;
pub(crate) use self::stack::stack_words;
