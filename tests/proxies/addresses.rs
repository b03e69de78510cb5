//! Who asks, as each proxy says it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::authority::{Authority, text};
use crate::harness::{Service, until};
use crate::proxy::{Mode, Proxy};
use crate::requests::grpc_comes_through;
use crate::shared::for_each_of;

for_each_of!(
    [nginx, haproxy, envoy],
    each_client_has_its_own_quota,
    calls_have_their_client,
);
for_each_of!([haproxy, envoy], bytes_are_passed_on_behind_a_header);

const FLAGS: [&str; 6] = [
    "--trusted-proxies",
    "127.0.0.1",
    "--access-log",
    "all",
    "--log-format",
    "json",
];

/// Lines of the access log with this message, and what they say of who asks.
fn client_addresses(service: &Service, message: &str) -> Vec<Option<String>> {
    let log = service.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let fields = lines.map(|line| line["fields"].clone());
    let fields = fields.filter(|line| line["message"] == message);
    let fields = fields.filter(|line| line["route"] != "readyz");
    let address = |line: Value| line["client_address"].as_str().map(str::to_owned);
    fields.map(address).collect()
}

/// An order from this address, with lines that a client would like to be
/// believed.
fn submit(proxy: &Proxy, authority: &Authority, from: &str, id: &str) -> String {
    let body = format!(r#"{{"id":"{id}","value":1}}"#);
    let spoofed = [
        "-H",
        "X-Forwarded-For: 6.6.6.6",
        "-H",
        "Forwarded: for=6.6.6.6;x=\"",
    ];
    let args = [
        &["-4", "-i", "--interface", from, "-d", &body][..],
        &spoofed,
    ]
    .concat();
    text(&proxy.curl(authority, "/submit", &args)).to_lowercase()
}

fn each_client_has_its_own_quota(program: &str) {
    let authority = Authority::new();
    let rate = ["--client-rate", "1/h", "--client-burst", "2"];
    let service = Service::with_grpc(&[&FLAGS[..], &rate].concat());
    let proxy = Proxy::start(program, &authority, &service, |text| text);
    for (from, name) in [("127.0.0.2", "a"), ("127.0.0.3", "b")] {
        for number in 0..2 {
            let output = submit(&proxy, &authority, from, &format!("{name}-{number}"));
            assert!(output.ends_with(" 201"), "{output}");
        }
        let output = submit(&proxy, &authority, from, &format!("{name}-2"));
        let fields = ["retry-after: ", "ratelimit-policy: \"rate\";q=2;w=7200"];
        let has_all = fields.iter().all(|field| output.contains(field));
        assert!(has_all && output.ends_with(" 429"), "{output}");
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (4, 4, 0));
    assert_eq!(figures.rejected("rate_limited"), 2);
    let of = |address: &str| {
        let lines = client_addresses(&service, "request").into_iter();
        lines.flatten().filter(|line| line == address).count()
    };
    until("logged", || of("127.0.0.2") == 3 && of("127.0.0.3") == 3);
    assert_eq!(of("6.6.6.6"), 0);
    drop(proxy);
    service.drain();
}

fn calls_have_their_client(program: &str) {
    let authority = Authority::new();
    let service = Service::with_grpc(&FLAGS);
    let proxy = Proxy::start(program, &authority, &service, |text| text);
    // A message without a field: a call for the order with no id.
    let message = authority.path("message");
    fs::write(&message, [0; 5]).unwrap();
    let method = "/orders.v1.OrderService/GetOrder";
    let url = format!("https://localhost:{}{method}", proxy.grpc.port());
    let output = Command::new("curl")
        .args([
            "-sS",
            "-4",
            "-m",
            "60",
            "--http2",
            "--cacert",
            &authority.ca(),
        ])
        .args(["--interface", "127.0.0.2", "-D", "-"])
        .args(["-H", "Content-Type: application/grpc", "-H", "TE: trailers"])
        .args(["-H", "X-Forwarded-For: 6.6.6.6"])
        .args(["-H", "Forwarded: for=6.6.6.6"])
        .args(["--data-binary", &format!("@{message}"), &url])
        .output()
        .expect("curl is there, see tests/run");
    assert!(text(&output).contains("grpc-status"), "{}", text(&output));
    let calls = || client_addresses(&service, "call");
    until("logged", || !calls().is_empty());
    assert_eq!(calls(), [Some("127.0.0.2".to_owned())]);
    drop(proxy);
    service.drain();
}

/// TLS ends at the service, and what the client says of itself isn't read.
fn bytes_are_passed_on_behind_a_header(program: &str) {
    let authority = Authority::new();
    let flags = [&FLAGS[..], &["--proxy-protocol"]].concat();
    let service = authority.with_grpc(&flags);
    let proxy = Proxy::with(program, Mode::Bytes, &authority, &service, |text| text);
    let output = submit(&proxy, &authority, "127.0.0.2", "a");
    assert!(output.ends_with(" 201"), "{output}");
    let of = |address: &str| {
        let lines = client_addresses(&service, "request").into_iter();
        lines.flatten().filter(|line| line == address).count()
    };
    until("logged", || of("127.0.0.2") == 1);
    assert_eq!(of("6.6.6.6"), 0);
    grpc_comes_through(&authority, &proxy);
    assert_eq!(service.settled().orders(), (2, 2, 0));
    drop(proxy);
    service.drain();
}
