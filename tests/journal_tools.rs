//! `journal verify` and `journal cat`, as whoever runs them sees them.

mod harness;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::SystemTime;

use harness::{Client, Crowd, Directory, Service, get, order, post, until};
use rustix::process::Signal;
use serde_json::Value;

/// Runs a tool to its end.
fn tool(words: &[&str], directory: &Path) -> Output {
    let mut command = Service::command();
    command.arg("journal").args(words);
    command.env("ORDERS_DATA_DIR", directory);
    command.output().expect("it runs")
}

#[track_caller]
fn verified(directory: &Directory) -> String {
    let output = tool(&["verify"], &directory.0);
    let errors = String::from_utf8(output.stderr).unwrap();
    // On a busy machine it may say how far it is.
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn printed(words: &[&str], directory: &Directory) -> Vec<String> {
    let output = tool(&[&["cat"], words].concat(), &directory.0);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Names, sizes and times of what is in a directory.
fn state(directory: &Directory) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let entries = std::fs::read_dir(&directory.0).unwrap();
    let state = entries.map(|entry| {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        (entry.path(), (found.len(), found.modified().unwrap()))
    });
    state.collect()
}

#[test]
fn a_journal_is_verified_and_printed() {
    let directory = Directory::new();
    let service = directory.start(&["--max-value", "10"]);
    let mut lines = Vec::new();
    for value in 1..=20 {
        let id = format!("order-{value}");
        let body = format!(r#"{{"id":"{id}","value":{value},"note":"ü"}}"#);
        let status = post(service.http, "", &body).status;
        assert_eq!(status, if value <= 10 { 201 } else { 422 });
        let line = get(service.http, &format!("/orders/{id}"));
        lines.push(line.text().trim_end().to_owned());
    }
    // Beside the service, the last batch included.
    assert_eq!(printed(&[], &directory), lines);
    let found = verified(&directory);
    assert!(found.contains("not closed"), "{found}");
    until("the next segment is made", || {
        directory.0.join("journal-0000000002.seg").exists()
    });
    service.drain();

    let before = state(&directory);
    let found = verified(&directory);
    for told in [
        "sequences  1 to 20, without a gap",
        "outcomes   20: 10 processed, 10 failed",
        "segments   2, 134217728 bytes",
        "closed by the last process",
        "\nwhole\n",
    ] {
        assert!(found.contains(told), "{told}: {found}");
    }
    assert!(!found.contains("pending"));
    assert_eq!(printed(&[], &directory), lines);
    assert_eq!(printed(&["--after", "17"], &directory), lines[17..]);
    assert_eq!(
        printed(&["--after", "3", "--limit", "4"], &directory),
        lines[3..7]
    );
    assert!(printed(&["--after", "20"], &directory).is_empty());
    assert!(printed(&["--limit", "0"], &directory).is_empty());
    let committed = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["committed_at"].as_str().unwrap().to_owned()
    };
    let (from, until) = (committed(&lines[5]), committed(&lines[9]));
    // Those of the same moment are on the same side.
    let between = lines
        .iter()
        .filter(|line| (&from..&until).contains(&&committed(line)));
    let times = ["--from-time", &from, "--until-time", &until];
    assert!(printed(&times, &directory).iter().eq(between), "{times:?}");
    assert!(printed(&["--from-time", "2200-01-01T00:00:00Z"], &directory).is_empty());
    assert_eq!(state(&directory), before, "nothing is changed");
}

#[test]
fn orders_kept_by_a_drain_are_verified() {
    let directory = Directory::new();
    let stuck = ["--processor", "simulate", "--simulate", "10m..10m"];
    let service = directory.start(&[&stuck[..], &["--drain-timeout", "100ms"]].concat());
    for number in 0..3 {
        let body = format!(r#"{{"id":"kept-{number}","value":1}}"#);
        let reply = post(service.http, "Prefer: respond-async\r\n", &body);
        assert_eq!(reply.status, 202);
    }
    service.terminate();
    let ended = service.wait(harness::PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    let before = state(&directory);
    let found = verified(&directory);
    assert!(found.contains("pending    3 orders kept"), "{found}");
    assert!(found.contains("\nwhole\n"), "{found}");
    assert_eq!(state(&directory), before, "nothing is changed");

    let file = directory.0.join("pending");
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, what) in [
        (&flipped[..], "it is damaged"),
        (&whole[..100], "it was cut or added to"),
        (b"", "it was cut or added to"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let output = tool(&["verify"], &directory.0);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(output.stdout.is_empty() && told.contains(what), "{told}");
        assert!(told.contains("pending holds orders"), "{told}");
    }
    std::fs::write(&file, whole).unwrap();
    directory.start(&[]).drain();
    assert!(!verified(&directory).contains("pending"));
}

#[test]
fn damage_is_named() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    for number in 0..5 {
        assert_eq!(
            post(
                service.http,
                "",
                &format!(r#"{{"id":"a{number}","value":1}}"#)
            )
            .status,
            201
        );
    }
    service.drain();
    let name = "journal-0000000001.seg";
    let segment = File::options()
        .read(true)
        .write(true)
        .open(directory.0.join(name))
        .unwrap();
    let mut bytes = [0; 2048];
    segment.read_exact_at(&mut bytes, 0).unwrap();
    let third = bytes.windows(4).position(|four| four == b"\"a2\"").unwrap();
    segment.write_all_at(b"A", third as u64 + 1).unwrap();

    let output = tool(&["verify"], &directory.0);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.stdout.is_empty() && told.lines().count() == 1,
        "{told}"
    );
    let offset = told
        .split("is damaged at offset ")
        .nth(1)
        .expect("an offset");
    let offset: usize = offset.split(' ').next().unwrap().parse().unwrap();
    assert!(
        told.contains(name) && offset <= third && third - offset < 200,
        "{told}"
    );

    let output = tool(&["cat"], &directory.0);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(name) && told.contains("is damaged"), "{told}");
    // What comes before it.
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(
        lines
            .lines()
            .all(|line| line.contains(r#""status":"processed""#))
    );
}

#[test]
fn a_batch_cut_short_is_no_damage() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let crowd = Crowd::start(service.http, 4);
    until("under load", || crowd.replies() > 100);
    service.signal(Signal::KILL);
    let told = crowd.end();
    drop(service);
    let lines = printed(&[], &directory);
    let name = "journal-0000000001.seg";
    let segment = directory.0.join(name);
    // As if the last sectors had not got there.
    let bytes = std::fs::read(&segment).unwrap();
    let last = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    let file = File::options().write(true).open(&segment).unwrap();
    file.write_all_at(&[0; 8], last as u64 - 7).unwrap();
    let found = verified(&directory);
    assert!(
        found.contains(name) && found.contains("are no whole batch"),
        "{found}"
    );
    let fewer = printed(&[], &directory);
    assert!(fewer.len() < lines.len() && fewer[..] == lines[..fewer.len()]);
    assert!(lines.len() >= told.iter().filter(|(_, reply)| reply.status == 201).count());
    // A start gives the same up, and the tools say so.
    let service = directory.start(&[]);
    assert_eq!(Client::to(service.http).ask(order("next")).status, 201);
    service.drain();
    let found = verified(&directory);
    assert!(
        found.contains("bytes given up by earlier starts"),
        "{found}"
    );
    let lines = printed(&[], &directory);
    assert!(lines.len() == fewer.len() + 1 && lines.starts_with(&fewer));
}

#[test]
fn the_tools_work_beside_a_busy_service() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let crowd = Crowd::start(service.http, 4);
    for round in 1..=3 {
        until("more", || crowd.replies() > round * 100);
        let acknowledged = Client::to(service.http).ask(order(&format!("mark-{round}")));
        let seq = acknowledged.json()["seq"].as_u64().unwrap();
        let found = verified(&directory);
        assert!(found.contains("\nwhole\n"), "{found}");
        let lines = printed(&[], &directory);
        assert!(
            lines.len() as u64 >= seq,
            "what was acknowledged is printed"
        );
        for (line, seq) in lines.iter().zip(1_u64..) {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["seq"], seq);
        }
    }
    crowd.end();
    service.drain();
}

#[test]
fn a_closed_pipe_is_no_error() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let filler = "x".repeat(60_000);
    let mut client = Client::to(service.http);
    for number in 0..20 {
        let body = format!(r#"{{"id":"a{number}","value":1,"filler":"{filler}"}}"#);
        assert_eq!(client.ask(harness::submit("", &body)).status, 201);
    }
    service.drain();
    let mut child = Service::command()
        .args(["journal", "cat", "--data-dir"])
        .arg(&directory.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    assert!(first.starts_with(r#"{"seq":1,"#), "{first:.80}");
    drop(out); // more than a pipe holds is still to come
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
}

#[test]
fn what_is_no_journal_is_told() {
    let directory = Directory::new();
    for words in [&["verify"][..], &["cat"]] {
        let fails = |why: &str| {
            let output = tool(words, &directory.0);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains(why) && text.lines().count() == 1, "{text}");
            assert!(output.stdout.is_empty());
        };
        fails("holds no journal");
        assert!(!directory.0.exists(), "nothing is made");
        std::fs::create_dir(&directory.0).unwrap();
        fails("there is no file ledger");
        directory.start(&[]).drain();
        let ledger = directory.0.join("ledger");
        let identity = std::fs::read(&ledger).unwrap();
        std::fs::remove_file(&ledger).unwrap();
        fails("the file ledger is missing");
        let mut newer = identity.clone();
        newer[8] = 9;
        let sum = crc32c::crc32c(&newer[..60]).to_le_bytes();
        newer[60..].copy_from_slice(&sum);
        std::fs::write(&ledger, &newer).unwrap();
        fails("ledger has version 9 of the format, and this program knows 1");
        std::fs::remove_dir_all(&directory.0).unwrap();
    }
}

#[test]
fn usage_is_told() {
    let directory = Directory::new();
    for (words, code, told) in [
        (&["--help"][..], 0, "Read every byte"),
        (&["verify", "--help"], 0, "ORDERS_DATA_DIR"),
        (&["cat", "--help"], 0, "--after"),
        (&[], 2, "requires a subcommand"),
        (&["look"], 2, "look"),
        (&["cat", "--after", "x"], 2, "--after x"),
        (&["verify", "--limit", "1"], 2, "--limit"),
    ] {
        let output = tool(words, &directory.0);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        let (text, other) = match code {
            0 => (output.stdout, output.stderr),
            _ => (output.stderr, output.stdout),
        };
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(told) && other.is_empty(), "{words:?}: {text}");
    }
    let help = Service::command()
        .args(["serve", "--help"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("journal COMMAND")
    );
}
