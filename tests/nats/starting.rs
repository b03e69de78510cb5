//! What a start refuses, and what it waits for.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::json;

use crate::harness::{get, post, until};
use crate::servers::{NatsServer, instance};

/// Runs a command that has to end with exit code 1; returns its log.
#[track_caller]
pub(crate) fn refused(mut command: Command) -> String {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("it has ended", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    log
}

/// The line of a log that says why the process ended; its threads may log beside
/// it.
#[track_caller]
pub(crate) fn reason(log: &str) -> &str {
    let mut lines = log.lines();
    let line = lines.find(|line| line.starts_with("order-processor: "));
    line.unwrap_or_else(|| panic!("no reason in: {log}"))
}

#[test]
fn a_server_without_jetstream_is_refused() {
    let server = NatsServer::without_jetstream();
    let log = refused(instance(&server.address(), &[]));
    assert!(log.contains("JetStream is not enabled"), "{log}");
}

/// A server that says it is of an old version.
#[test]
fn a_server_that_is_too_old_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let info = json!({
                "server_id": "x", "server_name": "old", "version": "2.9.10", "proto": 1,
                "host": "127.0.0.1", "port": 4222, "headers": true, "max_payload": 1 << 20,
                "jetstream": true,
            });
            let _ = stream.write_all(format!("INFO {info}\r\n").as_bytes());
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(line)) = lines.next() {
                if line.starts_with("PING") {
                    let _ = stream.write_all(b"PONG\r\n");
                }
            }
        }
    });
    let log = refused(instance(&address, &[]));
    assert!(
        log.contains("version 2.9.10: 2.15 or later is needed"),
        "{log}"
    );
}

#[test]
fn a_stream_that_would_break_a_promise_is_refused() {
    let server = NatsServer::start("");
    let config = json!({
        "name": "ORDERS", "subjects": ["orders.*"], "storage": "file", "retention": "limits",
        "discard": "old", "max_msgs_per_subject": 1, "deny_delete": true, "deny_purge": true,
        "allow_direct": true, "num_replicas": 1, "max_age": 5_000_000_000_u64,
        "duplicate_window": 5_000_000_000_u64,
    });
    let created = server.api("STREAM.CREATE.ORDERS", &config);
    assert!(created["error"].is_null(), "{created}");
    let log = refused(instance(&server.address(), &[]));
    for named in [
        "discard is old",
        "discard_new_per_subject is off",
        "max_age is 5s",
    ] {
        assert!(log.contains(named), "{named}: {log}");
    }
    let log = refused(instance(&server.address(), &["--nats-stream", "OTHER"]));
    assert!(
        log.contains("can't create the stream OTHER: subjects overlap"),
        "{log}"
    );
    let log = refused(instance(&server.address(), &["--max-body", "16MiB"]));
    assert!(
        log.contains("raise its max_payload or lower --max-body"),
        "{log}"
    );
}

/// While no server can be reached the process is alive, and not ready.
#[test]
fn a_start_waits_for_its_server_and_a_signal_ends_the_wait() {
    let mut server = NatsServer::start("");
    server.kill();
    let unready = |flags: &[&str]| {
        let mut command = instance(&server.address(), flags);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let line = lines.next().unwrap().unwrap();
            let address = line.strip_prefix(&format!("listening {name} ")).unwrap();
            address.parse::<std::net::SocketAddr>().unwrap()
        };
        (address("http"), address("admin"), child)
    };
    let (http, admin, mut child) = unready(&[]);
    assert_eq!(get(admin, "/healthz").status, 200);
    assert_eq!(get(admin, "/readyz").problem(503)["retry_safe"], true);
    post(http, "", r#"{"id":"a","value":1}"#).problem(503);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until("it has ended", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let (http, admin, mut child) = unready(&[]);
    assert_eq!(get(admin, "/readyz").status, 503);
    server.run();
    until("ready", || get(admin, "/readyz").status == 200);
    assert_eq!(post(http, "", r#"{"id":"a","value":1}"#).status, 201);
    child.kill().unwrap();
    child.wait().unwrap();
}
