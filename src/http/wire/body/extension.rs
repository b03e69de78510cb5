//! The extensions of a chunk, byte by byte (RFC 9112 section 7.1.1). They mean
//! nothing to this server, but a reader that isn't sure where they end isn't
//! sure where the chunk begins.

use crate::http::wire::transfer_codings::is_token;

/// What the next byte is part of, behind a `;`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    NameStart,
    Name,
    NameEnd,
    ValueStart,
    Value,
    Quoted,
    Escaped,
    /// A quoted value is complete.
    QuoteEnd,
    ValueEnd,
}

impl Extension {
    /// Behind this byte; `None` if it doesn't belong there.
    pub(super) fn next(self, byte: u8) -> Option<Self> {
        let is_space = matches!(byte, b' ' | b'\t');
        let next = match (self, byte) {
            (Self::NameStart | Self::NameEnd | Self::ValueStart | Self::ValueEnd, _)
                if is_space =>
            {
                self
            }
            (Self::NameStart | Self::Name, _) if is_token(byte) => Self::Name,
            (Self::ValueStart | Self::Value, _) if is_token(byte) => Self::Value,
            (Self::Name, _) if is_space => Self::NameEnd,
            (Self::Value | Self::QuoteEnd, _) if is_space => Self::ValueEnd,
            (Self::Name | Self::NameEnd, b'=') => Self::ValueStart,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::QuoteEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, b'\t' | b' '..=b'~') => Self::Quoted,
            (Self::Name | Self::NameEnd | Self::Value | Self::QuoteEnd | Self::ValueEnd, b';') => {
                Self::NameStart
            }
            _ => return None,
        };
        Some(next)
    }

    /// Whether the line may end here.
    pub(super) fn is_complete(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::QuoteEnd)
    }
}
