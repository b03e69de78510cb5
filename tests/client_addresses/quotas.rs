//! What a client address may do.

use serde_json::Value;

use crate::harness::{Client, Service, get, on_both_engines, order, submit, until};
use crate::{PROXY, STRANGER, TRUSTED, client};

on_both_engines!(
    clients_behind_one_proxy_have_a_quota_each,
    requests_in_flight_are_counted,
);

const RATE: [&str; 4] = ["--client-rate", "1/h", "--client-burst", "3"];

fn body(id: &str) -> String {
    format!(r#"{{"id":"{id}","value":1}}"#)
}

/// A connection of the proxy, which the other engine closes after a refusal.
fn ask(
    proxy: &mut Client,
    service: &Service,
    engine: &str,
    request: &str,
) -> crate::harness::Reply {
    let reply = proxy.ask(request);
    if engine != "native" && reply.status == 429 {
        *proxy = client(PROXY, service.http);
    }
    reply
}

fn clients_behind_one_proxy_have_a_quota_each(engine: &str) {
    let service = Service::on(engine, &[&TRUSTED[..], &RATE].concat());
    let mut proxy = client(PROXY, service.http);
    let from = |address: &str| format!("X-Forwarded-For: 6.6.6.6, {address}\r\n");
    let mut number = 0;
    let mut order_from = |proxy: &mut Client, address: &str| {
        number += 1;
        let request = submit(&from(address), &body(&format!("o-{number}")));
        ask(proxy, &service, engine, &request)
    };
    // Two addresses, and two of one IPv6 network.
    for _ in 0..3 {
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            assert_eq!(order_from(&mut proxy, address).status, 201, "{address}");
        }
    }
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::2"] {
        let reply = order_from(&mut proxy, address);
        let problem = reply.problem(429);
        assert_eq!(problem["type"], "/problems/rate-limited");
        assert_eq!(problem["retry_safe"], true);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("--client-rate"), "{detail}");
        if engine == "native" {
            let policy = reply.header("ratelimit-policy");
            assert_eq!(policy, Some(r#""rate";q=3;w=10800"#));
            assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 3000);
        } else {
            assert_eq!(reply.retry_after(), 60);
        }
    }
    assert_eq!(order_from(&mut proxy, "192.0.2.3").status, 201);
    // What a stranger says changes nothing: it has its own.
    for number in 0..6 {
        let mut stranger = client(STRANGER, service.http);
        let headers = from(&format!("192.0.2.{}", 10 + number));
        let reply = stranger.ask(submit(&headers, &body(&format!("s-{number}"))));
        assert_eq!(reply.status, if number < 3 { 201 } else { 429 });
    }
    // Probes and figures are nobody's requests.
    for _ in 0..5 {
        assert_eq!(get(service.http, "/healthz").status, 200);
        assert_eq!(get(service.http, "/metrics").status, 200);
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (13, 13, 0));
    assert_eq!(figures.rejected("rate_limited"), 6);
    for (sample, count) in [
        (r#"client_requests{client="address"}"#, 13.0),
        (r#"client_refused{client="address",quota="rate"}"#, 6.0),
        ("client_addresses", 5.0),
        ("client_addresses_shared", 0.0),
    ] {
        assert_eq!(figures.get(sample), count, "{sample}");
    }
}

fn requests_in_flight_are_counted(engine: &str) {
    let flags = [&TRUSTED[..], &["--client-inflight", "1"]].concat();
    let service = Service::slow(engine, "2", "10s", &flags);
    let in_flight = || {
        service
            .figures()
            .get(r#"client_in_flight{client="address"}"#)
    };
    let mut first = client(PROXY, service.http);
    first.send(order("a-1"));
    until("in flight", || in_flight() == 1.0);
    let reply = client(PROXY, service.http).ask(order("a-2"));
    assert_eq!(reply.problem(429)["retry_safe"], true);
    assert_eq!(reply.retry_after(), 1);
    // Of another address, by the same proxy.
    let headers = "X-Forwarded-For: 192.0.2.1\r\n";
    let other = client(PROXY, service.http).ask(submit(headers, &body("b-1")));
    assert_eq!(other.status, 201);
    assert_eq!(first.reply().status, 201);
    until("it has its reply", || in_flight() == 0.0);
    let at_once = submit("Prefer: respond-async\r\n", &body("a-2"));
    assert_eq!(client(PROXY, service.http).ask(at_once).status, 202);
}

#[test]
fn a_batch_waits_for_the_rate_of_its_address() {
    let flags = [
        "--client-rate",
        "1/h",
        "--client-burst",
        "2",
        "--ack-timeout",
        "5s",
    ];
    let service = Service::start(&flags);
    let lines: String = (0..4).map(|n| body(&format!("l-{n}")) + "\n").collect();
    let reply = client(STRANGER, service.http).ask(format!(
        "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n{lines}",
        lines.len()
    ));
    let status = |line: &str| serde_json::from_str::<Value>(line).unwrap()["status"].clone();
    let results: Vec<_> = reply.text().lines().map(status).collect();
    assert_eq!(results, ["processed", "processed", "rejected", "rejected"]);
    assert_eq!(service.settled().rejected("rate_limited"), 2);
}
