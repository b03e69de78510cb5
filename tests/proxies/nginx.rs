//! nginx.

use crate::authority::{Authority, text};
use crate::harness::Service;
use crate::proxy::Proxy;
use crate::requests::{all_kinds_come_through, grpc_comes_through};

#[test]
fn it_passes_all_kinds_on() {
    let authority = Authority::new();
    let service = Service::with_grpc(&[]);
    let proxy = Proxy::start("nginx", &authority, &service, |text| text);
    all_kinds_come_through(&authority, &service, &proxy);
    grpc_comes_through(&authority, &proxy);
    drop(proxy);
    service.drain();
}

/// The defaults of nginx: HTTP/1.0, a connection for each request, both
/// directions buffered.
#[test]
fn http_1_0_and_buffers_are_no_obstacle() {
    let authority = Authority::new();
    let service = Service::with_grpc(&[]);
    let proxy = Proxy::start("nginx", &authority, &service, |text| {
        text.replace("proxy_http_version 1.1", "proxy_http_version 1.0")
            .replace("proxy_set_header Connection \"\";", "")
            .replace("proxy_request_buffering off;", "")
    });
    all_kinds_come_through(&authority, &service, &proxy);
    drop(proxy);
    service.drain();
}

/// An order that takes longer than nginx waits is sent again, to the same
/// service: it is processed once, and the client hears of it.
#[test]
fn a_retry_after_a_timeout_gets_the_same_outcome() {
    let authority = Authority::new();
    let slow = [
        "--processor",
        "simulate",
        "--simulate",
        "3s..3s",
        "--workers",
        "1",
    ];
    let service = Service::with_grpc(&slow);
    let address = service.http.to_string();
    let proxy = Proxy::start("nginx", &authority, &service, |text| {
        let server = format!("server {address};");
        text.replace(&server, &server.repeat(3))
            .replace("proxy_read_timeout 75s", "proxy_read_timeout 2s")
    });
    let output = text(&proxy.curl(&authority, "/submit", &["-d", r#"{"id":"a","value":1}"#]));
    assert!(
        output.contains("\"seq\":1") && output.contains("duplicate"),
        "{output}"
    );
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0));
    assert!(figures.count("orders_duplicate") >= 1);
    drop(proxy);
    service.drain();
}
