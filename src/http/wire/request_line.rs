//! What a request line says beside its target: the method and the protocol
//! version.

/// The request methods that the server knows (RFC 9110 section 9, RFC 5789, and
/// `QUERY` of draft-ietf-httpbis-safe-method-w-body). `CONNECT` is not among
/// them: its target has a form of its own, and this is no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Query,
}

impl Method {
    /// The method of a token, which is case-sensitive; `None` when it is not
    /// known.
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        Some(match token {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "TRACE" => Self::Trace,
            "QUERY" => Self::Query,
            _ => return None,
        })
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Trace => "TRACE",
            Self::Query => "QUERY",
        }
    }
}

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A connection closes after the reply unless both sides say `keep-alive`.
    Http10,
    /// A connection stays open unless a side says `close`.
    Http11,
}
