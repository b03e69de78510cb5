//! A request as the routes see it.

use crate::http::wire::{ContentCoding, FieldLines};
use crate::order::Submission;

/// A request with its whole body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The path, [normalized](crate::http::wire::normalized_text): ASCII.
    pub path: &'a [u8],
    /// What follows the `?`, normalized likewise.
    pub query: &'a str,
    pub prefer: FieldLines<'a>,
    pub accept: FieldLines<'a>,
    /// As it was sent, with its quotes if it has any.
    pub idempotency_key: Option<&'a str>,
    /// Who asks, and as part of which trace.
    pub submission: Submission,
    /// Of the body.
    pub content_coding: ContentCoding,
    /// `None` when the head announced none.
    pub body: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// The path as text.
    pub(crate) fn path(&self) -> &'a str {
        std::str::from_utf8(self.path).unwrap_or_default()
    }
}
