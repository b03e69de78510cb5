//! The route table: from a request to a reply, or to something to wait for.
//!
//! Nothing here knows a socket, so both engines and the tests call the same
//! functions. A route never blocks: what takes time comes as [`Handled::Wait`].

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::http::api::feed::Follow;
use crate::http::api::observer::View;
use crate::http::api::orders::Lookup;
use crate::http::api::problem::Problem;
use crate::http::api::service::Service;
use crate::http::api::submit::Pending;
use crate::http::api::{feed, orders, submit};
use crate::http::wire::Method;
use crate::http::wire::reply::{JSON, Reply};
use crate::metrics::{Route, wants_openmetrics};
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// A request with its whole body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path, as it was sent.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: &'a str,
    /// The first two `Prefer` lines.
    pub prefer: [Option<&'a str>; 2],
    /// The first two `Accept` lines.
    pub accept: [Option<&'a str>; 2],
    /// The body; `None` when the head announced none.
    pub body: Option<&'a [u8]>,
}

/// Which ports a request came in on: they have different tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// Everything.
    Orders,
    /// What an operator needs, GET only.
    Admin,
}

/// What a route came to.
pub(crate) enum Handled {
    /// A reply.
    Reply(Reply),
    /// Not yet: poll it when the waker is called, and when its time is up.
    Wait(Wait),
}

/// Something to wait for.
pub(crate) enum Wait {
    /// An order's outcome.
    Order(Pending),
    /// An outcome from the archive.
    Lookup(Lookup),
    /// Outcomes of the feed.
    Feed(Follow),
    /// A scrape.
    View(Arc<Oneshot<Reply>>),
}

impl Wait {
    /// The reply, if it is there or the time is up.
    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        match self {
            Self::Order(pending) => pending.poll(service),
            Self::Lookup(lookup) => lookup.poll(service),
            Self::Feed(follow) => follow.poll(service),
            Self::View(reply) => reply.get().cloned(),
        }
    }

    /// When to poll again at the latest; `None`: it answers by itself.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self {
            Self::Order(pending) => Some(pending.until()),
            Self::Feed(follow) => follow.until(),
            Self::Lookup(_) | Self::View(_) => None,
        }
    }

    /// The reply to a client that has hung up, if there is no use in waiting
    /// then.
    pub(crate) fn give_up(&self, service: &Service) -> Option<Reply> {
        match self {
            Self::Feed(follow) => follow.give_up(service),
            Self::Order(_) | Self::Lookup(_) | Self::View(_) => None,
        }
    }
}

/// Which route a path names, for the counters.
pub(crate) fn route(path: &str) -> Route {
    match path {
        "/submit" => Route::Submit,
        "/orders" => Route::Feed,
        "/metrics" => Route::Metrics,
        "/healthz" => Route::Healthz,
        "/readyz" => Route::Readyz,
        "/stats" => Route::Stats,
        "/" => Route::Page,
        "/openapi.json" => Route::Openapi,
        _ if path.starts_with("/orders/") => Route::Order,
        _ => Route::Other,
    }
}

/// Answers a request, but for one that [is a batch](crate::http::api::batch::is_batch): an
/// engine reads its body into a [`Batch`](crate::http::api::batch::Batch) as it arrives.
pub(crate) fn handle(
    service: &Service,
    port: Port,
    request: &Request<'_>,
    waker: &Waker,
) -> Handled {
    let route = route(request.path);
    let served = match port {
        Port::Orders => route != Route::Other,
        Port::Admin => matches!(
            route,
            Route::Metrics | Route::Healthz | Route::Readyz | Route::Stats
        ),
    };
    if !served {
        let detail = format!("nothing is served at {}", shown(request.path));
        return Handled::Reply(Problem::NotFound.report(&detail).reply());
    }
    let allow = if route == Route::Submit {
        "POST"
    } else {
        "GET, HEAD"
    };
    let allowed = match request.method {
        Method::Post => route == Route::Submit,
        Method::Get | Method::Head => route != Route::Submit,
        _ => false,
    };
    if !allowed {
        let detail = format!("{} takes {allow} only", request.path);
        return Handled::Reply(
            Problem::MethodNotAllowed
                .report(&detail)
                .allow(allow)
                .reply(),
        );
    }
    match route {
        Route::Submit => submit::submit(service, request, waker),
        Route::Order => orders::order(service, &request.path["/orders/".len()..], waker),
        Route::Feed => feed::feed(service, request.query, waker),
        Route::Metrics => {
            let open = request
                .accept
                .iter()
                .flatten()
                .any(|accept| wants_openmetrics(accept));
            ask(
                service,
                if open {
                    View::OpenMetrics
                } else {
                    View::Classic
                },
                waker,
            )
        }
        Route::Stats => ask(service, View::Stats, waker),
        Route::Healthz => Handled::Reply(Reply::fixed(200, JSON, br#"{"status":"alive"}"#)),
        Route::Readyz => Handled::Reply(readiness(service)),
        Route::Page => Handled::Reply(page()),
        Route::Openapi => Handled::Reply(Reply::fixed(200, JSON, include_bytes!("openapi.json"))),
        Route::Other => unreachable!("not served, above"),
    }
}

fn ask(service: &Service, view: View, waker: &Waker) -> Handled {
    match service.observer.ask(view, waker) {
        Some(reply) => Handled::Wait(Wait::View(reply)),
        None => {
            let report = Problem::FeedBusy.report("too many scrapes are waiting");
            Handled::Reply(report.retry_after(1).reply())
        }
    }
}

fn readiness(service: &Service) -> Reply {
    match service.admission.state() {
        GateState::Open => Reply::fixed(200, JSON, br#"{"status":"ready"}"#),
        state => closed(state),
    }
}

/// The 503 that says why orders aren't taken.
pub(crate) fn closed(state: GateState) -> Reply {
    let (problem, detail) = why_closed(state);
    problem.report(detail).retry_after(1).reply()
}

/// Why orders aren't taken, in words.
pub(crate) fn why_closed(state: GateState) -> (Problem, &'static str) {
    match state {
        GateState::Draining => (
            Problem::Draining,
            "this process is about to end; another may be up",
        ),
        GateState::LedgerDown => (
            Problem::LedgerDown,
            "the ledger has failed; orders are refused",
        ),
        GateState::LedgerFull => (
            Problem::LedgerDown,
            "the ledger's disk is full; orders are taken again when there is space",
        ),
        GateState::Recovering | GateState::Open => {
            (Problem::Recovering, "the ledger is being recovered")
        }
    }
}

/// The status page's policy: it brings all it needs, and asks this server only.
pub(crate) const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

fn page() -> Reply {
    const PAGE: &[u8] = include_bytes!("page.html");
    Reply::fixed(200, "text/html; charset=utf-8", PAGE)
        .with_header("Content-Security-Policy", PAGE_POLICY.into())
        .with_header("X-Content-Type-Options", "nosniff".into())
}

/// A path or name as a problem shows it: not more of it than helps.
pub(crate) fn shown(path: &str) -> &str {
    const SHOWN_MAX: usize = 64;
    &path[..path.floor_char_boundary(SHOWN_MAX)]
}
