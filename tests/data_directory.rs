//! The data directory in bad company: its lock file removed, moved away,
//! removed, and errors while the next segment is made.

mod harness;

use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use harness::{
    Client, Crowd, Directory, Injected, PATIENCE, Service, eventually, get, order, post, submit,
    until,
};
use rustix::process::Signal;

/// Starts a service that must fail, and returns what it says.
#[track_caller]
fn refused(directory: &Directory) -> String {
    let output = directory.command(&[]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

#[test]
fn a_second_process_is_refused_whatever_became_of_the_lock_file() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let told = refused(&directory);
    let holder = format!("is in use by process {} on host ", service.pid());
    assert!(
        told.contains(&holder) && told.contains(", started 20"),
        "{told}"
    );
    assert!(told.contains("removing files"), "{told}");

    std::fs::remove_file(directory.0.join("lock")).unwrap();
    let told = refused(&directory);
    assert!(told.contains("is in use by another process"), "{told}");
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("one")).json()["seq"], 1);
    service.signal(Signal::KILL);
    drop(service);
    let again = directory.start(&[]);
    assert_eq!(Client::to(again.http).ask(order("two")).json()["seq"], 2);
    again.drain();
}

/// The file names a process of another container: its id means nothing here,
/// and the message says so.
#[test]
fn a_holder_in_another_pid_namespace_is_named_as_such() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let lock = directory.0.join("lock");
    let text = std::fs::read_to_string(&lock).unwrap();
    let elsewhere: String = text
        .lines()
        .map(|line| match line {
            _ if line.starts_with("pid-namespace") => "pid-namespace pid:[1]\n".to_owned(),
            _ if line.starts_with("host") => "host web-7\n".to_owned(),
            line => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&lock, elsewhere).unwrap();
    let told = refused(&directory);
    for part in ["on host web-7", "in another container or pid namespace"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    service.drain();
}

#[test]
fn a_service_goes_on_in_a_directory_that_is_moved() {
    let directory = Directory::new();
    let first = directory.start(&[]);
    let mut client = Client::to(first.http);
    assert_eq!(client.ask(order("before")).json()["seq"], 1);
    let moved = Directory::new();
    std::fs::rename(&directory.0, &moved.0).unwrap();
    let second = directory.start(&[]);
    assert_eq!(Client::to(second.http).ask(order("other")).json()["seq"], 1);
    // Past the first segment, whose successor is made in the moved directory.
    let filler = "x".repeat(60_000);
    for number in 0..1200 {
        let body = format!(r#"{{"id":"long-{number}","value":1,"x":"{filler}"}}"#);
        assert_eq!(client.ask(submit("", &body)).status, 201);
    }
    until("prepared", || {
        moved.0.join("journal-0000000003.seg").exists()
    });
    assert!(!directory.0.join("journal-0000000003.seg").exists());
    first.drain();
    second.drain();
    let again = moved.start(&[]);
    assert_eq!(
        post(again.http, "", r#"{"id":"next","value":1}"#).json()["seq"],
        1202
    );
    again.drain();
    let again = directory.start(&[]);
    assert_eq!(
        post(again.http, "", r#"{"id":"next","value":1}"#).json()["seq"],
        2
    );
    again.drain();
}

/// Removes a directory in which the service may make a file meanwhile.
fn remove(directory: &Path) {
    until("removed", || match std::fs::remove_dir_all(directory) {
        Ok(()) => true,
        Err(error) => match error.kind() {
            ErrorKind::NotFound => true,
            ErrorKind::DirectoryNotEmpty => false,
            _ => panic!("{error}"),
        },
    });
}

#[test]
fn a_directory_that_is_removed_is_a_failed_ledger() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let crowd = Crowd::start(service.http, 4);
    until("under load", || crowd.replies() > 100);
    remove(&directory.0);
    let removed = Instant::now();
    let ended = service.wait(PATIENCE);
    let took = removed.elapsed();
    crowd.end();
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert!(ended.log.contains("was removed"), "{}", ended.log);
    assert!(took < PATIENCE / 2, "{took:?}");

    // Nobody needs to send an order for it.
    let service = directory.start(&[]);
    remove(&directory.0);
    assert_eq!(service.wait(PATIENCE).code, Some(4));
}

/// Whatever goes wrong while the next segment is made is tried again. Until it
/// works orders are taken, and `/readyz` and a metric say so.
#[test]
fn an_error_while_a_segment_is_made_ends_nothing() {
    for (call, errno, advice) in [
        ("openat", "EMFILE", "ulimit -n"),
        ("openat", "ENFILE", "fs.file-max"),
        ("openat", "ENOMEM", "memory"),
        ("renameat2", "EIO", "kernel's log"),
        ("fdatasync", "EIO", "kernel's log"),
        ("fsync", "EIO", "kernel's log"),
        ("pwrite64", "EDQUOT", "quota"),
    ] {
        let case = format!("{call} {errno}");
        let directory = Directory::new();
        let service = directory.start(&[]);
        let error = format!("error={errno}");
        let failing = Injected::into_thread(&service, "preallocator", call, &error);
        let mut client = Client::to(service.http);
        // Takes the first segment; the second one is made now.
        assert_eq!(client.ask(order("one")).status, 201, "{case}");
        let warning = eventually(&case, || warning(&service));
        assert!(warning.contains(advice), "{case}: {warning}");
        assert_eq!(service.figures().get("journal_segment_ahead"), 0.0);
        assert_eq!(service.figures().get("ready"), 1.0);
        assert_eq!(client.ask(order("two")).status, 201, "{case}");
        drop(failing);
        until(&case, || warning_is_gone(&service));
        assert!(directory.0.join("journal-0000000002.seg").exists());
        let log = service.drain().log;
        assert!(
            log.contains(advice) && log.contains("tried again"),
            "{case}: {log}"
        );
    }
}

fn warning(service: &Service) -> Option<String> {
    let reply = get(service.admin, "/readyz");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["warning"].as_str().map(str::to_owned)
}

fn warning_is_gone(service: &Service) -> bool {
    warning(service).is_none() && service.figures().get("journal_segment_ahead") == 1.0
}

/// When the segment is used up by then, orders are refused until the next one
/// can be made.
#[test]
fn without_a_next_segment_orders_are_refused_and_taken_again() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let failing = Injected::into_thread(&service, "preallocator", "openat", "error=EMFILE");
    let mut client = Client::to(service.http);
    let filler = "x".repeat(60_000);
    let mut committed = 0;
    let refused = loop {
        let body = format!(r#"{{"id":"long-{committed}","value":1,"x":"{filler}"}}"#);
        let reply = client.ask(submit("Prefer: wait=2\r\n", &body));
        match reply.status {
            200 | 201 => committed += 1,
            // The disk is slow: the same order once more.
            202 if get(service.admin, "/readyz").status == 200 => {}
            // Taken, and waiting; or refused.
            status => break status,
        }
    };
    assert!(refused == 202 || refused == 503, "{refused}");
    assert!(committed > 1000, "the first segment was used up");
    let not_ready = eventually("not ready", || {
        let reply = get(service.admin, "/readyz");
        (reply.status == 503).then(|| reply.problem(503)["detail"].to_string())
    });
    assert!(not_ready.contains("ulimit -n"), "{not_ready}");
    assert_eq!(
        client.ask(order("refused")).problem(503)["retry_safe"],
        true
    );
    drop(failing);
    until("ready", || get(service.admin, "/readyz").status == 200);
    assert_eq!(client.ask(order("after")).status, 201);
    service.drain();
}

/// The line of the log that says so, of a start that ends with exit code 1.
#[track_caller]
fn refused_with(directory: &Directory, flags: &[&str]) -> String {
    let output = directory.command(flags).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    log.lines().last().unwrap().to_owned()
}

/// A path that is mistyped becomes no ledger: only its last directory is made.
#[test]
fn a_path_that_does_not_exist_is_not_made() {
    let scratch = Directory::new();
    let nested = Directory(scratch.0.join("mistyped").join("data"));
    let why = refused_with(&nested, &[]);
    let parent = scratch.0.join("mistyped");
    assert!(
        why.contains(&format!("{} doesn't exist", parent.display())),
        "{why}"
    );
    assert!(!scratch.0.exists());
}

/// A new ledger is said to be one, where it is; one that is there is none.
#[test]
fn a_new_ledger_is_a_warning() {
    let directory = Directory::new();
    for expected in [true, false] {
        let service = directory.start(&[]);
        let log = service.drain().log;
        let line = log.lines().find(|line| line.contains("a new ledger"));
        assert_eq!(line.is_some(), expected, "{log}");
        if let Some(line) = line {
            let dir = directory.0.display().to_string();
            assert!(line.contains("WARN") && line.contains(&dir), "{line}");
        }
    }
}

#[test]
fn another_ledger_than_the_expected_is_refused() {
    let directory = Directory::new();
    let zero = "0".repeat(32);
    let why = refused_with(&directory, &["--expect-ledger", &zero]);
    assert!(why.contains("there is none here"), "{why}");
    assert!(!directory.0.join("ledger").exists(), "nothing was made");
    let service = directory.start(&[]);
    let ledger = get(service.http, "/readyz").json()["ledger_id"].clone();
    let ledger = ledger.as_str().unwrap().to_owned();
    service.drain();
    let why = refused_with(&directory, &["--expect-ledger", &zero]);
    assert!(why.contains(&ledger) && why.contains("--data-dir"), "{why}");
    let service = directory.start(&["--expect-ledger", &ledger]);
    assert_eq!(Client::to(service.http).ask(order("a")).status, 201);
    service.drain();
    // Its segments are gone, and it would get another id.
    for number in 1..=2 {
        let name = format!("journal-{number:010}.seg");
        let _ = std::fs::remove_file(directory.0.join(name)); // the second may be missing
    }
    let why = refused_with(&directory, &["--expect-ledger", &ledger]);
    assert!(why.contains("not what it was"), "{why}");
}

/// A limit of file sizes is a kind of full disk: no signal ends the process,
/// and it goes on when the limit is raised.
#[test]
fn a_limit_of_file_sizes_is_waited_out() {
    let directory = Directory::new();
    let mut command = Service::command_after("ulimit -S -f 4096");
    command.args(directory.command(&[]).get_args());
    let service = Service::listening(command, &["http", "admin"]);
    eventually("no space", || {
        let detail = get(service.admin, "/readyz").problem(503)["detail"].to_string();
        detail.contains("ulimit -f").then_some(())
    });
    let mut client = Client::to(service.http);
    let refused = client.ask(order("a"));
    assert_eq!(refused.problem(503)["retry_safe"], true);
    let raised = std::process::Command::new("prlimit")
        .args(["--pid", &service.pid().to_string(), "--fsize=unlimited:"])
        .status();
    assert!(raised.expect("util-linux is there").success());
    until("ready", || get(service.admin, "/readyz").status == 200);
    assert_eq!(client.ask(order("a")).json()["seq"], 1);
    service.drain();
}

/// A bit flips in a committed record: what comes before it is served, and then
/// an error that says what to do. Orders are taken all the same.
#[test]
fn a_record_that_is_damaged_while_the_service_runs() {
    use std::os::unix::fs::FileExt;
    let directory = Directory::new();
    let service = directory.start(&[]);
    let mut client = Client::to(service.http);
    for number in 1..=5 {
        let body = format!(r#"{{"id":"order-{number}","value":1}}"#);
        assert_eq!(client.ask(submit("", &body)).status, 201);
    }
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(directory.0.join("journal-0000000001.seg"))
        .unwrap();
    let mut bytes = [0; 4096];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let at = bytes
        .windows(7)
        .position(|text| text == b"order-3")
        .unwrap();
    file.write_all_at(b"X", at as u64).unwrap();

    let page = get(service.http, "/orders?after=0");
    assert_eq!((page.status, page.text().lines().count()), (200, 2));
    for path in ["/orders?after=2", "/orders/order-3"] {
        let problem = get(service.http, path).problem(500);
        assert_eq!(problem["type"], "/problems/journal-damaged");
        assert_eq!(problem["retry_safe"], false);
        let detail = problem["detail"].as_str().unwrap();
        for part in ["sequence 3", "journal-0000000001.seg", "backup"] {
            assert!(detail.contains(part), "{detail}");
        }
    }
    let rest = get(service.http, "/orders?after=3");
    assert_eq!((rest.status, rest.text().lines().count()), (200, 2));
    assert_eq!(service.figures().get("journal_read_errors"), 2.0);
    assert_eq!(get(service.admin, "/readyz").status, 200);
    assert_eq!(client.ask(order("next")).json()["seq"], 6);
    let log = service.drain().log;
    assert_eq!(log.matches("the journal can't be read").count(), 1, "{log}");
}
