//! `Forwarded` and `X-Forwarded-For`: from proxies only, and from the right.

use crate::harness::{Service, on_both_engines, submit};
use crate::{LOGGED, PROXY, STRANGER, TRUSTED, addresses, client, proxied};

on_both_engines!(a_proxy_says_who_asks, nobody_else_does);

fn a_proxy_says_who_asks(engine: &str) {
    let service = Service::on(engine, &[&TRUSTED[..], &LOGGED].concat());
    let cases = [
        ("", None),
        ("X-Forwarded-For: 192.0.2.1\r\n", Some("192.0.2.1")),
        (
            "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 192.0.2.1, 10.0.0.2\r\n",
            Some("192.0.2.1"),
        ),
        (
            "Forwarded: for=6.6.6.6;x=\", for=\"[2001:db8::1]:80\"\r\n",
            Some("2001:db8::1"),
        ),
        ("X-Forwarded-For: nobody\r\n", None),
        (
            "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n",
            None,
        ),
    ];
    // One connection, as a proxy keeps it for many clients.
    let mut proxy = client(PROXY, service.http);
    for (number, (headers, _)) in cases.iter().enumerate() {
        let body = format!(r#"{{"id":"o-{number}","value":1}}"#);
        assert_eq!(proxy.ask(submit(headers, &body)).status, 201);
    }
    let lines = addresses(&service, cases.len());
    for (line, (headers, want)) in lines.iter().zip(cases) {
        let want = (PROXY.to_string(), want.map(str::to_owned));
        assert_eq!(*line, want, "{headers}");
    }
}

fn nobody_else_does(engine: &str) {
    let headers = "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n";
    let request = submit(headers, r#"{"id":"a","value":1}"#);
    let service = Service::on(engine, &[&TRUSTED[..], &LOGGED].concat());
    assert_eq!(client(STRANGER, service.http).ask(&request).status, 201);
    assert_eq!(addresses(&service, 1), [(STRANGER.to_string(), None)]);
    // Nor does anyone while no proxy is trusted.
    let service = Service::on(engine, &LOGGED);
    assert_eq!(client(PROXY, service.http).ask(&request).status, 201);
    assert_eq!(addresses(&service, 1), [(PROXY.to_string(), None)]);
}

/// A proxy behind a proxy: the first one appends, the second one relays.
#[test]
fn a_proxy_may_connect_on_behalf_of_another() {
    let flags = [&TRUSTED[..], &LOGGED, &["--proxy-protocol"]].concat();
    let service = Service::start(&flags);
    let request = submit(
        "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n",
        r#"{"id":"a","value":1}"#,
    );
    for (source, want) in [([10, 0, 0, 2], "192.0.2.1"), ([192, 0, 2, 9], "192.0.2.9")] {
        let before = addresses(&service, 0).len();
        let mut proxy = client(PROXY, service.http);
        proxy.send(proxied(source));
        assert!(proxy.ask(&request).status < 300);
        let lines = addresses(&service, before + 1);
        assert_eq!(lines[before].1.as_deref(), Some(want));
    }
}
