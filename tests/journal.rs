//! `--ledger journal`: a final reply is on disk. Shown on the real process: over
//! restarts, kill -9 under load, a disk that is slow or fails, a directory that
//! is not to be had. What only a simulated disk can show (power loss, torn
//! writes) is tested beside the code.

mod harness;

use std::{
    collections::HashMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use harness::{Client, Crowd, Directory, PATIENCE, Service, get, order, post, until};
use rustix::process::Signal;

/// strace, attached to a process and doing something to its fdatasyncs.
struct Injected(Child);

impl Injected {
    fn into(service: &Service, what: &str) -> Self {
        let log = std::env::temp_dir().join(format!("orders-strace-{}", service.pid()));
        let child = Command::new("strace")
            .args(["-f", "-qq", "-p", &service.pid().to_string()])
            .args(["-e", "trace=fdatasync", "-e"])
            .arg(format!("inject=fdatasync:{what}"))
            .arg("-o")
            .arg(&log)
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is there");
        until("traced", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid()));
            status.is_ok_and(|text| !text.contains("TracerPid:\t0\n"))
        });
        let _ = std::fs::remove_file(log);
        Self(child)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it ends with what it traces
        let _ = self.0.wait();
    }
}

/// As the README starts it: the journal is the default, in ./data.
#[test]
fn what_runs_without_flags_keeps_orders_over_restarts() {
    let place = Directory::new();
    std::fs::create_dir(&place.0).expect("a fresh name");
    let start = || {
        let mut command = Service::command();
        // Ports of its own, and nothing else: tests run beside each other.
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--grpc-listen", "off"]);
        command.current_dir(&place.0);
        Service::launch(command)
    };
    let first = start();
    let order = r#"{"id":"ord-001","value":100.50}"#;
    assert_eq!(post(first.http, "", order).status, 201);
    first.signal(Signal::KILL);
    first.wait(PATIENCE);
    assert!(place.0.join("data/ledger").is_file());
    let second = start();
    let again = post(second.http, "", order);
    assert_eq!((again.status, again.json()["seq"].as_u64()), (200, Some(1)));
}

#[test]
fn outcomes_outlive_the_process() {
    let directory = Directory::new();
    let failing = r#"{"id":"no","value":-1}"#;
    let first = directory.start(&[]);
    assert_eq!(
        post(first.http, "", r#"{"id":"a","value":100.50,"x":[1, 2]}"#).status,
        201
    );
    assert_eq!(post(first.http, "", failing).problem(422)["seq"], 2);
    first.drain();

    let second = directory.start(&[]);
    let again = post(second.http, "", r#"{"x":[1,2],"value":"1.005e2","id":"a"}"#);
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["seq"], 1);
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!(post(second.http, "", r#"{"id":"a","value":1}"#).status, 409);
    let refused = post(second.http, "", failing).problem(422);
    assert_eq!(refused["seq"], 2);
    assert_eq!(
        refused["detail"], "value must be above zero",
        "read from the disk"
    );
    let record = get(second.http, "/orders/a").json();
    assert_eq!(record["order"]["x"], serde_json::json!([1, 2]));
    assert_eq!(
        post(second.http, "", r#"{"id":"b","value":1}"#).json()["seq"],
        3
    );
    second.drain();
}

/// Kills the process at random moments under load. `ORDERS_TEST_KILLS` sets how
/// often (5); a long run is `ORDERS_TEST_KILLS=300 cargo test --test journal`.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    let kills = std::env::var("ORDERS_TEST_KILLS").map_or(5, |text| text.parse().unwrap());
    let directory = Directory::new();
    // What clients were told: sequence and id.
    let mut told: HashMap<u64, String> = HashMap::new();
    for round in 0..kills {
        let service = directory.start(&[]);
        let crowd = Crowd::named(&format!("round-{round}"), service.http, 8);
        let enough = 20 + round % 7 * 40;
        until("under load", || crowd.replies() >= enough);
        service.signal(Signal::KILL);
        for (id, reply) in crowd.end() {
            if reply.status == 201 {
                let seq = reply.json()["seq"].as_u64().unwrap();
                let before = told.insert(seq, id);
                assert!(before.is_none(), "sequence {seq} was given twice");
            }
        }
        drop(service);
    }
    let service = directory.start(&[]);
    let mut client = Client::to(service.http);
    for (seq, id) in &told {
        let record = client.ask(format!("GET /orders/{id} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(record.status, 200, "{id}, acknowledged as {seq}, is gone");
        assert_eq!(record.json()["seq"].as_u64(), Some(*seq), "{id}");
    }
    assert!(told.len() as u64 >= kills as u64 * 20);
    let next = post(service.http, "", r#"{"id":"the-next-one","value":1}"#).json();
    assert!(next["seq"].as_u64() > told.keys().max().copied());
    service.drain();
}

#[test]
fn no_reply_before_the_disk_has_it() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
    let delay = Duration::from_millis(700);
    let _slow = Injected::into(&service, &format!("delay_enter={}", delay.as_micros()));
    let start = Instant::now();
    assert_eq!(client.ask(order("slow")).status, 201);
    assert!(start.elapsed() >= delay, "{:?}", start.elapsed());
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
    let _failing = Injected::into(&service, "error=EIO");
    client.send(order("doubtful"));
    // The process ends; if the reply comes first, it claims nothing.
    if let Some(reply) = client.try_reply() {
        assert_eq!(reply.problem(503)["type"], "/problems/ledger-down");
    }
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    let again = directory.start(&[]);
    assert_eq!(
        post(again.http, "", r#"{"id":"after","value":1}"#).status,
        201
    );
    again.drain();
}

#[test]
fn a_directory_that_is_not_to_be_had() {
    let refuses = |directory: &Directory, why: &str| {
        let output = directory.command(&[]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(why), "{text}");
    };
    let directory = Directory::new();
    let service = directory.start(&[]);
    refuses(
        &directory,
        &format!("is in use by process {}", service.pid()),
    );
    service.drain();

    let version = |path: &Path| path.join("ledger");
    let identity = std::fs::read(version(&directory.0)).unwrap();
    std::fs::write(version(&directory.0), b"something else").unwrap();
    refuses(&directory, "ledger is damaged");
    std::fs::write(version(&directory.0), identity).unwrap();
    directory.start(&[]).drain();

    let file = Directory::new();
    std::fs::write(&file.0, b"a file").unwrap();
    refuses(&file, "must be a directory");
    std::fs::remove_file(&file.0).unwrap();
}
