//! `journal salvage`, as an operator runs it on a damaged directory: what it
//! makes is a journal that the service starts on.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Directory, Service, get, submit};
use serde_json::Value;

const SEGMENT: u64 = 16 << 10;
const ORDERS: u64 = 300;

fn salvage(from: &Path, to: &Path, words: &[&str]) -> Output {
    let mut command = Service::command();
    command.args(["journal", "salvage", "--data-dir"]).arg(from);
    command.arg("--to").arg(to).args(words);
    command.output().expect("it runs")
}

/// Exits with this code, and prints what is returned.
#[track_caller]
fn printed(output: Output, code: i32) -> String {
    let errors = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}{errors}");
    assert_eq!(errors, "");
    text
}

#[track_caller]
fn refused(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// Names and bytes of what is in a directory.
fn state(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn feed(service: &Service, after: u64) -> Vec<String> {
    let page = get(service.http, &format!("/orders?after={after}&limit=10000"));
    assert_eq!(page.status, 200, "{page:?}");
    page.text().lines().map(str::to_owned).collect()
}

/// A journal of some segments, and its lines of the feed.
fn sample() -> (Directory, Vec<String>) {
    let directory = Directory::with_segments_of(SEGMENT);
    let service = directory.start(&[]);
    let mut client = Client::to(service.http);
    let filler = "x".repeat(100);
    for number in 1..=ORDERS {
        let body = format!(r#"{{"id":"o-{number}","value":{number},"filler":"{filler}"}}"#);
        assert_eq!(client.ask(submit("", &body)).status, 201);
    }
    let lines = feed(&service, 0);
    service.drain();
    (directory, lines)
}

fn copy(from: &Directory) -> Directory {
    let to = Directory::new();
    fs::create_dir(&to.0).unwrap();
    for (path, bytes) in state(&from.0) {
        fs::write(to.0.join(path.file_name().unwrap()), bytes).unwrap();
    }
    to
}

fn segments(directory: &Directory) -> Vec<PathBuf> {
    let names = state(&directory.0).into_keys();
    names
        .filter(|path| path.extension().is_some_and(|is| is == "seg"))
        .collect()
}

fn write(path: &Path, bytes: &[u8], offset: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

/// The service refuses the damaged directory, and starts on what was salvaged:
/// its feed and the rest are all that isn't reported as lost.
#[test]
fn the_service_starts_on_what_was_salvaged() {
    let (original, lines) = sample();
    let count = segments(&original).len();
    assert!(count >= 5, "{count} segments");
    let last = count - 2; // the one behind it is unused
    type Change = fn(&Path);
    let flip: Change = |path| write(path, b"?", 5000);
    let zeroes: Change = |path| write(path, &[0; 4096], 8192);
    let cut: Change = |path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(9000).unwrap();
    };
    let remove: Change = |path| fs::remove_file(path).unwrap();
    let manifest: Change = |path| write(&path.with_file_name("ledger"), b"??", 20);
    for (what, change, at, lost_max) in [
        ("flip", flip, 0, 1),
        ("flip", flip, last / 2, 1),
        ("flip", flip, last, 1),
        ("zeroes", zeroes, 0, 30),
        ("zeroes", zeroes, last / 2, 30),
        ("cut", cut, 1, 60),
        ("cut", cut, last, 60),
        ("remove", remove, 2, 120),
        ("manifest", manifest, 0, 0),
    ] {
        let case = format!("{what} of {at}");
        let damaged = copy(&original);
        change(&segments(&damaged)[at]);
        let before = state(&damaged.0);
        let made = Directory::new();
        let code = if lost_max > 0 { 3 } else { 0 };
        let output = salvage(&damaged.0, &made.0, &["--format", "json"]);
        let report: Value = serde_json::from_str(&printed(output, code)).unwrap();
        assert_eq!(state(&damaged.0), before, "{case}: it is only read");
        let written = fs::read(made.0.join("salvage-report.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), report);
        let refused = damaged.command(&[]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{case}");

        let service = made.start(&[]);
        let id = report["ledger"].as_str().unwrap();
        let page = get(service.http, "/orders?after=0&limit=1");
        let first = report["journal"]["first_seq"].as_u64().unwrap();
        assert_eq!(page.status, if first == 1 { 200 } else { 410 }, "{case}");
        if first == 1 {
            assert_eq!(page.header("orders-ledger-id"), Some(id), "{case}");
        }
        let found = feed(&service, first - 1);
        // What it knows is known to it.
        let known = &found[found.len() / 2];
        let order: Value = serde_json::from_str(known).unwrap();
        let again = Client::to(service.http).ask(submit("", &order["order"].to_string()));
        assert_eq!(again.json()["duplicate"], true, "{again:?}");
        service.drain();

        let rest = fs::read_to_string(made.0.join("salvage-rest.ndjson")).unwrap_or_default();
        let mut saved: Vec<&str> = rest
            .lines()
            .chain(found.iter().map(|line| &**line))
            .collect();
        let seq = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["seq"].as_u64().unwrap()
        };
        saved.sort_by_key(|line| seq(line));
        let is_lost = |seq: u64| {
            let lost = report["lost"].as_array().unwrap();
            lost.iter().any(|lost| {
                let last = lost["last_seq"].as_u64().unwrap_or(u64::MAX);
                (lost["first_seq"].as_u64().unwrap()..=last).contains(&seq)
            })
        };
        let expected: Vec<_> = lines.iter().filter(|line| !is_lost(seq(line))).collect();
        assert!(saved.iter().eq(&expected), "{case}: {report}");
        let lost = lines.len() - saved.len();
        assert!(
            (usize::from(code == 3)..=lost_max).contains(&lost),
            "{case}: {lost}"
        );
    }
}

/// As text, in the order of what an operator asks.
#[test]
fn the_summary_names_what_is_where() {
    let (original, _) = sample();
    write(&segments(&original)[1], b"?", 5000);
    let made = Directory::new();
    let text = printed(salvage(&original.0, &made.0, &[]), 3);
    for part in [
        "salvaged   ",
        "journal-0000000002.seg, offset ",
        ": no order decodes; lost: sequence ",
        "\njournal    sequences ",
        "\nrest       sequences 1 to ",
        " outcomes in salvage-rest.ndjson, outside of the journal",
        "\nlost       sequence ",
        "\nincomplete\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The other run, if that is asked for.
    let other = Directory::new();
    let text = printed(salvage(&original.0, &other.0, &["--keep", "1"]), 3);
    assert!(text.contains("\njournal    sequences 1 to "), "{text}");
    let service = other.start(&[]);
    assert!(feed(&service, 0)[0].starts_with(r#"{"seq":1,"#));
    service.drain();
}

/// However much is damaged, the summary fits a screen, and the report has all.
#[test]
fn the_summary_is_short_and_the_report_has_all() {
    const SHOWN: usize = 20;
    let (original, _) = sample();
    for segment in &segments(&original)[..4] {
        for offset in (1000..15_000).step_by(1000) {
            write(segment, b"?", offset);
        }
    }
    let made = Directory::new();
    let text = printed(salvage(&original.0, &made.0, &[]), 3);
    let report = fs::read(made.0.join("salvage-report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let listed = |list: &str| report[list].as_array().unwrap().len();
    for list in ["damages", "lost", "rest"] {
        assert!(listed(list) > SHOWN, "{list}: {}", listed(list));
    }
    let lines = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
    assert_eq!(lines("damage "), SHOWN, "{text}");
    assert_eq!(lines("lost "), SHOWN, "{text}");
    for list in ["damages", "lost"] {
        let more = listed(list) - SHOWN;
        let line = format!("\n           {more} more in salvage-report.json\n");
        assert!(text.contains(&line), "{list}: {text}");
    }
    let runs = text.lines().find(|line| line.starts_with("rest "));
    let runs = runs.expect("there is one");
    let more = format!(", {} more runs: ", listed("rest") - SHOWN);
    assert!(runs.contains(&more), "{runs}");
    assert_eq!(runs.matches("sequences ").count(), SHOWN, "{runs}");
}

#[test]
fn it_makes_one_new_directory_or_none() {
    let (original, _) = sample();
    let made = Directory::new();
    let service = original.start(&[]);
    let why = refused(salvage(&original.0, &made.0, &[]));
    assert!(why.contains("is in use by process"), "{why}");
    service.drain();
    assert!(!made.0.exists());

    let inside = original.0.join("new");
    let why = refused(salvage(&original.0, &inside, &[]));
    assert!(
        why.contains("name one outside of it") && !inside.exists(),
        "{why}"
    );
    let why = refused(salvage(&original.0, &made.0, &["--keep", "9999"]));
    assert!(why.contains("sequence 9999"), "{why}");
    assert!(!made.0.exists());

    let partial = PathBuf::from(format!("{}.partial", made.0.display()));
    fs::create_dir(&partial).unwrap();
    let why = refused(salvage(&original.0, &made.0, &[]));
    assert!(why.contains(".partial exists already"), "{why}");
    fs::remove_dir(&partial).unwrap();
    let text = printed(salvage(&original.0, &made.0, &[]), 0);
    assert!(text.contains("\ncomplete\n") && !partial.exists(), "{text}");
    let why = refused(salvage(&original.0, &made.0, &[]));
    assert!(why.contains("exists already"), "{why}");
    let why = refused(salvage(&made.0.join("nowhere"), &partial, &[]));
    assert!(why.contains("holds no journal"), "{why}");
}

/// Wherever it is killed: the new directory is there as a whole, or not at all.
/// What is left of it the next run names, and without that it comes to its end.
#[test]
fn a_kill_leaves_a_whole_directory_or_none() {
    const DEADLINE: Duration = Duration::from_secs(120);
    let (original, lines) = sample();
    write(&segments(&original)[1], b"?", 5000);
    let before = state(&original.0);
    let mut counts_left = BTreeSet::new();
    let mut in_time = 0;
    let began = Instant::now();
    // Killed when there are so many files, the names of some being temporary.
    for files in (0..=8).cycle() {
        let made = Directory::new();
        let partial = Directory(PathBuf::from(format!("{}.partial", made.0.display())));
        let count = |directory: &Path| fs::read_dir(directory).map(Iterator::count);
        let mut command = Service::command();
        command.args(["journal", "salvage", "--data-dir"]);
        command.arg(&original.0).arg("--to").arg(&made.0);
        command.stdout(Stdio::null());
        let mut child = command.spawn().expect("it runs");
        let ended = loop {
            if let Some(ended) = child.try_wait().unwrap() {
                break Some(ended);
            }
            if made.0.exists() || count(&partial.0).is_ok_and(|found| found >= files) {
                child.kill().unwrap();
                break None;
            }
            thread::yield_now();
        };
        let status = child.wait().unwrap();
        assert!(
            status.signal() == Some(9) || status.code() == Some(3),
            "{status}"
        );
        assert_eq!(state(&original.0), before, "it is only read");
        in_time += usize::from(ended.is_none());

        if partial.0.exists() {
            assert!(!made.0.exists());
            let names: Vec<_> = state(&partial.0).into_keys().collect();
            counts_left.insert(names.len());
            let has = |end: &str| names.iter().any(|name| name.ends_with(end));
            if has("journal-0000000001.seg") && !has("ledger") {
                let output = partial.command(&[]).output().unwrap();
                let why = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(1), "{why}");
                assert!(why.contains("the file ledger is missing"), "{output:?}");
            }
            let why = refused(salvage(&original.0, &made.0, &[]));
            assert!(why.contains(".partial exists already"), "{why}");
            fs::remove_dir_all(&partial.0).unwrap();
        }
        if !made.0.exists() {
            printed(salvage(&original.0, &made.0, &[]), 3);
        }
        let verify = ["journal", "verify", "--data-dir"];
        let verified = Service::command().args(verify).arg(&made.0).output();
        assert!(verified.unwrap().status.success());
        let report = fs::read(made.0.join("salvage-report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        let rest = fs::read_to_string(made.0.join("salvage-rest.ndjson")).unwrap();
        let saved = report["journal"]["outcomes"].as_u64().unwrap() as usize;
        assert_eq!(saved + rest.lines().count() + 1, lines.len(), "{report}");
        assert!(!partial.0.exists());
        if counts_left.len() >= 4 {
            break;
        }
        let in_time = format!("{in_time} killed in time, with {counts_left:?} files");
        assert!(began.elapsed() < DEADLINE, "{in_time}");
    }
}
