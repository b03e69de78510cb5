//! A journal that an earlier release wrote (tests/data): found whole, answered
//! for, and continued.
//!
//! `journal-format-1` is version 1 of the format: 40 orders in segments of 2 KiB by
//! a process that was drained, and one that went on and was drained at its
//! deadline with five orders pending, or killed. The binary of that release
//! wrote every byte; only the manifest was made beforehand, for the size of the
//! segments. `journal-format-2` is the same in version 2, by a binary of November
//! 2026, with clients' names and trace contexts. A new version of the format has a
//! directory here, before a release writes it.
//!
//! `tests/rolling_update` does the same with two programs that run.

mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Directory, Service, eventually, get, post};
use serde_json::Value;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const VERSION_1: &str = "journal-format-1";
const VERSION_2: &str = "journal-format-2";

fn earlier(journal: &str, name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    data.join(journal).join(name)
}

/// A copy of the directory, and the feed as the release served it.
fn copied(journal: &str, name: &str) -> (Directory, Vec<String>) {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    for entry in fs::read_dir(earlier(journal, name)).unwrap() {
        let path = entry.unwrap().path();
        let file_name = path.file_name().unwrap();
        if file_name != "feed.ndjson" {
            fs::copy(&path, directory.0.join(file_name)).unwrap();
        }
    }
    let feed = fs::read_to_string(earlier(journal, name).join("feed.ndjson")).unwrap();
    (directory, feed.lines().map(str::to_owned).collect())
}

fn feed(service: &Service) -> Vec<String> {
    let page = get(service.http, "/orders?after=0");
    assert_eq!(page.status, 200, "{page:?}");
    page.text().lines().map(str::to_owned).collect()
}

fn tool(words: &[&str], directory: &Directory) -> String {
    let mut command = Service::command();
    command.arg("journal").args(words);
    let output = command.arg("--data-dir").arg(&directory.0).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Each order again: answered with the outcome that it got then.
fn are_duplicates(service: &Service, lines: &[String]) {
    for line in lines {
        let line: Value = serde_json::from_str(line).unwrap();
        let reply = post(service.http, "", &line["order"].to_string());
        let status = match line["status"].as_str() {
            Some("processed") => 200,
            _ => 422,
        };
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.json()["seq"], line["seq"], "{reply:?}");
        assert_eq!(reply.header("idempotent-replayed"), Some("true"));
    }
}

fn submit_new(service: &Service, id: &str) -> u64 {
    let traced = format!("traceparent: {TRACEPARENT}\r\n");
    let reply = post(
        service.http,
        &traced,
        &format!(r#"{{"id":"{id}","value":1}}"#),
    );
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()["seq"].as_u64().unwrap()
}

/// Makes tests of functions that take the directory's name: one for each.
macro_rules! of_each_version {
    ($($test:ident),* $(,)?) => {
        mod version_1 {
            $(#[test] fn $test() { super::$test(super::VERSION_1); })*
        }
        mod version_2 {
            $(#[test] fn $test() { super::$test(super::VERSION_2); })*
        }
    };
}

of_each_version!(
    a_drained_journal_goes_on_with_its_pending_orders,
    a_killed_journal_goes_on,
);

fn a_drained_journal_goes_on_with_its_pending_orders(journal: &str) {
    let (directory, lines) = copied(journal, "drained");
    let found = tool(&["verify"], &directory);
    assert!(found.contains("sequences  1 to 40, without"), "{found}");
    assert!(found.contains("closed by the last process"), "{found}");
    assert!(found.contains("pending    5 orders"), "{found}");
    assert!(tool(&["cat"], &directory).lines().eq(&lines));

    let service = directory.start(&["--max-value", "100"]);
    are_duplicates(&service, &lines);
    let all = eventually("the pending orders have outcomes", || {
        let all = feed(&service);
        (all.len() == 45).then_some(all)
    });
    assert_eq!(all[..40], lines);
    let mut ids: Vec<Value> = all[40..]
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    ids.sort_by_key(Value::to_string);
    let expected: Vec<_> = (41..46)
        .map(|n| Value::from(format!("old-{n:03}")))
        .collect();
    assert_eq!(ids, expected);
    assert_eq!(submit_new(&service, "new-1"), 46);
    service.drain();
    goes_on(&directory, &all, 46);
}

fn a_killed_journal_goes_on(journal: &str) {
    let (directory, lines) = copied(journal, "killed");
    // As by a release that had none: with it, a copy gets a new id.
    fs::remove_file(directory.0.join("extent")).unwrap();
    let manifest = fs::read(directory.0.join("ledger")).unwrap();
    let service = directory.start(&["--max-value", "100"]);
    are_duplicates(&service, &lines);
    assert_eq!(feed(&service), lines);
    let page = get(service.http, "/orders?after=0&limit=1");
    let id: String = manifest[16..32]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(page.header("orders-ledger-id"), Some(&*id));
    assert_eq!(submit_new(&service, "new-1"), 41);
    drop(service); // killed
    goes_on(&directory, &lines, 41);
}

/// A start on what two programs have written by now.
fn goes_on(directory: &Directory, lines: &[String], last_seq: u64) {
    let service = directory.start(&["--max-value", "100"]);
    are_duplicates(&service, &lines[..40]);
    let all = feed(&service);
    assert_eq!(all[..lines.len()], *lines);
    let line = get(service.http, "/orders/new-1").json();
    assert_eq!(line["traceparent"], TRACEPARENT);
    assert_eq!(line["seq"], last_seq);
    assert_eq!(submit_new(&service, "new-2"), last_seq + 1);
    let all = feed(&service);
    service.drain();
    assert!(tool(&["cat"], directory).lines().eq(&all));
    let found = tool(&["verify"], directory);
    assert!(found.contains("\nwhole\n"), "{found}");
}
