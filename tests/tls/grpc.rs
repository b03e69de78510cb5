//! gRPC in TLS.

use std::process::Command;

use crate::authority::{Authority, Signed, root, text};
use crate::harness::until;

/// What the Python client says, with these arguments.
fn python(authority: &Authority, address: &str, args: &[&str]) -> std::process::Output {
    let python = root().join("target/test-python/bin/python");
    assert!(python.exists(), "tests/run installs what this test needs");
    let mut command = Command::new(python);
    command.arg(root().join("tests/grpc_tls.py")).arg(address);
    command
        .arg(root().join("proto"))
        .arg(authority.ca())
        .args(args);
    command.output().unwrap()
}

#[test]
fn grpcio_sends_orders() {
    let authority = Authority::new();
    let service = authority.with_grpc(&[]);
    let address = format!("localhost:{}", service.grpc.unwrap().port());
    let output = python(&authority, &address, &[]);
    assert!(output.status.success(), "{}", text(&output));
    // Nobody who doesn't know the authority.
    let stranger = python(&Authority::new(), &address, &[]);
    assert!(
        text(&stranger).contains("UNAVAILABLE"),
        "{}",
        text(&stranger)
    );
    service.drain();
}

#[test]
fn grpcio_shows_a_certificate() {
    let authority = Authority::new();
    let ca = authority.ca();
    let service = authority.with_grpc(&["--tls-client-ca", &ca, "--log-level", "debug"]);
    let address = format!("localhost:{}", service.grpc.unwrap().port());
    let Signed { cert, key } = authority.client();
    let output = python(&authority, &address, &[&cert, &key]);
    assert!(output.status.success(), "{}", text(&output));
    until("logged", || service.log().contains("name=\"desk\""));
    let none = python(&authority, &address, &[]);
    assert!(text(&none).contains("UNAVAILABLE"), "{}", text(&none));
    service.drain();
}

#[test]
fn h2load_agrees_on_h2() {
    let authority = Authority::new();
    let service = authority.with_grpc(&[]);
    let address = service.grpc.unwrap();
    let output = Command::new("h2load")
        .args(["-n", "2000", "-c", "20", "-m", "10"])
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .args(["-H", ":method: POST"])
        .arg(format!("https://{address}/grpc.health.v1.Health/Nothing"))
        .output()
        .expect("h2load is there, see tests/run");
    let report = text(&output);
    assert!(report.contains("Application protocol: h2"), "{report}");
    assert!(report.contains("2000 done, 2000 succeeded"), "{report}");
    service.drain();
}

/// A silent client, one that speaks plain HTTP/2, and junk: none stays, and
/// none harms others.
#[test]
fn who_does_not_shake_hands_is_closed() {
    use crate::harness::Client;
    use std::io::Read;

    let authority = Authority::new();
    let service = authority.with_grpc(&["--head-timeout", "3s"]);
    let address = service.grpc.unwrap();
    for bytes in [
        &b""[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ] {
        let mut client = Client::to(address);
        client.send(bytes);
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest); // a reset is an end, too
        assert!(
            rest.first().is_none_or(|first| *first == 21),
            "an alert: {rest:?}"
        );
    }
    let address = format!("localhost:{}", address.port());
    let output = python(&authority, &address, &[]);
    assert!(output.status.success(), "{}", text(&output));
    service.drain();
}
