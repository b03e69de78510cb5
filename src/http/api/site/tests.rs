//! Hosts and origins, as browsers write them.

use crate::config::Config;
use crate::http::api::site::{Foreign, SiteRules, Sites, Source};
use crate::http::wire::Method;

fn rules(flags: &[&str]) -> SiteRules {
    let words = ["order-processor"].iter().chain(flags);
    let config = Config::parse_from(words, [("", ""); 0]).expect("good flags");
    Sites::of(&config).orders
}

fn of<'a>(host: &'a str, origin: Option<&'a str>) -> Source<'a> {
    Source {
        host: Some(host.as_bytes()),
        origin: origin.map(str::as_bytes),
        ..Source::default()
    }
}

#[test]
fn a_loopback_port_answers_to_names_that_mean_loopback() {
    let local = rules(&["--allowed-hosts", "Orders.internal,10.0.0.7,[fd00::7]"]);
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "orders.INTERNAL:99",
        "10.0.0.7",
        "[fd00::7]:1",
    ] {
        let checked = local.check(&of(host, None), Some(Method::Post));
        assert_eq!(checked, Ok(None), "{host}");
    }
    for host in [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "0.0.0.0",
        "10.0.0.8",
        "[::]",
        "[::2]",
        "127.1",
        "x.orders.internal",
    ] {
        let checked = local.check(&of(host, None), Some(Method::Get));
        assert_eq!(checked, Err(Foreign::Host), "{host}");
        for address in ["0.0.0.0:8080", "10.0.0.7:8080", "[::]:8080"] {
            let elsewhere = rules(&["--listen", address]);
            let checked = elsewhere.check(&of(host, None), Some(Method::Get));
            assert_eq!(checked, Ok(None), "{host} at {address}");
        }
    }
    assert!(rules(&["--listen", "[::1]:1"]).is_loopback);
    // HTTP/1.0 may name none; no browser does that.
    assert_eq!(local.check(&Source::default(), None), Ok(None));
}

#[test]
fn an_origin_is_this_host_or_foreign() {
    let rules = rules(&["--listen", "0.0.0.0:8080"]);
    for (host, origin, own) in [
        ("a:8080", "http://a:8080", true),
        ("A:8080", "HTTP://a:8080", true),
        ("a", "http://a", true),
        ("a", "https://a", true),
        ("a:80", "http://a", true),
        ("a:443", "https://a", true),
        ("a", "http://a:80", true),
        ("[::1]:1", "http://[::1]:1", true),
        ("a", "http://a:443", false),
        ("a:8080", "http://a", false),
        ("a", "http://a:8080", false),
        ("a:1", "http://a:2", false),
        ("a:80", "https://a", false),
        ("a", "http://b", false),
        ("a", "http://a.b", false),
        ("a", "http://x.a", false),
        ("a", "null", false),
        ("a", "", false),
        ("a", "a", false),
        ("a", "http://", false),
        ("a", "http://a/", false),
        ("a", "http://u@a", false),
    ] {
        let want = if own { Ok(None) } else { Err(Foreign::Site) };
        for method in [Some(Method::Post), Some(Method::Get), None] {
            let checked = rules.check(&of(host, Some(origin)), method);
            assert_eq!(checked, want, "{host} {origin}");
        }
    }
    let unknown = Source {
        origin: Some(b"http://a"),
        ..Source::default()
    };
    let checked = rules.check(&unknown, Some(Method::Post));
    assert_eq!(checked, Err(Foreign::Site));
}

#[test]
fn a_person_may_follow_a_link() {
    let rules = rules(&[]);
    let source = |navigates| Source {
        is_cross_site: true,
        navigates,
        ..of("localhost", None)
    };
    let refused = Err(Foreign::Site);
    assert_eq!(rules.check(&source(true), Some(Method::Get)), Ok(None));
    assert_eq!(rules.check(&source(false), Some(Method::Get)), refused);
    // A form is a navigation, too.
    assert_eq!(rules.check(&source(true), Some(Method::Post)), refused);
    assert_eq!(rules.check(&source(true), None), refused);
}

#[test]
fn named_origins_may_ask() {
    let rules = rules(&[
        "--allowed-origins",
        "https://Shop.example:443,http://b:8081",
    ]);
    let source = |origin| Source {
        is_cross_site: true,
        ..of("localhost", Some(origin))
    };
    let check = |origin| rules.check(&source(origin), Some(Method::Post));
    let line = "Access-Control-Allow-Origin: https://shop.example";
    assert_eq!(check("https://shop.example"), Ok(Some(line)));
    let line = "Access-Control-Allow-Origin: http://b:8081";
    assert_eq!(check("http://b:8081"), Ok(Some(line)));
    for other in [
        "http://shop.example",
        "https://shop.example:8443",
        "https://x.shop.example",
        "http://b",
        "null",
    ] {
        assert_eq!(check(other), Err(Foreign::Site), "{other}");
    }
    // An allowed page doesn't turn this host into another.
    let rebound = Source {
        host: Some(b"evil.test"),
        ..source("http://b:8081")
    };
    let checked = rules.check(&rebound, Some(Method::Get));
    assert_eq!(checked, Err(Foreign::Host));
}
