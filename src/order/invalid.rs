//! Why a body is no order, in words for the client that sent it.

use thiserror::Error;

use crate::order::decimal::InvalidDecimal;
use crate::order::id::InvalidId;
use crate::order::text_position::TextPosition;

/// How deep objects and arrays may be nested; the order itself is the first.
pub(super) const DEPTH_MAX: usize = 32;

/// `serde_json`'s words where a value is followed by something else.
const TRAILING: &str = "trailing characters";

/// Most characters of a name that an error repeats.
const NAME_SHOWN_MAX: usize = 64;

/// Why a body is no order. The text names the member, or the position in the
/// body.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Nothing, or nothing but white space.
    #[error("the body is empty, a JSON object was expected")]
    Empty,
    /// Not UTF-8 (RFC 8259, section 8.1).
    #[error("the text is not UTF-8 at {at}")]
    Utf8 {
        /// The first byte that isn't.
        at: TextPosition,
    },
    /// Not JSON (RFC 8259).
    #[error("invalid JSON: {detail} at {at}")]
    Syntax {
        /// What was expected or is wrong, in `serde_json`'s words.
        detail: String,
        /// Where it was noticed.
        at: TextPosition,
    },
    /// JSON perhaps, but no object.
    #[error("expected a JSON object at {at}")]
    NotAnObject {
        /// The first byte that isn't white space.
        at: TextPosition,
    },
    /// Objects and arrays nested deeper than [`DEPTH_MAX`], the order itself
    /// included.
    #[error("nested deeper than {DEPTH_MAX} at {at}")]
    TooDeep {
        /// The bracket that goes too deep.
        at: TextPosition,
    },
    /// An escaped half of a UTF-16 surrogate pair without the other half, which
    /// is no character.
    #[error("invalid escape: half a surrogate pair at {at}")]
    LoneSurrogate {
        /// Its backslash.
        at: TextPosition,
    },
    /// A name that an object has twice, once escapes are resolved.
    #[error("duplicate member name {name:?} at {at}")]
    Duplicate {
        /// The name without quotes and escapes; a long one is cut.
        name: String,
        /// How deep its object is; 1 is the order itself.
        depth: usize,
        /// The second occurrence.
        at: TextPosition,
    },
    /// A member that every order needs is missing.
    #[error("the member {field:?} is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A member of the wrong JSON type.
    #[error("the member {field:?} must be {expected}")]
    Type {
        /// Its name.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// An `id` that breaks the rules.
    #[error("the member \"id\" {0}")]
    Id(#[from] InvalidId),
    /// A `value` that is no decimal, or too long.
    #[error("the member \"value\" {0}")]
    Value(#[from] InvalidDecimal),
}

impl Invalid {
    /// The order's member that is at fault, where it is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Missing { field } | Self::Type { field, .. } => Some(field),
            Self::Id(_) => Some("id"),
            Self::Value(_) => Some("value"),
            Self::Duplicate { name, depth: 1, .. } => Some(name),
            Self::Duplicate { .. }
            | Self::Empty
            | Self::Utf8 { .. }
            | Self::Syntax { .. }
            | Self::NotAnObject { .. }
            | Self::TooDeep { .. }
            | Self::LoneSurrogate { .. } => None,
        }
    }

    /// Whether this may be several orders where one was expected: something
    /// comes behind the first, or it is no object.
    pub(crate) fn may_be_many(&self) -> bool {
        match self {
            Self::Syntax { detail, .. } => detail == TRAILING,
            Self::NotAnObject { .. } => true,
            _ => false,
        }
    }

    #[cold]
    pub(super) fn duplicate(name: &str, depth: usize, at: TextPosition) -> Self {
        Self::Duplicate {
            name: name.chars().take(NAME_SHOWN_MAX).collect(),
            depth,
            at,
        }
    }
}

impl From<serde_json::Error> for Invalid {
    #[cold]
    fn from(error: serde_json::Error) -> Self {
        let at = TextPosition {
            line: error.line(),
            column: error.column(),
        };
        let text = error.to_string();
        let detail = text
            .strip_suffix(&format!(" at {at}"))
            .unwrap_or(&text)
            .to_owned();
        Self::Syntax { detail, at }
    }
}
