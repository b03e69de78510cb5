//! A reply, and its bytes on the wire.
//!
//! Routes build a [`Reply`]; each HTTP engine writes it in its own way, the
//! native one with [`Reply::encode`].

mod cors;
mod encode;
mod parts;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use self::cors::{preflight_lines, shared_lines};
pub(crate) use self::encode::{CONTINUE, Framing};
pub(crate) use self::parts::{Body, Caching, JSON, NDJSON, PROBLEM_JSON, REPLAYED, Reply};
pub(crate) use self::status::{NOSNIFF, reason_phrase};
