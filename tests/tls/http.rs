//! Orders in TLS.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::authority::{Authority, text};
use crate::client::{TlsClient, config};
use crate::harness::{Client, PATIENCE, get, order, submit, until};

#[test]
fn curl_sends_an_order_in_both_versions() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    for (id, version) in [("a", "1.2"), ("b", "1.3")] {
        let body = format!(r#"{{"id":"{id}","value":1}}"#);
        let flag = format!("--tlsv{version}");
        let args = [
            &flag,
            "--tls-max",
            version,
            "-d",
            &body,
            "-w",
            "%{http_code} %{http_version}",
        ];
        let output = authority.curl(&service, &args, "/submit");
        assert!(
            text(&output).ends_with("201 1.1"),
            "{version}: {}",
            text(&output)
        );
    }
    // Who doesn't know the authority, or speaks an older version, gets nothing.
    let stranger = Authority::new().curl(&service, &[], "/stats");
    assert_eq!(stranger.status.code(), Some(60), "{}", text(&stranger));
    let old = ["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    let old = authority.curl(&service, &old, "/stats");
    assert!(
        !old.status.success() && old.stdout.is_empty(),
        "{}",
        text(&old)
    );
    assert_eq!(service.settled().orders(), (2, 2, 0));
    // The admin port has no TLS.
    assert_eq!(get(service.admin, "/healthz").status, 200);
    service.drain();
}

#[test]
fn requests_behind_each_other_and_bodies_of_many_records() {
    let authority = Authority::new();
    let service = authority.service(&["--max-body", "1MiB"]);
    let config = config(&authority, None);
    let mut client = TlsClient::to(service.http, &config);
    let many: String = (0..40).map(|n| order(&format!("p-{n}"))).collect();
    client.send(many);
    for n in 0..40 {
        let (status, body) = client.reply();
        assert!(
            status == 201 && body.contains(&format!("p-{n}\"")),
            "{status} {body}"
        );
    }
    // Larger than any buffer, in and out.
    let note = "x".repeat(900 << 10);
    let large = format!(r#"{{"id":"large","value":1,"note":"{note}"}}"#);
    assert_eq!(client.ask(submit("", &large)).0, 201);
    let (status, body) = client.ask("GET /orders/large HTTP/1.1\r\nHost: o\r\n\r\n");
    assert!(status == 200 && body.contains(&note), "{status}");
    let lines: String = (0..2000)
        .map(|n| format!("{{\"id\":\"b-{n}\",\"value\":1}}\n"))
        .collect();
    let batch = submit("", &lines).replace("application/json", "application/x-ndjson");
    let (status, body) = client.ask(batch);
    assert_eq!((status, body.lines().count()), (200, 2000));
    let (status, page) = client.ask("GET /orders?after=0&limit=10000 HTTP/1.1\r\nHost: o\r\n\r\n");
    assert!(status == 200 && page.lines().count() > 1, "{status}");
    // The end is said in TLS, too, whoever wants it.
    let close = "GET /healthz HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n";
    assert_eq!(client.ask(close).0, 200);
    client.ends_cleanly();
    let mut client = TlsClient::to(service.http, &config);
    assert_eq!(client.ask("GET / HTTP/9.9\r\n\r\n").0, 505);
    client.ends_cleanly();
    service.drain();
}

#[test]
fn h2load_with_http_1_breaks_nothing() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let output = Command::new("h2load")
        .args(["--h1", "-n", "4000", "-c", "20"])
        .arg(format!("https://{}/healthz", service.http))
        .output()
        .expect("h2load is there, see tests/run");
    assert!(
        text(&output).contains("4000 succeeded, 0 failed"),
        "{}",
        text(&output)
    );
    service.drain();
}

/// What `openssl s_client` says with these arguments, having sent a request
/// that closes the connection.
fn s_client(address: &str, ca: &str, args: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", address, "-CAfile", ca, "-ign_eof"])
        .args(["-verify_return_error", "-servername", "localhost"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is there, see tests/run");
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // It may have ended: what it says is what counts.
    let _ = child
        .stdin
        .as_mut()
        .expect("piped, above")
        .write_all(request);
    text(&child.wait_with_output().unwrap())
}

#[test]
fn s_client_resumes_sessions_and_agrees_on_a_protocol() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let (address, ca) = (service.http.to_string(), authority.ca());
    for version in ["-tls1_2", "-tls1_3"] {
        let session = authority.path("session");
        let first = s_client(&address, &ca, &[version, "-sess_out", &session]);
        assert!(
            first.contains("HTTP/1.1 200 OK") && first.contains("\nNew, "),
            "{first}"
        );
        let again = s_client(&address, &ca, &[version, "-sess_in", &session]);
        assert!(again.contains("HTTP/1.1 200 OK"), "{again}");
        assert!(again.contains("\nReused, "), "{version}: {again}");
    }
    let agreed = s_client(&address, &ca, &["-alpn", "h2,http/1.1"]);
    assert!(agreed.contains("ALPN protocol: http/1.1"), "{agreed}");
    let not = s_client(&address, &ca, &["-alpn", "h2"]);
    assert!(not.contains("no application protocol"), "{not}");
    for weak in [
        &["-tls1_2", "-cipher", "AES128-SHA"][..], // no forward secrecy
        &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
    ] {
        let refused = s_client(&address, &ca, weak);
        assert!(refused.contains("alert"), "{refused}");
    }
    service.drain();
}

/// A drain answers what is in execution, and ends each connection in TLS: also
/// one that is idle, and one whose handshake doesn't go on.
#[test]
fn a_drain_ends_connections_as_tls_has_it() {
    let authority = Authority::new();
    let slow = [
        "--processor",
        "simulate",
        "--simulate",
        "3s..3s",
        "--workers",
        "1",
    ];
    let service = authority.service(&slow);
    let config = config(&authority, None);
    let mut idle = TlsClient::to(service.http, &config);
    let health = "GET /healthz HTTP/1.1\r\nHost: o\r\n\r\n";
    assert_eq!(idle.ask(health).0, 200);
    let mut waits = TlsClient::to(service.http, &config);
    waits.send(order("a"));
    until("inside", || service.figures().inside() == 1);
    let _silent = Client::to(service.http);
    service.terminate();
    until("draining", || get(service.admin, "/readyz").status == 503);
    assert_eq!(waits.reply().0, 201);
    waits.ends_cleanly();
    idle.ends_cleanly();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
