//! HTTP/1.1 on the wire, without a socket: where a request ends, and the bytes
//! of a reply.
//!
//! The order port's connection loop feeds received bytes in and gets a [`Head`]
//! or decoded body bytes out. Everything here is incremental, bounded by limits
//! that the caller states, and as strict as RFC 9112 allows: wherever two
//! servers could disagree on where a request ends (request smuggling), the
//! answer is an error and the connection is closed. Nothing recurses, and the
//! largest frame (the header table in `parse.rs`,
//! [`HEADERS_MAX`](limits::HEADERS_MAX) entries) stays under 4 KiB, since it
//! runs on coroutines.
//!
//! | file | holds |
//! |---|---|
//! | `parse.rs` | [`parse_head`]: finding the end of a head, and its one pass through `httparse` |
//! | `head.rs`, `span.rs` | [`Head`]: what a parsed head says, as byte ranges of the caller's buffer |
//! | `request_line.rs`, `target.rs`, `authority.rs` | methods and versions, the forms of a target, hosts |
//! | `fields.rs`, `transfer_codings.rs` | the fields that the server reads, and which exclude each other |
//! | `list.rs` | [`FieldLines`]: fields that are lists |
//! | `body/` | [`BodyDecoder`]: a body of known length, or chunked |
//! | `content/` | [`ContentCoding`], [`ContentDecoder`]: content that is compressed |
//! | `error.rs` | [`FramingError`], [`BodyError`]: each refusal, its status and its reason |
//! | `reply/`, `date.rs` | a reply, and its bytes |

mod authority;
mod body;
mod content;
pub(crate) mod date;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod head;
mod limits;
pub(crate) mod list;
mod parse;
pub(crate) mod reply;
mod request_line;
mod span;
mod target;
mod transfer_codings;

#[cfg(test)]
mod tests;

pub(crate) use self::authority::Authority;
pub(crate) use self::body::{BodyDecoder, BodyFraming};
pub(crate) use self::content::{ContentCoding, ContentDecoder, Undecodable};
pub(crate) use self::error::{BodyError, FramingError};
pub(crate) use self::fields::{fetch_mode_is_navigate, fetch_site_is_foreign};
pub(crate) use self::head::Head;
pub(crate) use self::limits::HeadLimits;
pub(crate) use self::list::{FieldLines, HeadLines};
pub(crate) use self::parse::{begins_with_head, parse_head};
pub(crate) use self::request_line::Method;
pub(crate) use self::target::normalized_text;
pub(crate) use self::transfer_codings::TransferCodings;
