//! What is sent through each proxy.

use std::fs;
use std::process::Command;

use crate::authority::{Authority, root, text};
use crate::harness::Service;
use crate::proxy::Proxy;

/// Orders, batches with and without a length, a feed page and errors come
/// through; the proxy's connections are few.
#[track_caller]
pub(crate) fn all_kinds_come_through(authority: &Authority, service: &Service, proxy: &Proxy) {
    for number in 0..20 {
        let body = format!(r#"{{"id":"o-{number}","value":1}}"#);
        let output = text(&proxy.curl(authority, "/submit", &["-d", &body]));
        assert!(
            output.contains("processed") && output.ends_with(" 201"),
            "{output}"
        );
    }
    let again = text(&proxy.curl(authority, "/submit", &["-d", r#"{"id":"o-1","value":1}"#]));
    assert!(
        again.contains("duplicate") && again.ends_with(" 200"),
        "{again}"
    );
    let other = text(&proxy.curl(authority, "/submit", &["-d", r#"{"id":"o-1","value":2}"#]));
    assert!(other.ends_with(" 409"), "{other}");

    let lines: String = (0..5000)
        .map(|n| format!("{{\"id\":\"b-{n}\",\"value\":1}}\n"))
        .collect();
    let file = authority.path("batch");
    fs::write(&file, lines).unwrap();
    let data = format!("@{file}");
    for more in ["Accept: */*", "Transfer-Encoding: chunked"] {
        let args = [
            "-H",
            "Content-Type: application/x-ndjson",
            "-H",
            more,
            "--data-binary",
            &data,
        ];
        let output = text(&proxy.curl(authority, "/submit", &args));
        assert!(
            output.ends_with(" 200") && output.lines().count() > 5000,
            "{more}"
        );
    }
    let page = text(&proxy.curl(authority, "/orders?after=0&limit=10000", &[]));
    assert!(page.ends_with(" 200") && page.lines().count() > 5000);
    let large = authority.path("large");
    fs::write(
        &large,
        format!(r#"{{"id":"l","value":1,"x":"{}"}}"#, "x".repeat(100_000)),
    )
    .unwrap();
    let output = text(&proxy.curl(authority, "/submit", &["-d", &format!("@{large}")]));
    assert!(
        output.contains("body-too-large") && output.ends_with(" 413"),
        "{output}"
    );
    assert_eq!(service.settled().orders(), (5020, 5020, 0));
}

/// The Python client of the tests of TLS, on the proxy's gRPC port.
#[track_caller]
pub(crate) fn grpc_comes_through(authority: &Authority, proxy: &Proxy) {
    let python = root().join("target/test-python/bin/python");
    assert!(python.exists(), "tests/run installs what this test needs");
    let mut command = Command::new(python);
    command.arg(root().join("tests/grpc_tls.py"));
    command.arg(format!("localhost:{}", proxy.grpc.port()));
    command.arg(root().join("proto")).arg(authority.ca());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
