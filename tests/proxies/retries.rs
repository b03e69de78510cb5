//! What a proxy passes on, and sends again.

use crate::authority::{Authority, text};
use crate::harness::Service;
use crate::proxy::Proxy;
use crate::requests::{all_kinds_come_through, grpc_comes_through};
use crate::shared::for_each_of;

for_each_of!(
    [nginx, haproxy, envoy],
    it_passes_all_kinds_on,
    a_retry_after_a_timeout_gets_the_same_outcome,
);

fn it_passes_all_kinds_on(program: &str) {
    let authority = Authority::new();
    let service = Service::with_grpc(&[]);
    let proxy = Proxy::start(program, &authority, &service, |text| text);
    all_kinds_come_through(&authority, &service, &proxy);
    grpc_comes_through(&authority, &proxy);
    drop(proxy);
    service.drain();
}

/// An order that takes longer than the proxy waits is sent again, to the same
/// service: it is processed once, and the client hears of it.
fn a_retry_after_a_timeout_gets_the_same_outcome(program: &str) {
    let authority = Authority::new();
    let slow = [
        "--processor",
        "simulate",
        "--simulate",
        "6s..6s",
        "--workers",
        "1",
    ];
    let service = Service::with_grpc(&slow);
    let address = service.http.to_string();
    let proxy = Proxy::start(program, &authority, &service, |text| match program {
        "nginx" => {
            let server = format!("server {address};");
            text.replace(&server, &server.repeat(3))
                .replace("proxy_read_timeout 75s", "proxy_read_timeout 4s")
        }
        "haproxy" => text.replace("timeout server 75s", "timeout server 4s"),
        _ => text.replace(
            "retry_on: connect-failure,",
            "per_try_timeout: 4s\n                              retry_on: 5xx,connect-failure,",
        ),
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
