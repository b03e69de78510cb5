//! The label values, all known at compile time: a value is an index into a
//! table, never a string that has to be looked up. The tables here bound the
//! number of series.

/// A label, or a pair of them, with a fixed number of values.
pub trait Label: Copy {
    /// How many values there are.
    const COUNT: usize;

    /// The value's index, below [`COUNT`](Self::COUNT).
    fn index(self) -> usize;
}

/// An enum, its label values, and the list of both, from one table.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// Every value, in the order of the exposition.
            pub const ALL: &[Self] = &[$(Self::$value,)+];
            /// How many values there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The label's value on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }

        impl Label for $name {
            const COUNT: usize = Self::COUNT;

            #[inline]
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use label;

label! {
    /// Why a submission was rejected: `orders_rejected{reason}`.
    Reason {
        /// No slot or no bytes left in the intake queue.
        Full = "full",
        /// The process is draining.
        Draining = "draining",
        /// The ledger is still being recovered.
        Starting = "starting",
        /// The ledger is down.
        Ledger = "ledger",
        /// Bad JSON, a bad field or bad framing.
        Invalid = "invalid",
        /// The id is taken by an order with other content.
        Conflict = "conflict",
        /// The body, or the batch, is over its limit.
        TooLarge = "too_large",
        /// No token, or a wrong one; another site's page; another host's name.
        Unauthorized = "unauthorized",
        /// The body did not arrive, or no space was found, in time.
        Timeout = "timeout",
        /// The client's own quota is used up.
        RateLimited = "rate_limited",
    }
}

label! {
    /// Why an accepted order ended without an outcome:
    /// `orders_withdrawn{reason}`.
    WithdrawReason {
        /// The processor asked for a retry.
        Retry = "retry",
        /// The drain deadline passed.
        Drain = "drain",
        /// The ledger failed.
        Ledger = "ledger",
    }
}

label! {
    /// Why a request or a call could not be made by who made it:
    /// `access_denied{reason}`.
    DenyReason {
        /// It had no token.
        NoToken = "no_token",
        /// Its token is not known.
        BadToken = "bad_token",
        /// Its token doesn't have the scope.
        Scope = "scope",
        /// A page of another site made it.
        OtherSite = "other_site",
        /// It was sent to another host's name.
        OtherHost = "other_host",
    }
}

label! {
    /// How a TLS handshake ended: `tls_handshakes{result}`.
    HandshakeResult {
        /// The connection is open.
        Completed = "completed",
        /// The client has shown no certificate, or one that isn't let in.
        Certificate = "certificate",
        /// Either side refused the other for another reason, such as no version
        /// in common, or what was sent is no TLS.
        Refused = "refused",
        /// It took too long, or the client has gone.
        Unfinished = "unfinished",
    }
}

label! {
    /// What an HTTP request was for: `http_requests{route}`. Never the path
    /// itself, which a client could make up without end.
    Route {
        /// `POST /submit`, one order or a batch.
        Submit = "submit",
        /// `GET /orders/{id}`.
        Order = "order",
        /// `GET /orders`, the feed.
        Feed = "feed",
        /// `GET /metrics`.
        Metrics = "metrics",
        /// `GET /healthz`.
        Healthz = "healthz",
        /// `GET /readyz`.
        Readyz = "readyz",
        /// `GET /stats`.
        Stats = "stats",
        /// `GET /`, the status page.
        Page = "page",
        /// `GET /openapi.json`.
        Openapi = "openapi",
        /// No route, or a request that broke off before it had one.
        Other = "other",
    }
}

/// The statuses this service answers with; any other is counted as `other`.
const STATUSES: [(u16, &str); 24] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (417, "417"),
    (422, "422"),
    (429, "429"),
    (431, "431"),
    (500, "500"),
    (501, "501"),
    (503, "503"),
    (505, "505"),
];

/// An HTTP status as a label: `http_requests{status}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusLabel(u8);

impl StatusLabel {
    /// How many values there are, `other` included.
    pub const COUNT: usize = STATUSES.len() + 1;

    /// The label of a status code.
    #[inline]
    pub fn of(status: u16) -> Self {
        let index = STATUSES.partition_point(|(known, _)| *known < status);
        match STATUSES.get(index) {
            Some((known, _)) if *known == status => Self(index as u8),
            _ => Self(STATUSES.len() as u8),
        }
    }

    /// Every value, `other` last.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// The label's value on the wire.
    pub fn as_str(self) -> &'static str {
        STATUSES
            .get(usize::from(self.0))
            .map_or("other", |(_, text)| text)
    }
}

impl Label for (Route, StatusLabel) {
    const COUNT: usize = Route::COUNT * StatusLabel::COUNT;

    #[inline]
    fn index(self) -> usize {
        self.0.index() * StatusLabel::COUNT + usize::from(self.1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_status_is_labelled_with_itself() {
        for (status, text) in STATUSES {
            assert_eq!(StatusLabel::of(status).as_str(), text);
            assert_eq!(text.parse(), Ok(status));
        }
        assert!(STATUSES.is_sorted());
    }

    #[test]
    fn an_unknown_status_is_other() {
        for status in [0, 100, 199, 203, 302, 418, 502, 506, u16::MAX] {
            assert_eq!(StatusLabel::of(status).as_str(), "other", "{status}");
        }
    }

    #[test]
    fn route_and_status_never_share_a_cell() {
        let mut seen = [false; <(Route, StatusLabel)>::COUNT];
        for route in Route::ALL {
            for status in StatusLabel::all() {
                assert!(!std::mem::replace(
                    &mut seen[(*route, status).index()],
                    true
                ));
            }
        }
        assert!(seen.iter().all(|cell| *cell));
    }
}
