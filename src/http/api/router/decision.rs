//! What a request is, decided once from its head: method, path and content
//! type, on which port, and whether it may be made at all.

use std::net::IpAddr;

use crate::access::{Access, Caller};
use crate::http::api::router::refusal::RouteRefusal;
use crate::http::api::router::table::{Endpoint, Port};
use crate::http::api::site::{SiteRules, Sites, Source};
use crate::http::wire::Method;
use crate::http::wire::reply::NDJSON;
use crate::metrics::Route;

/// What is decided from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    /// `None` for one that is not known.
    pub method: Option<Method>,
    pub path: &'a [u8],
    pub content_type: Option<&'a [u8]>,
    pub source: Source<'a>,
    /// As it was sent.
    pub authorization: Option<&'a [u8]>,
    /// See [`Head::asks_for_method`](crate::http::wire::Head::asks_for_method).
    pub asks_for_method: bool,
    pub has_idempotency_key: bool,
}

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Routed {
    /// By the path alone: what the request is counted under, whatever comes of
    /// it.
    pub label: Route,
    pub action: Action,
    /// See [`Reply::allow_origin`](crate::http::wire::reply::Reply).
    pub allow_origin: Option<&'static str>,
}

impl Routed {
    /// Whether a quota, if its client has one, has let it through.
    #[inline]
    pub(crate) fn is_within_quota(&self) -> bool {
        matches!(self.action, Action::Call(Ok(_)) | Action::Batch)
    }
}

/// What an engine does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Reads the body as a whole, then
    /// [calls](crate::http::api::router::call()) this.
    Call(Target),
    /// Feeds the body to a [`Batch`](crate::http::api::batch::Batch) as it
    /// arrives.
    Batch,
    /// Refuses the request before its body is read; that ends the connection,
    /// unless the body has come with the head and the refusal isn't one of
    /// framing.
    RefuseUnread(RouteRefusal),
}

/// What answers a request with its body.
pub(crate) type Target = Result<Endpoint, RouteRefusal>;

/// Decides what a request is, and whether it may be made. `caller` is what its
/// connection remembers, and `address` where the request comes from, asked for
/// where that matters.
pub(crate) fn route(
    port: Port,
    sites: &Sites,
    access: &Access,
    caller: &mut Caller,
    head: &RequestHead<'_>,
    address: impl FnOnce() -> IpAddr,
) -> Routed {
    let endpoint = Endpoint::of(port, head.path);
    let (action, allow_origin) = match rules(port, sites).check(&head.source, head.method) {
        Err(foreign) => (Action::RefuseUnread(RouteRefusal::Foreign(foreign)), None),
        Ok(allow_origin) => {
            let is_preflight = head.method == Some(Method::Options)
                && allow_origin.is_some()
                && head.asks_for_method;
            let need = endpoint.filter(|_| !is_preflight);
            let need = need.and_then(|endpoint| endpoint.need(port));
            let action = match access.check(caller, head.authorization, need, address) {
                Ok(()) => within_quota(caller, action(port, head, endpoint, is_preflight)),
                Err(denied) => Action::RefuseUnread(RouteRefusal::Denied(denied)),
            };
            (action, allow_origin)
        }
    };
    Routed {
        label: endpoint.map_or(Route::Other, Endpoint::label),
        action,
        allow_origin,
    }
}

fn rules(port: Port, sites: &Sites) -> &SiteRules {
    match port {
        Port::Orders | Port::SingleOrders => &sites.orders,
        Port::Admin => &sites.admin,
    }
}

/// What is called is counted in the quota of its client. A batch counts as in
/// flight, and in the rate with each of its orders.
fn within_quota(caller: &mut Caller, action: Action) -> Action {
    let begun = match action {
        Action::Call(Ok(_)) => caller.begin_request(true),
        Action::Batch => caller.begin_request(false),
        Action::Call(Err(_)) | Action::RefuseUnread(_) => Ok(()),
    };
    match begun {
        Ok(()) => action,
        Err(over) => Action::RefuseUnread(RouteRefusal::OverQuota(over)),
    }
}

fn action(
    port: Port,
    head: &RequestHead<'_>,
    endpoint: Option<Endpoint>,
    is_preflight: bool,
) -> Action {
    match (head.method, endpoint) {
        (None, _) => Action::RefuseUnread(RouteRefusal::UnknownMethod),
        (Some(method), Some(endpoint)) if port.serves(endpoint) => {
            if is_preflight {
                return Action::Call(Ok(Endpoint::Preflight(endpoint.methods())));
            }
            serve(port, method, endpoint, head)
        }
        _ => Action::Call(Err(RouteRefusal::NotFound(port.served()))),
    }
}

fn serve(port: Port, method: Method, endpoint: Endpoint, head: &RequestHead<'_>) -> Action {
    if !endpoint.allows(method) {
        let allow = endpoint.methods();
        return Action::Call(Err(RouteRefusal::MethodNotAllowed(allow)));
    }
    let whole_service = port != Port::SingleOrders;
    match endpoint {
        Endpoint::Submit if is_ndjson(head.content_type) => {
            if !whole_service {
                Action::RefuseUnread(RouteRefusal::NoBatches)
            } else if head.has_idempotency_key {
                Action::RefuseUnread(RouteRefusal::KeyOnBatch)
            } else {
                Action::Batch
            }
        }
        Endpoint::Feed if !whole_service => Action::Call(Err(RouteRefusal::NoFeed)),
        _ => Action::Call(Ok(endpoint)),
    }
}

/// Whether a body is a batch, whatever the parameters of its media type.
pub(super) fn is_ndjson(content_type: Option<&[u8]>) -> bool {
    let mut parts = content_type.unwrap_or_default().split(|&byte| byte == b';');
    let media_type = parts.next().unwrap_or_default();
    media_type
        .trim_ascii()
        .eq_ignore_ascii_case(NDJSON.as_bytes())
}
