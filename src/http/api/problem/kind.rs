//! The table of problems.

/// One row of the table of problems.
struct Row {
    slug: &'static str,
    title: &'static str,
    status: u16,
    retry_safe: bool,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $kind:ident $slug:literal $status:literal $retry_safe:literal $title:literal,)*) => {
        /// The kinds of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Problem { $($(#[$doc])* $kind,)* }

        impl Problem {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        slug: concat!("/problems/", $slug),
                        title: $title,
                        status: $status,
                        retry_safe: $retry_safe,
                    },)*
                }
            }
        }
    };
}

problems! {
    /// The request's framing is not HTTP/1.1 as this server takes it.
    MalformedRequest "malformed-request" 400 false "Malformed request",
    /// The order is no JSON object, or a field of it is not valid.
    InvalidOrder "invalid-order" 400 false "Invalid order",
    /// A query parameter or header of a route is not valid.
    InvalidParameter "invalid-parameter" 400 false "Invalid parameter",
    /// The body broke off. Lines of a batch that were admitted are not undone,
    /// and are duplicates when sent again.
    BodyCutShort "body-cut-short" 400 true "The body broke off",
    /// `after` is past the feed's last sequence (member `last_seq`).
    FeedAhead "feed-ahead" 400 false "Past the end of the feed",
    /// No token, or a wrong one.
    Unauthorized "unauthorized" 401 false "A valid bearer token is needed",
    /// A token that is for something else.
    InsufficientScope "insufficient-scope" 403 false "The token is not for this",
    /// A browser says that another site's page asks.
    OtherSite "other-site" 403 false "Another site's page may not ask",
    /// The `Host` isn't one that this port answers to.
    OtherHost "other-host" 403 false "Another host's name",
    /// No such route.
    NotFound "not-found" 404 false "No such resource",
    /// No outcome of this id inside the window.
    UnknownOrder "unknown-order" 404 false "Unknown order",
    /// The route exists, for other methods.
    MethodNotAllowed "method-not-allowed" 405 false "Method not allowed",
    /// The request didn't arrive in time.
    RequestTimeout "request-timeout" 408 true "The request took too long to arrive",
    /// The id was used with other content; safe to retry only until that one is
    /// committed.
    IdConflict "id-conflict" 409 false "The id belongs to an order with other content",
    /// `after` is before the oldest outcome kept (member `oldest_seq`).
    FeedPruned "feed-pruned" 410 false "No longer kept",
    /// The route needs a body.
    LengthRequired "length-required" 411 false "A body is needed",
    /// The body is over its limit.
    BodyTooLarge "body-too-large" 413 false "The body is too large",
    /// The request target is over its limit.
    TargetTooLong "target-too-long" 414 false "The request target is too long",
    /// A content coding that the route doesn't take (field `Accept-Encoding`).
    UnsupportedEncoding "unsupported-encoding" 415 false "Unsupported content encoding",
    /// An expectation other than `100-continue`.
    ExpectationFailed "expectation-failed" 417 false "Unknown expectation",
    /// The processor decided against the order (members `id`, `outcome`,
    /// `seq`); that is final.
    OrderFailed "order-failed" 422 false "The order failed",
    /// The client has used its own quota up.
    RateLimited "rate-limited" 429 true "The client's quota is used up",
    /// Head, header count or trailers are over their limit.
    HeadTooLarge "head-too-large" 431 false "The header fields are too large",
    /// A defect in the server. Ids make a second try harmless.
    Internal "internal" 500 true "Internal error",
    /// An outcome that was durable can't be read any more; trying again doesn't
    /// help.
    JournalDamaged "journal-damaged" 500 false "The journal is damaged",
    /// A method or transfer coding that the server doesn't know; or what the
    /// engine of this port leaves to the native one.
    NotImplemented "not-implemented" 501 false "Not implemented",
    /// The intake queue is full in orders or bytes (429 when so configured).
    QueueFull "queue-full" 503 true "The queue is full",
    /// The server is about to stop.
    Draining "draining" 503 true "Shutting down",
    /// The server is reading its journal after a start.
    Recovering "recovering" 503 true "Starting up",
    /// The ledger can't take outcomes.
    LedgerDown "ledger-down" 503 true "The ledger is not available",
    /// As many connections as the server takes.
    TooManyConnections "too-many-connections" 503 true "Too many connections",
    /// As many batches at once as the server takes.
    TooManyBatches "too-many-batches" 503 true "Too many batches",
    /// All bodies being read together are over their budget.
    BodyMemory "body-memory" 503 true "Too much is being received at once",
    /// All replies being sent together are over their budget.
    ReplyMemory "reply-memory" 503 true "Too many replies are unread",
    /// More reads or scrapes are waiting than are taken on.
    FeedBusy "feed-busy" 503 true "The feed's readers are busy",
    /// The processor asks to try again.
    TryAgain "try-again" 503 true "The order can't be processed right now",
    /// Another request with this id is being admitted at this moment.
    IdBusy "id-busy" 503 true "The id is being claimed by another request",
    /// A protocol version other than HTTP/1.1 and 1.0.
    VersionNotSupported "version-not-supported" 505 false "HTTP version not supported",
}

impl Problem {
    /// The `type` member.
    pub(crate) const fn type_uri(self) -> &'static str {
        self.row().slug
    }

    pub(crate) const fn title(self) -> &'static str {
        self.row().title
    }

    /// The status, unless a report says otherwise.
    pub(crate) const fn status(self) -> u16 {
        self.row().status
    }

    /// The default of `retry_safe`.
    pub(crate) const fn retry_safe(self) -> bool {
        self.row().retry_safe
    }
}
