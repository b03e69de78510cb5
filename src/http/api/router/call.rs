//! Calls what answers a request, and polls what it waits for.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::http::api::accept::wants_openmetrics;
use crate::http::api::feed::{LongPoll, feed};
use crate::http::api::handled::Handled;
use crate::http::api::observer::View;
use crate::http::api::orders::{Lookup, order};
use crate::http::api::outcome::ORDER_PREFIX;
use crate::http::api::problem::{busy, closed, closed_because};
use crate::http::api::request::Request;
use crate::http::api::router::decision::Target;
use crate::http::api::router::table::Endpoint;
use crate::http::api::service::Service;
use crate::http::api::submit::{SubmitWait, submit};
use crate::http::wire::reply::{Caching, JSON, Reply};
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// What a request waits for.
pub(crate) enum Wait {
    Submit(SubmitWait),
    Order(Lookup),
    Feed(LongPoll),
    /// A scrape.
    View(Arc<Oneshot<Reply>>),
}

impl Wait {
    /// The reply, if it is there or the time is up.
    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        match self {
            Self::Submit(wait) => wait.poll(service),
            Self::Order(lookup) => lookup.poll(service),
            Self::Feed(long_poll) => long_poll.poll(service),
            Self::View(reply) => reply.get().cloned(),
        }
    }

    /// When to poll again at the latest; `None`: the waker will be called.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self {
            Self::Submit(wait) => wait.until(),
            Self::Feed(long_poll) => long_poll.until(),
            Self::Order(_) | Self::View(_) => None,
        }
    }

    /// The reply to a client that has hung up, if there is no use in waiting
    /// then.
    pub(crate) fn give_up(&self, service: &Service) -> Option<Reply> {
        match self {
            Self::Feed(long_poll) => long_poll.give_up(service),
            Self::Submit(_) | Self::Order(_) | Self::View(_) => None,
        }
    }
}

/// Answers a request with its body. `target` is what
/// [`route`](crate::http::api::router::route) said that it is.
pub(crate) fn call(
    service: &Service,
    target: Target,
    request: &Request<'_>,
    waker: &Waker,
) -> Handled<Wait> {
    let endpoint = match target {
        Ok(endpoint) => endpoint,
        Err(refusal) => return Handled::Reply(refusal.report(request.path()).reply()),
    };
    match endpoint {
        Endpoint::Submit => submit(service, request, waker).map(Wait::Submit),
        Endpoint::Order => {
            let id = request
                .path()
                .strip_prefix(ORDER_PREFIX)
                .unwrap_or_default();
            order(service, id, waker).map(Wait::Order)
        }
        Endpoint::Feed => feed(service, request.query, waker).map(Wait::Feed),
        Endpoint::Metrics => scrape(service, metrics_view(request), waker),
        Endpoint::Stats => scrape(service, View::Stats, waker),
        Endpoint::Healthz => Handled::Reply(Reply::fixed(200, JSON, ALIVE)),
        Endpoint::Readyz => Handled::Reply(readiness(service)),
        Endpoint::Page => Handled::Reply(page()),
        Endpoint::Openapi => {
            Handled::Reply(Reply::fixed(200, JSON, OPENAPI).cached(Caching::Unsaid))
        }
        Endpoint::Server(methods) | Endpoint::Preflight(methods) => Handled::Reply(Reply {
            allow: Some(methods),
            is_preflight: matches!(endpoint, Endpoint::Preflight(_)),
            ..Reply::empty(204)
        }),
    }
}

const ALIVE: &[u8] = b"{\"status\":\"alive\"}\n";
const OPENAPI: &[u8] = include_bytes!("../openapi.json");

fn metrics_view(request: &Request<'_>) -> View {
    if wants_openmetrics(request.accept) {
        View::OpenMetrics
    } else {
        View::Classic
    }
}

fn scrape(service: &Service, view: View, waker: &Waker) -> Handled<Wait> {
    match service.observer.ask(view, waker) {
        Some(reply) => Handled::Wait(Wait::View(reply)),
        None => Handled::Reply(busy("too many scrapes are waiting".to_owned()).reply()),
    }
}

/// Ready as long as orders are taken, and for which ledger: behind one name all
/// have to say the same. Also while the segment behind the one that
/// is written to can't be made; but it says so.
fn readiness(service: &Service) -> Reply {
    let state = service.admission.state();
    let trouble = service.admission.no_segment_ahead();
    match (state, trouble) {
        (GateState::Open, trouble) => {
            let mut body = serde_json::json!({"status": "ready"});
            if let Some(archive) = service.admission.archive() {
                body["ledger_id"] = archive.ledger_id().to_string().into();
            }
            if let Some(why) = trouble {
                let warning = format!("orders are taken until the current segment is full: {why}");
                body["warning"] = warning.into();
            }
            Reply::json(200, body.to_string().into_bytes())
        }
        (GateState::LedgerFull, Some(why)) => closed_because(state, &why).reply(),
        (state, _) => closed(state).reply(),
    }
}

/// The status page's policy: what it brings is executed and nothing else, it
/// asks this server only, is shown in no other page, and sets text only.
pub(crate) const PAGE_POLICY: &str = env!("PAGE_POLICY");

fn page() -> Reply {
    const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html"));
    Reply::fixed(200, "text/html; charset=utf-8", PAGE)
        .with_header("Content-Security-Policy", PAGE_POLICY.into())
        .cached(Caching::Unsaid)
}
