//! The order port's own HTTP/1.1 engine: a connection loop on `may` coroutines
//! over [`framing`](crate::http::wire).
//!
//! One coroutine a connection, one request in execution a connection, replies
//! in order. Every wait (socket, pipeline, time) is one call of `wait_io`,
//! which any of them ends. A malformed request gets its reply, then the
//! connection is closed and nothing behind that request is executed.

mod connection;
mod listener;
mod polled;
mod socket;
mod turn;

pub(crate) use self::listener::Listener;
pub(crate) use self::listener::{REFUSING_MAX, stack_words};
