//! `--ledger journal`: a final reply is on disk. Shown on the real process:
//! over restarts, kill -9 under load, a disk that is slow or fails, a directory
//! that is not to be had. What only a simulated disk can show (power loss, torn
//! writes) is tested beside the code.

mod harness;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::{
    Client, Crowd, Directory, Injected, PATIENCE, Service, get, order, post, submit, until,
};
use rustix::process::Signal;

/// What a service says of orders that an earlier one has committed: `a`, as
/// sequence 1, and `no`, which has failed, as 2.
fn remembers(service: &Service) {
    let again = post(
        service.http,
        "",
        r#"{"x":[1,2],"value":"1.005e2","id":"a"}"#,
    );
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["seq"], 1);
    assert_eq!(again.json()["duplicate"], true);
    let failed = post(service.http, "", r#"{"id":"no","value":-1.0}"#).problem(422);
    assert_eq!(
        (&failed["seq"], &failed["duplicate"]),
        (&2.into(), &true.into())
    );
    assert_eq!(
        failed["detail"], "value must be above zero",
        "read from the disk"
    );
    for other in [r#"{"id":"a","value":1}"#, r#"{"id":"no","value":1}"#] {
        let conflict = post(service.http, "", other).problem(409);
        assert_eq!(conflict["retry_safe"], false);
    }
    let record = get(service.http, "/orders/a").json();
    assert_eq!(record["order"]["x"], serde_json::json!([1, 2]));
}

#[test]
fn outcomes_outlive_the_process() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let first = r#"{"id":"a","value":100.50,"x":[1, 2]}"#;
    assert_eq!(post(service.http, "", first).status, 201);
    let failing = r#"{"id":"no","value":-1}"#;
    assert_eq!(post(service.http, "", failing).problem(422)["seq"], 2);
    service.drain();

    let drained = directory.start(&[]);
    remembers(&drained);
    drained.signal(Signal::KILL);
    drop(drained);
    let killed = directory.start(&[]);
    remembers(&killed);
    let next = post(killed.http, "", r#"{"id":"b","value":1}"#).json();
    assert_eq!(next["seq"], 3, "nothing of that took a sequence");
    let figures = killed.settled();
    assert_eq!(figures.count("orders_duplicate"), 2);
    assert_eq!(figures.rejected("conflict"), 2);
    killed.drain();
}

/// The longest order that admission lets in fits a record, whatever the
/// verdict.
#[test]
fn the_longest_order_is_committed_and_comes_back() {
    const MAX: usize = 16 << 20;
    let directory = Directory::new();
    let flags = ["--max-body", "16MiB"];
    let service = directory.start(&flags);
    let sized = |id: &str, value: i32, len: usize| {
        let frame = format!(r#"{{"id":"{id}","value":{value},"x":""}}"#).len();
        let filler = "x".repeat(len - frame);
        format!(r#"{{"id":"{id}","value":{value},"x":"{filler}"}}"#)
    };
    let (taken, failed) = (sized("taken", 1, MAX), sized("failed", -1, MAX));
    assert_eq!(post(service.http, "", &taken).json()["seq"], 1);
    assert_eq!(post(service.http, "", &failed).problem(422)["seq"], 2);
    // One byte more: refused by the length alone, before it is sent.
    let head = submit("", &sized("longer", 1, MAX + 1));
    let head = &head[..head.find("\r\n\r\n").unwrap() + 4];
    Client::to(service.http).ask(head).problem(413);
    let comes_back = |service: &Service, id: &str, order: &str| {
        let line = get(service.http, &format!("/orders/{id}"));
        let whole = line.text().ends_with(&format!("\"order\":{order}}}\n"));
        assert!(whole, "{:.200}", line.text());
    };
    comes_back(&service, "taken", &taken);
    comes_back(&service, "failed", &failed);
    service.signal(Signal::KILL);
    drop(service);
    let service = directory.start(&flags);
    let again = post(service.http, "", &taken);
    assert_eq!((again.status, &again.json()["seq"]), (200, &1.into()));
    comes_back(&service, "taken", &taken);
    comes_back(&service, "failed", &failed);
    service.drain();
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
    let _slow = Injected::into_committer(
        &service,
        "fdatasync",
        &format!("delay_enter={}", delay.as_micros()),
    );
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
    let _failing = Injected::into_committer(&service, "fdatasync", "error=EIO");
    // The process ends, and the reply claims nothing.
    let reply = client.ask(order("doubtful"));
    assert_eq!(reply.problem(503)["type"], "/problems/ledger-down");
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    let again = directory.start(&[]);
    assert_eq!(
        post(again.http, "", r#"{"id":"after","value":1}"#).status,
        201
    );
    again.drain();
}

/// What was answered is durable: only the journal's own last record waits for
/// the disk.
#[test]
fn a_disk_that_hangs_does_not_hold_up_an_idle_drain() {
    let directory = Directory::new();
    let service = directory.start(&["--drain-timeout", "300ms"]);
    assert_eq!(Client::to(service.http).ask(order("a")).status, 201);
    let hung = Injected::into(&service, "fdatasync", "delay_enter=600000000");
    service.terminate();
    until("it has given up", || {
        service.log().contains("the ledger has not closed")
    });
    drop(hung); // a process isn't gone while one of its threads is traced
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let again = directory.start(&[]);
    assert_eq!(Client::to(again.http).ask(order("a")).status, 200);
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
