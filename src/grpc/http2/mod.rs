//! HTTP/2 by `h2`: a task for each connection, and one for each call.
//!
//! `tonic` decodes and encodes messages; what surrounds them is here and not
//! `hyper`'s, because of what `hyper` has no handle for. It tells `h2` that
//! bytes are read as soon as they are handed on, and leaves small frames of a
//! stream that nobody reads to `h2`, which ends the connection for them. And it
//! waits without an end for a client to take a response.
//!
//! | file | holds |
//! |---|---|
//! | `connection` | a connection, from its preface to its drain |
//! | `connection_calls` | what the calls of a connection share |
//! | `socket` | its bytes: the preface, turns, a client that doesn't read |
//! | `transport` | what carries them: TCP, or TLS |
//! | `proxy_header` | the PROXY protocol |
//! | `keepalive` | pings |
//! | `call` | a call, from its headers to its last byte |
//! | `response` | a response that has a time to be taken |
//! | `deadline` | `grpc-timeout` |

mod call;
mod connection;
mod connection_calls;
mod deadline;
mod keepalive;
mod proxy_header;
mod response;
mod socket;
mod transport;

pub(super) use self::connection::{Incoming, serve};
pub(super) use self::transport::Handshake;
