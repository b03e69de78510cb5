//! The gRPC port with clients in Python: grpcio, whose stubs come from the committed .proto
//! (calls, reflection, health, and a restart in the middle), and one that breaks the rules of
//! HTTP/2.

mod harness;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{Directory, PATIENCE, Service};

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
    let mut running = service(&directory, "127.0.0.1:0");
    let address = running.grpc.expect("started with gRPC").to_string();

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
