//! The gRPC port with clients in Python: grpcio, whose stubs come from the
//! committed .proto (calls, reflection, health, and a restart in the middle),
//! one that breaks the rules of HTTP/2, and one those of gRPC.

mod harness;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{Directory, PATIENCE, Service, lasting_address};

/// A service with its journal in `directory`, and this gRPC address.
fn service(directory: &Directory, grpc: &str) -> Service {
    let mut command = Service::command();
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--grpc-listen", grpc, "--data-dir"]);
    command.arg(&directory.0);
    // Slow enough that some order is always in flight.
    command.args(["--processor", "simulate", "--simulate", "0ms..1ms"]);
    Service::launch_with(command, &["http", "admin", "grpc"])
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python() -> PathBuf {
    let python = root().join("target/test-python/bin/python");
    assert!(python.exists(), "tests/run installs what this test needs");
    python
}

#[test]
fn a_python_client_survives_a_restart() {
    let directory = Directory::new();
    let address = lasting_address().to_string();
    let mut running = service(&directory, &address);

    let mut client = Command::new(python())
        .arg(root().join("tests/grpc_client.py"))
        .arg(&address)
        .arg(root().join("proto"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it exists, above");
    let output = BufReader::new(client.stdout.take().expect("piped, above"));
    let mut drains = 0;
    let mut done = false;
    for line in output.lines().map_while(Result::ok) {
        match &*line {
            "drain" => {
                running.terminate();
                let ended = running.wait(PATIENCE);
                assert_eq!(ended.code, Some(0), "{}", ended.log);
                running = service(&directory, &address);
                drains += 1;
            }
            "done" => done = true,
            other => panic!("it printed {other:?}"),
        }
    }
    let status = client.wait().expect("it is our child");
    assert!(status.success() && done, "{status}");
    assert_eq!(drains, 1);
    running.drain();
}

/// RFC 9113 section by section, and connections that stop in the middle.
#[test]
fn http2_that_breaks_the_rules_harms_nobody_else() {
    let short_timeouts = [
        "--head-timeout",
        "500ms",
        "--grpc-keepalive-interval",
        "1s",
        "--grpc-keepalive-timeout",
        "2s",
    ];
    conformance(&short_timeouts, &[]);
}

/// The same for floods of frames. Their clients are too busy to answer pings.
#[test]
fn http2_floods_harm_nobody_else() {
    conformance(&["--grpc-keepalive-interval", "10m"], &["floods"]);
}

/// Calls that are none, and calls whose deadline passes: refused with details,
/// and counted.
#[test]
fn what_is_refused_says_why_and_is_counted() {
    let slow = ["--processor", "simulate", "--simulate", "10m..10m"];
    let flags = ["--drain-timeout", "10ms"];
    let service = Service::with_grpc(&[&slow[..], &flags].concat());
    let address = service.grpc.expect("started with gRPC").to_string();
    let output = Command::new(python())
        .arg(root().join("tests/grpc_refusals.py"))
        .arg(address)
        .output()
        .expect("it exists");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    let invalid: u64 = printed.trim().parse().expect("a number");
    let figures = service.figures();
    assert_eq!(figures.rejected("invalid"), invalid);
    assert_eq!(figures.sum("orders_rejected"), invalid);
    assert_eq!(figures.orders().0, 1, "the one that waits");
}

/// Streams on one channel of grpcio, which a slow processor holds back, are held
/// back and not cut off.
#[test]
fn streams_of_grpcio_are_held_back_by_a_slow_processor() {
    let slow = ["--processor", "simulate", "--simulate", "10m..10m"];
    let flags = ["--drain-timeout", "10ms", "--ack-timeout", "1h"];
    let service = Service::with_grpc(&[&slow[..], &flags].concat());
    let address = service.grpc.expect("started with gRPC").to_string();
    let output = Command::new(python())
        .arg(root().join("tests/grpc_held_back.py"))
        .arg(address)
        .arg(root().join("proto"))
        .args(["6", "40000"])
        .output()
        .expect("it exists");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(output.status.success(), "{printed}");
}

fn conformance(flags: &[&str], part: &[&str]) {
    let service = Service::with_grpc(flags);
    let address = service.grpc.expect("started with gRPC").to_string();
    let output = Command::new(python())
        .arg(root().join("tests/http2_conformance.py"))
        .args([address, service.pid().to_string()])
        .args(part)
        .output()
        .expect("it exists");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(output.status.success(), "{printed}");
    let log = service.log();
    assert!(log.lines().count() < 10, "a client fills the log: {log}");
    service.settled();
    service.drain();
}
