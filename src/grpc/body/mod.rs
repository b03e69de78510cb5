//! A request's body on its way to the decoder: as many bytes as its window has,
//! and messages of bounded size that arrive in time, inside the budget of all
//! bodies.
//!
//! A gRPC message comes behind five bytes, a flag and its length, and is not
//! aligned with the frames of HTTP/2 ("gRPC over HTTP2",
//! Length-Prefixed-Message). Only those five are read here. A message over the
//! limit ends a call with one message; in a stream it is dropped as it comes,
//! the decoder reads an empty one instead, and [`DroppedMessages`] has its
//! number.
//!
//! | file | holds |
//! |---|---|
//! | `request_body` | what has been received and not read |
//! | `rules` | what bodies are held to, by the kind of request |
//! | `framing` | where messages begin and end |
//! | `message_guard` | size, time and memory of the message being received |
//! | `limited_body` | the body that the decoder reads |

mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod limited_body;
mod message_guard;
mod request_body;
mod rules;
#[cfg(test)]
mod tests;

pub(super) use self::limited_body::LimitedBody;
pub(super) use self::request_body::{Collector, RequestBody};
pub(super) use self::rules::{BodyRules, DroppedMessages, RequestKind};
