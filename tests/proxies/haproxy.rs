//! HAProxy.

use crate::authority::{Authority, text};
use crate::harness::{Client, Service, order, until};
use crate::proxy::Proxy;
use crate::requests::{all_kinds_come_through, grpc_comes_through};

#[test]
fn it_passes_all_kinds_on() {
    let authority = Authority::new();
    let service = Service::with_grpc(&[]);
    let proxy = Proxy::start("haproxy", &authority, &service, |text| text);
    all_kinds_come_through(&authority, &service, &proxy);
    grpc_comes_through(&authority, &proxy);
    drop(proxy);
    service.drain();
}

/// An order that takes longer than HAProxy waits is sent again: it is processed
/// once, and the client hears of it.
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
    let proxy = Proxy::start("haproxy", &authority, &service, |text| {
        text.replace("timeout server 75s", "timeout server 2s")
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

/// What a full queue says reaches the client, with when to retry.
#[test]
fn a_full_queue_says_when_to_retry() {
    let authority = Authority::new();
    let slow = [
        "--processor",
        "simulate",
        "--simulate",
        "30s..30s",
        "--workers",
        "1",
        "--queue-capacity",
        "1",
        "--drain-timeout",
        "1ms",
    ];
    for status in ["503", "429"] {
        let service = Service::with_grpc(&[&slow[..], &["--overload-status", status]].concat());
        let proxy = Proxy::start("haproxy", &authority, &service, |text| text);
        let inside = |number| service.figures().count("orders_accepted") == number;
        let clients: Vec<_> = (0..2)
            .map(|number| {
                let mut client = Client::to(service.http);
                client.send(order(&format!("busy-{number}")));
                until("taken", || inside(number + 1));
                until("off the queue", || {
                    number > 0 || service.figures().count("queue_depth") == 0
                });
                client
            })
            .collect();
        let args = ["-i", "-d", r#"{"id":"a","value":1}"#];
        let output = text(&proxy.curl(&authority, "/submit", &args)).to_lowercase();
        let ends = format!(" {status}");
        assert!(
            output.contains("retry-after: ") && output.ends_with(&ends),
            "{output}"
        );
        drop((clients, proxy));
    }
}
