//! One order, decoded and validated. Pure: bytes in, an [`Order`] or the reason
//! why not out; no I/O, no clock, no thread local.
//!
//! It may run on a coroutine: nothing here recurses over the input, and the
//! stack used is the same for every input. Time is linear in the input; the
//! heap holds its text once, and for an object of more than a few members some
//! tens of bytes a name until the call returns.
//!
//! | file | holds |
//! |---|---|
//! | `decode` | [`Order`]; [`decode()`], from a body or a line; [`Order::from_parts`], from a message's fields |
//! | `parts` | [`Parts`]: an order's text as such fields again |
//! | `id`, `decimal` | [`OrderId`], and the exact value |
//! | `hash` | [`HashKey`]: the keyed hashes of ids and contents |
//! | `members` | the members of the object, read by `serde_json` |
//! | `minify`, `names` | the rules that JSON itself doesn't have: white space, nesting, duplicates, surrogates |
//! | `invalid` | [`Invalid`]: why a text is no order |
//! | `submission`, `client`, `traceparent` | [`Submission`]: who sent it, as part of which trace |

mod client;
mod decimal;
mod decode;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hash;
mod id;
mod invalid;
mod members;
mod minify;
mod names;
mod parts;
mod submission;
#[cfg(test)]
mod tests;
mod text_position;
mod traceparent;

pub(crate) use self::client::{CLIENT_LEN_MAX, Client, is_client_name};
pub use self::decode::{Order, decode};
pub(crate) use self::decode::{decode_named, decode_with};
pub use self::hash::HashKey;
pub(crate) use self::id::ID_LEN_MAX;
pub use self::id::OrderId;
pub(crate) use self::invalid::Invalid;
pub(crate) use self::members::BYTE_ORDER_MARK;
pub(crate) use self::parts::Parts;
pub(crate) use self::submission::Submission;
pub(crate) use self::traceparent::{TRACEPARENT_BYTES, TRACEPARENT_LEN};
pub use self::traceparent::{TraceId, TraceParent};
