//! A reply, and its bytes on the wire.
//!
//! Routes build a [`Reply`]; each HTTP engine writes it in its own way, the native one with
//! [`Reply::encode`].

mod encode;
mod parts;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use self::encode::{CONTINUE, Framing};
pub(crate) use self::parts::{Body, JSON, NDJSON, PROBLEM_JSON, Reply};
pub(crate) use self::status::reason_phrase;
