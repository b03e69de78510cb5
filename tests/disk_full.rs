//! No space on the disk: orders are refused, nothing is half written, and it
//! goes on by itself when there is space. On a small file system of its own,
//! which takes root; without, these tests say so and pass.

mod harness;

use std::collections::BTreeMap;
use std::path::Path;

use harness::{Client, Directory, Injected, Service, Small, get, order, post, submit, until};
use serde_json::Value;

/// The tool's word for it.
#[track_caller]
fn is_whole(dir: &Path) {
    let output = Service::command()
        .args(["journal", "verify", "--data-dir"])
        .arg(dir)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
}

/// All outcomes in the journal: ids by sequence, which have no gap.
#[track_caller]
fn outcomes(dir: &Path) -> BTreeMap<u64, String> {
    let output = Service::command()
        .args(["journal", "cat", "--data-dir"])
        .arg(dir)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let outcomes: BTreeMap<u64, String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            (
                line["seq"].as_u64().unwrap(),
                line["id"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert!(
        outcomes.keys().copied().eq(1..=outcomes.len() as u64),
        "a gap"
    );
    outcomes
}

#[track_caller]
fn is_ready(service: &Service, ready: bool) {
    until("ready or not", || {
        let reply = get(service.admin, "/readyz");
        if reply.status == 503 && !ready {
            let reason = reply.text().to_owned();
            assert!(reason.contains("space"), "{reason}");
        }
        (reply.status == 200) == ready
    });
}

/// Long orders until there is no space for the next: what was acknowledged.
fn fill(service: &Service) -> BTreeMap<u64, String> {
    let filler = "x".repeat(60_000);
    let mut acknowledged = BTreeMap::new();
    let mut client = Client::to(service.http);
    loop {
        let id = format!("long-{}", acknowledged.len());
        let body = format!(r#"{{"id":"{id}","value":1,"x":"{filler}"}}"#);
        let reply = client.ask(submit("Prefer: wait=2\r\n", &body));
        match reply.status {
            200 | 201 => {
                acknowledged.insert(reply.json()["seq"].as_u64().unwrap(), id);
            }
            // The disk is slow: the same order once more.
            202 if get(service.admin, "/readyz").status == 200 => {}
            // Taken, and waiting for space; or there was none by then.
            202 | 503 => return acknowledged,
            _ => panic!("{reply:?}"),
        }
    }
}

#[test]
fn no_space_for_the_next_segment() {
    let Some(small) = Small::mount(100) else {
        return;
    };
    let data = small.directory();
    let service = data.start(&[]);
    let mut acknowledged = fill(&service);
    let used = acknowledged.len() * 60_000;
    assert!(used > 75_000_000, "{used} bytes of 100 MiB were used");
    is_ready(&service, false);
    let refused = post(service.http, "", r#"{"id":"refused","value":1}"#);
    assert_eq!(refused.problem(503)["type"], "/problems/ledger-down");
    assert_eq!(refused.problem(503)["retry_safe"], true);
    refused.retry_after();
    assert_eq!(get(service.http, "/healthz").status, 200);
    is_whole(&data.0);
    assert_eq!(outcomes(&data.0), acknowledged);

    small.resize(300);
    is_ready(&service, true); // by itself
    for number in 0..10 {
        let id = format!("after-{number}");
        let reply = Client::to(service.http).ask(order(&id));
        assert_eq!(reply.status, 201);
        acknowledged.insert(reply.json()["seq"].as_u64().unwrap(), id);
    }
    let (accepted, processed, _) = service.settled().orders();
    assert_eq!(accepted, processed);
    service.drain();

    is_whole(&data.0);
    let found = outcomes(&data.0);
    assert_eq!(found.len() as u64, processed, "each once, waiting ones too");
    assert!(
        acknowledged
            .iter()
            .all(|(seq, id)| found.get(seq) == Some(id))
    );
    let again = data.start(&[]);
    let next = Client::to(again.http).ask(order("next")).json();
    assert_eq!(next["seq"].as_u64(), Some(processed + 1));
    again.drain();
}

/// A start with no space for the first segment: nothing is taken that would have
/// to wait.
#[test]
fn no_space_for_the_first_segment() {
    let Some(small) = Small::mount(8) else {
        return;
    };
    let data = small.directory();
    let service = Service::listening(data.command(&[]), &["http", "admin"]);
    until("recovered", || service.log().contains("recovered"));
    until("refused for want of space", || {
        let reply = get(service.admin, "/readyz");
        assert_eq!(reply.status, 503);
        reply.text().contains("space")
    });
    for number in 0..2 {
        let reply = Client::to(service.http).ask(order(&format!("refused-{number}")));
        assert_eq!(reply.problem(503)["type"], "/problems/ledger-down");
    }
    assert_eq!(service.figures().orders(), (0, 0, 0));
    let line = format!("ready: http://{}/", service.http);
    assert!(!service.log().contains(&line), "{}", service.log());
    small.resize(100);
    is_ready(&service, true); // by itself
    until("announced", || service.log().contains(&line));
    let reply = Client::to(service.http).ask(order("first"));
    assert_eq!((reply.status, &reply.json()["seq"]), (201, &1.into()));
    service.drain();
}

/// Blocks of a segment are there before it is written to; so this takes a file
/// system that says no all the same.
#[test]
fn no_space_for_a_batch() {
    let data = Directory::new();
    let service = data.start(&[]);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
    // The second segment is being made meanwhile, and would find no space
    // either.
    until("prepared", || {
        data.0.join("journal-0000000002.seg").exists()
    });
    let no_space = Injected::into(&service, "pwrite64", "error=ENOSPC");
    let mut waiting = Client::to(service.http);
    waiting.send(order("waits"));
    is_ready(&service, false);
    assert_eq!(
        client.ask(order("refused")).problem(503)["type"],
        "/problems/ledger-down"
    );
    drop(no_space);
    let reply = waiting.reply();
    assert_eq!((reply.status, &reply.json()["seq"]), (201, &2.into()));
    is_ready(&service, true);
    assert_eq!(client.ask(order("after")).json()["seq"], 3);
    is_whole(&data.0);
    service.drain();
    let ids: Vec<String> = outcomes(&data.0).into_values().collect();
    assert_eq!(ids, ["before", "waits", "after"]);
}

/// A start on a full disk that writes nothing in place: it waits, and orders are
/// refused meanwhile.
#[test]
fn a_start_without_space_waits_for_it() {
    let data = Directory::new();
    let service = data.start(&[]);
    assert_eq!(Client::to(service.http).ask(order("before")).status, 201);
    service.signal(rustix::process::Signal::KILL);
    drop(service);

    let program = data.command(&[]);
    let mut command = std::process::Command::new("strace");
    // The first write is that of the lock file, which may fail.
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64"]);
    command.args(["-e", "inject=pwrite64:error=ENOSPC:when=1..6"]);
    // Ready in the end.
    let service = Service::launch(Service::wrapped(command, &program));
    until("said", || {
        service
            .log()
            .contains("the start waits until there is space")
    });
    let next = Client::to(service.http).ask(order("next")).json();
    assert_eq!(next["seq"], 2);
    // The service itself, not strace.
    let strace = service.pid();
    let children = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children"));
    let pid = children.unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(service.wait(harness::PATIENCE).code, Some(0));
}
