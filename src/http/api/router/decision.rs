//! What a request is, decided once from its head: method, path and content
//! type, on which port, and whether it may be made at all.

use crate::access::{Access, Caller, Need, Scope};
use crate::http::api::outcome::ORDER_PREFIX;
use crate::http::api::router::refusal::RouteRefusal;
use crate::http::api::site::{SiteRules, Sites, Source};
use crate::http::wire::Method;
use crate::http::wire::reply::NDJSON;
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

/// What an engine does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Reads the body as a whole, then
    /// [calls](crate::http::api::router::call()) this.
    Call(Target),
    /// Feeds the body to a [`Batch`](crate::http::api::batch::Batch) as it
    /// arrives.
    Batch,
    /// Refuses the request before its body is read, and ends the connection.
    RefuseUnread(RouteRefusal),
}

/// What answers a request with its body.
pub(crate) type Target = Result<Endpoint, RouteRefusal>;

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

/// Decides what a request is, and whether it may be made. `caller` is what its
/// connection remembers.
pub(crate) fn route(
    port: Port,
    sites: &Sites,
    access: &Access,
    caller: &mut Caller,
    head: &RequestHead<'_>,
) -> Routed {
    let endpoint = Endpoint::of(port, head.path);
    let (action, allow_origin) = match port.rules(sites).check(&head.source, head.method) {
        Err(foreign) => (Action::RefuseUnread(RouteRefusal::Foreign(foreign)), None),
        Ok(allow_origin) => {
            let is_preflight = head.method == Some(Method::Options)
                && allow_origin.is_some()
                && head.asks_for_method;
            let need = endpoint.filter(|_| !is_preflight);
            let need = need.and_then(|endpoint| endpoint.need(port));
            let action = match access.check(caller, head.authorization, need) {
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
        _ => Action::Call(Err(RouteRefusal::NotFound)),
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

impl Port {
    fn rules(self, sites: &Sites) -> &SiteRules {
        match self {
            Self::Orders | Self::SingleOrders => &sites.orders,
            Self::Admin => &sites.admin,
        }
    }

    fn serves(self, endpoint: Endpoint) -> bool {
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

    /// The methods of all that it serves, as in `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Orders | Self::SingleOrders => "GET, HEAD, POST, OPTIONS",
            Self::Admin => "GET, HEAD, OPTIONS",
        }
    }
}

impl Endpoint {
    fn of(port: Port, path: &[u8]) -> Option<Self> {
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

    fn label(self) -> Route {
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
    fn need(self, port: Port) -> Option<Need> {
        match self {
            Self::Submit if port != Port::Admin => Some(Need::Scope(Scope::Submit)),
            Self::Order | Self::Feed if port != Port::Admin => Some(Need::Scope(Scope::Read)),
            Self::Stats if port != Port::Admin => Some(Need::Scope(Scope::Read)),
            Self::Metrics | Self::Stats => Some(Need::Metrics),
            _ => None,
        }
    }

    fn allows(self, method: Method) -> bool {
        match self {
            Self::Submit => method == Method::Post,
            Self::Server(_) => method == Method::Options,
            _ => matches!(method, Method::Get | Method::Head),
        }
    }

    /// As in `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Submit => "POST",
            Self::Server(_) => "OPTIONS",
            _ => "GET, HEAD",
        }
    }
}

/// Whether a body is a batch, whatever the parameters of its media type.
fn is_ndjson(content_type: Option<&[u8]>) -> bool {
    let mut parts = content_type.unwrap_or_default().split(|&byte| byte == b';');
    let media_type = parts.next().unwrap_or_default();
    media_type
        .trim_ascii()
        .eq_ignore_ascii_case(NDJSON.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::http::api::site::Foreign;

    fn of<'a>(
        method: Option<Method>,
        path: &'a [u8],
        content_type: Option<&'a [u8]>,
    ) -> RequestHead<'a> {
        RequestHead {
            method,
            path,
            content_type,
            source: Source::default(),
            authorization: None,
            asks_for_method: false,
            has_idempotency_key: false,
        }
    }

    fn decide(port: Port, flags: &[&str], head: &RequestHead<'_>) -> Routed {
        let words = ["order-processor"].iter().chain(flags);
        let config = Config::parse_from(words, [("", ""); 0]).expect("good flags");
        let access = Access::new(&config).expect("no token file");
        let mut caller = Caller::default();
        super::route(port, &Sites::of(&config), &access, &mut caller, head)
    }

    fn route(
        port: Port,
        method: Option<Method>,
        path: &[u8],
        content_type: Option<&[u8]>,
    ) -> Routed {
        decide(port, &[], &of(method, path, content_type))
    }

    #[test]
    fn what_another_site_asks_is_refused_unread() {
        let head = RequestHead {
            source: Source {
                is_cross_site: true,
                ..Source::default()
            },
            ..of(Some(Method::Post), b"/submit", None)
        };
        for port in [Port::Orders, Port::SingleOrders, Port::Admin] {
            let routed = decide(port, &[], &head);
            let refused = Action::RefuseUnread(RouteRefusal::Foreign(Foreign::Site));
            assert_eq!((routed.label, routed.action), (Route::Submit, refused));
            assert_eq!(routed.allow_origin, None);
        }
    }

    #[test]
    fn preflights_are_answered_for_what_a_port_serves() {
        let preflight = |port, path, origin: &'static str| {
            let head = RequestHead {
                source: Source {
                    host: Some(b"localhost"),
                    origin: Some(origin.as_bytes()),
                    is_cross_site: true,
                    ..Source::default()
                },
                asks_for_method: true,
                ..of(Some(Method::Options), path, None)
            };
            decide(port, &["--allowed-origins", "http://a"], &head)
        };
        for (port, path, methods) in [
            (Port::Orders, &b"/submit"[..], "POST"),
            (Port::SingleOrders, b"/orders/a", "GET, HEAD"),
            (Port::Admin, b"/stats", "GET, HEAD"),
        ] {
            let routed = preflight(port, path, "http://a");
            assert_eq!(
                routed.action,
                Action::Call(Ok(Endpoint::Preflight(methods)))
            );
            assert!(routed.allow_origin.is_some());
            let routed = preflight(port, path, "http://b");
            assert_eq!(
                routed.action,
                Action::RefuseUnread(RouteRefusal::Foreign(Foreign::Site))
            );
        }
        let routed = preflight(Port::Admin, b"/submit", "http://a");
        assert_eq!(routed.action, Action::Call(Err(RouteRefusal::NotFound)));
    }

    #[test]
    fn a_batch_takes_no_key() {
        let head = RequestHead {
            has_idempotency_key: true,
            ..of(Some(Method::Post), b"/submit", Some(NDJSON.as_bytes()))
        };
        let refused = Action::RefuseUnread(RouteRefusal::KeyOnBatch);
        assert_eq!(decide(Port::Orders, &[], &head).action, refused);
        let single = RequestHead {
            content_type: None,
            ..head
        };
        let taken = Action::Call(Ok(Endpoint::Submit));
        assert_eq!(decide(Port::Orders, &[], &single).action, taken);
    }

    #[test]
    fn batches_are_known_by_their_media_type() {
        let is_ndjson = |text: &str| is_ndjson(Some(text.as_bytes()));
        assert!(is_ndjson("application/x-ndjson"));
        assert!(is_ndjson(" Application/X-NDJSON ; charset=utf-8"));
        for other in ["application/json", "application/x-ndjsonl", ""] {
            assert!(!is_ndjson(other));
        }
        assert!(!super::is_ndjson(None));
    }

    #[test]
    fn each_port_has_its_table() {
        use {Action as A, Endpoint as E, Method as M, Port as P, RouteRefusal as R};
        let whole = |endpoint| A::Call(Ok(endpoint));
        let refused = |refusal| A::Call(Err(refusal));
        let (post, get) = (
            R::MethodNotAllowed("POST"),
            R::MethodNotAllowed("GET, HEAD"),
        );
        // On the order port with either engine, and on the admin port.
        for (method, path, orders, single, admin) in [
            (
                M::Post,
                "/submit",
                whole(E::Submit),
                whole(E::Submit),
                refused(R::NotFound),
            ),
            (
                M::Get,
                "/submit",
                refused(post),
                refused(post),
                refused(R::NotFound),
            ),
            (
                M::Get,
                "/orders/a",
                whole(E::Order),
                whole(E::Order),
                refused(R::NotFound),
            ),
            (
                M::Head,
                "/orders",
                whole(E::Feed),
                refused(R::NoFeed),
                refused(R::NotFound),
            ),
            (
                M::Post,
                "/orders",
                refused(get),
                refused(get),
                refused(R::NotFound),
            ),
            (
                M::Get,
                "/stats",
                whole(E::Stats),
                whole(E::Stats),
                whole(E::Stats),
            ),
            (M::Put, "/stats", refused(get), refused(get), refused(get)),
            (
                M::Options,
                "*",
                whole(E::Server("GET, HEAD, POST, OPTIONS")),
                whole(E::Server("GET, HEAD, POST, OPTIONS")),
                whole(E::Server("GET, HEAD, OPTIONS")),
            ),
            (
                M::Get,
                "/x",
                refused(R::NotFound),
                refused(R::NotFound),
                refused(R::NotFound),
            ),
        ] {
            for (port, want) in [
                (P::Orders, orders),
                (P::SingleOrders, single),
                (P::Admin, admin),
            ] {
                let routed = route(port, Some(method), path.as_bytes(), None);
                assert_eq!(routed.action, want, "{port:?} {method:?} {path}");
                assert_eq!(route(port, None, path.as_bytes(), None).label, routed.label);
            }
        }
    }

    #[test]
    fn what_is_refused_before_its_body_is_counted_under_its_path() {
        let submit = |port, method| route(port, method, b"/submit", Some(NDJSON.as_bytes()));
        for (port, method, action) in [
            (Port::Orders, Some(Method::Post), Action::Batch),
            (
                Port::SingleOrders,
                Some(Method::Post),
                Action::RefuseUnread(RouteRefusal::NoBatches),
            ),
            (
                Port::Admin,
                Some(Method::Post),
                Action::Call(Err(RouteRefusal::NotFound)),
            ),
            (
                Port::Orders,
                None,
                Action::RefuseUnread(RouteRefusal::UnknownMethod),
            ),
        ] {
            let routed = submit(port, method);
            assert_eq!((routed.label, routed.action), (Route::Submit, action));
        }
    }
}
