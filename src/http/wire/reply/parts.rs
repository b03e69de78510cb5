//! What a reply consists of, as a route makes it.

use bytes::Bytes;

/// `application/json`.
pub(crate) const JSON: &str = "application/json";
/// `application/x-ndjson`: a JSON value a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// `application/problem+json` (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A reply's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Bytes that the program holds.
    Static(&'static [u8]),
    /// Bytes made for this reply. No [`Bytes`], which would cost an allocation
    /// more.
    Owned(Vec<u8>),
    /// Bytes shared with other replies, and held until the last of them is
    /// dropped.
    Shared(Bytes),
}

impl Body {
    /// How many bytes it has that were made for it.
    pub(crate) fn owned_len(&self) -> usize {
        match self {
            Self::Owned(bytes) => bytes.len(),
            Self::Static(_) | Self::Shared(_) => 0,
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// The field of a reply that repeats the outcome of an earlier request.
pub(crate) const REPLAYED: &str = "Idempotent-Replayed: true";

/// What a reply says of being kept and given to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// It must not be: it is an outcome, an error or a state.
    Never,
    /// What is asked for may come in another format.
    ByAccept,
    Unsaid,
}

/// What a route answers, apart from what the connection adds (`Date`,
/// `Content-Length`, `Connection`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 200 to 599.
    pub status: u16,
    pub content_type: Option<&'static str>,
    /// `Retry-After`, in whole seconds.
    pub retry_after: Option<u32>,
    /// `Allow`: the methods that the target knows (with 405).
    pub allow: Option<&'static str>,
    /// `WWW-Authenticate`: the challenge (with 401, and 403 for a scope).
    pub www_authenticate: Option<&'static str>,
    pub location: Option<String>,
    pub caching: Caching,
    /// Whether it repeats the outcome of an earlier request.
    pub is_replay: bool,
    /// Whether it answers a CORS preflight about the methods in `allow`.
    pub is_preflight: bool,
    /// For a page of another origin that may read it: the field
    /// `Access-Control-Allow-Origin`, whole.
    pub allow_origin: Option<&'static str>,
    /// Further fields. Names must be tokens, and none that this type or the
    /// connection writes.
    pub extra: Vec<(&'static str, String)>,
    pub body: Body,
}

impl Reply {
    /// A reply without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            retry_after: None,
            allow: None,
            www_authenticate: None,
            location: None,
            caching: Caching::Never,
            is_replay: false,
            is_preflight: false,
            allow_origin: None,
            extra: Vec::new(),
            body: Body::Static(b""),
        }
    }

    /// A reply with a body made for it.
    pub(crate) fn bytes(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            content_type: Some(content_type),
            body: Body::Owned(body),
            ..Self::empty(status)
        }
    }

    /// A reply with a body that the program holds.
    pub(crate) fn fixed(status: u16, content_type: &'static str, body: &'static [u8]) -> Self {
        Self {
            content_type: Some(content_type),
            body: Body::Static(body),
            ..Self::empty(status)
        }
    }

    /// A reply with a body that others share.
    pub(crate) fn shared(status: u16, content_type: &'static str, body: Bytes) -> Self {
        Self {
            content_type: Some(content_type),
            body: Body::Shared(body),
            ..Self::empty(status)
        }
    }

    /// A reply with this JSON and a line end, so that the next thing in a
    /// terminal begins on a line of its own.
    pub(crate) fn json(status: u16, mut body: Vec<u8>) -> Self {
        body.push(b'\n');
        Self::bytes(status, JSON, body)
    }

    /// The same with a `Location`.
    #[must_use]
    pub(crate) fn with_location(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// The same, to be cached otherwise.
    #[must_use]
    pub(crate) fn cached(mut self, caching: Caching) -> Self {
        self.caching = caching;
        self
    }

    /// The same with a further field; see [`Reply::extra`].
    #[must_use]
    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.extra.push((name, value));
        self
    }
}
