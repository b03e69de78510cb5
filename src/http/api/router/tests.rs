//! What is decided from a head.

use crate::access::{Access, Caller};
use crate::config::Config;
use crate::http::api::router::decision::is_ndjson;
use crate::http::api::router::table::Endpoint;
use crate::http::api::router::{self, Action, Port, RequestHead, RouteRefusal, Routed};
use crate::http::api::site::{Foreign, Sites, Source};
use crate::http::wire::Method;
use crate::http::wire::reply::NDJSON;
use crate::metrics::Route;

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
    router::route(
        port,
        &Sites::of(&config),
        &access,
        &mut caller,
        head,
        || unreachable!("addresses have no quota"),
    )
}

fn route(port: Port, method: Option<Method>, path: &[u8], content_type: Option<&[u8]>) -> Routed {
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
    let refused = RouteRefusal::NotFound(Port::Admin.served());
    assert_eq!(routed.action, Action::Call(Err(refused)));
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
    for batch in [
        "application/x-ndjson",
        " Application/X-NDJSON ; charset=utf-8",
    ] {
        assert!(is_ndjson(Some(batch.as_bytes())), "{batch}");
    }
    for other in ["application/json", "application/x-ndjsonl", ""] {
        assert!(!is_ndjson(Some(other.as_bytes())), "{other}");
    }
    assert!(!is_ndjson(None));
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
    let off_admin = refused(R::NotFound(P::Admin.served()));
    // On the order port with either engine, and on the admin port.
    for (method, path, orders, single, admin) in [
        (
            M::Post,
            "/submit",
            whole(E::Submit),
            whole(E::Submit),
            off_admin,
        ),
        (M::Get, "/submit", refused(post), refused(post), off_admin),
        (
            M::Get,
            "/orders/a",
            whole(E::Order),
            whole(E::Order),
            off_admin,
        ),
        (
            M::Head,
            "/orders",
            whole(E::Feed),
            refused(R::NoFeed),
            off_admin,
        ),
        (M::Post, "/orders", refused(get), refused(get), off_admin),
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
            refused(R::NotFound(P::Orders.served())),
            refused(R::NotFound(P::Orders.served())),
            off_admin,
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
            Action::Call(Err(RouteRefusal::NotFound(Port::Admin.served()))),
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
