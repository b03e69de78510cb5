//! What each port serves: paths, their methods, and what they need.

use crate::access::{Need, Scope};
use crate::http::api::outcome::ORDER_PREFIX;
use crate::http::wire::Method;
use crate::metrics::Route;

/// Where a request came in: the ports have different tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// The order port: everything.
    Orders,
    /// The order port on `may_minihttp`: neither batches nor the feed.
    SingleOrders,
    /// What an operator needs.
    Admin,
}

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Submit,
    /// One order, its id behind [`ORDER_PREFIX`].
    Order,
    Feed,
    Metrics,
    Stats,
    Healthz,
    Readyz,
    Page,
    Openapi,
    /// The server itself, `*`: what it takes, as in `Allow`.
    Server(&'static str),
    /// Whether a page of an allowed origin may send a request, to a path with
    /// these methods.
    Preflight(&'static str),
}

impl Port {
    pub(super) fn serves(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Orders | Self::SingleOrders => true,
            Self::Admin => matches!(
                endpoint,
                Endpoint::Metrics
                    | Endpoint::Healthz
                    | Endpoint::Readyz
                    | Endpoint::Stats
                    | Endpoint::Server(_)
            ),
        }
    }

    /// For those who ask for something else.
    pub(super) fn served(self) -> &'static str {
        match self {
            Self::Orders | Self::SingleOrders => "GET /openapi.json describes what is",
            Self::Admin => "this port serves GET /metrics, /healthz, /readyz and /stats",
        }
    }

    /// The methods of all that it serves, as in `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Orders | Self::SingleOrders => "GET, HEAD, POST, OPTIONS",
            Self::Admin => "GET, HEAD, OPTIONS",
        }
    }
}

impl Endpoint {
    pub(super) fn of(port: Port, path: &[u8]) -> Option<Self> {
        Some(match path {
            b"/submit" => Self::Submit,
            b"/orders" => Self::Feed,
            b"/metrics" => Self::Metrics,
            b"/healthz" => Self::Healthz,
            b"/readyz" => Self::Readyz,
            b"/stats" => Self::Stats,
            b"/" => Self::Page,
            b"/openapi.json" => Self::Openapi,
            b"*" => Self::Server(port.methods()),
            _ if path.starts_with(ORDER_PREFIX.as_bytes()) => Self::Order,
            _ => return None,
        })
    }

    pub(super) fn label(self) -> Route {
        match self {
            Self::Submit => Route::Submit,
            Self::Order => Route::Order,
            Self::Feed => Route::Feed,
            Self::Metrics => Route::Metrics,
            Self::Stats => Route::Stats,
            Self::Healthz => Route::Healthz,
            Self::Readyz => Route::Readyz,
            Self::Page => Route::Page,
            Self::Openapi => Route::Openapi,
            // Of a preflight the path's own endpoint has the label.
            Self::Server(_) | Self::Preflight(_) => Route::Other,
        }
    }

    /// What a request for it needs. A browser sends no token for a page, which
    /// asks for one itself.
    pub(super) fn need(self, port: Port) -> Option<Need> {
        match self {
            Self::Submit if port != Port::Admin => Some(Need::Scope(Scope::Submit)),
            Self::Order | Self::Feed if port != Port::Admin => Some(Need::Scope(Scope::Read)),
            Self::Stats if port != Port::Admin => Some(Need::Scope(Scope::Read)),
            Self::Metrics | Self::Stats => Some(Need::Metrics),
            _ => None,
        }
    }

    pub(super) fn allows(self, method: Method) -> bool {
        match self {
            Self::Submit => method == Method::Post,
            Self::Server(_) => method == Method::Options,
            _ => matches!(method, Method::Get | Method::Head),
        }
    }

    /// As in `Allow`.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Submit => "POST",
            Self::Server(_) => "OPTIONS",
            _ => "GET, HEAD",
        }
    }
}
