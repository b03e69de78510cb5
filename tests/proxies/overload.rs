//! A full queue behind each proxy.

use crate::authority::{Authority, text};
use crate::harness::{Client, Service, order, until};
use crate::proxy::Proxy;
use crate::shared::for_each_of;

for_each_of!([nginx, haproxy, envoy], a_full_queue_says_when_to_retry);

/// A service whose queue is full, as long as the clients are connected.
#[track_caller]
fn full(status: &str) -> (Service, Vec<Client>) {
    let slow = [
        "--processor",
        "simulate",
        "--simulate",
        "10m..10m",
        "--workers",
        "1",
        "--queue-capacity",
        "1",
        "--ack-timeout",
        "10m",
        "--drain-timeout",
        "1ms",
        "--overload-status",
        status,
    ];
    let service = Service::with_grpc(&slow);
    let clients = (0..2)
        .map(|number| {
            let mut client = Client::to(service.http);
            client.send(order(&format!("busy-{number}")));
            let accepted = || service.figures().count("orders_accepted");
            until("taken", || accepted() == number + 1);
            until("off the queue", || {
                number > 0 || service.figures().count("queue_depth") == 0
            });
            client
        })
        .collect();
    (service, clients)
}

fn submit(proxy: &Proxy, authority: &Authority) -> String {
    let args = ["-i", "-d", r#"{"id":"a","value":1}"#];
    text(&proxy.curl(authority, "/submit", &args)).to_lowercase()
}

/// What a full queue says reaches the client, with when to retry.
fn a_full_queue_says_when_to_retry(program: &str) {
    let authority = Authority::new();
    for status in ["503", "429"] {
        let (service, clients) = full(status);
        let proxy = Proxy::start(program, &authority, &service, |text| text);
        let output = submit(&proxy, &authority);
        let ends = format!(" {status}");
        assert!(
            output.contains("retry-after: ") && output.ends_with(&ends),
            "{output}"
        );
        drop((clients, proxy));
    }
}

/// Envoy takes a host out for refusals that are 503, and not for those that are
/// 429. A host that is alone is
/// ejected only where it is told to.
#[test]
fn outlier_detection_counts_503_and_not_429() {
    let authority = Authority::new();
    let ejects = |text: String| {
        let from = "outlier_detection: { consecutive_5xx: 5,";
        assert!(text.contains(from));
        let no_panic = "common_lb_config: { healthy_panic_threshold: { value: 0 } }";
        text.replace(
            from,
            &format!("{no_panic}\n      {from} max_ejection_percent: 100,"),
        )
    };
    let (service, clients) = full("503");
    let proxy = Proxy::start("envoy", &authority, &service, ejects);
    until("ejected", || {
        submit(&proxy, &authority).contains("no healthy upstream")
    });
    drop((clients, proxy, service));
    let (service, clients) = full("429");
    let proxy = Proxy::start("envoy", &authority, &service, ejects);
    for _ in 0..12 {
        let output = submit(&proxy, &authority);
        assert!(output.ends_with(" 429"), "{output}");
    }
    drop((clients, proxy));
}
