//! Clients can't fill the log, and what is printed past it comes out at any end.

mod harness;

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use rustix::process::Signal;

use crate::harness::{Client, PATIENCE, Service, get};

#[test]
fn requests_that_cannot_be_parsed_are_logged_within_a_limit() {
    let service = Service::on("may_minihttp", &[]);
    let began = Instant::now();
    for number in 0..2000 {
        let address = if number % 2 == 0 {
            service.http
        } else {
            service.admin
        };
        let mut client = Client::to(address);
        client.send("\0\r\n\r\n");
        client.ends();
    }
    assert_eq!(get(service.admin, "/healthz").status, 200);
    // Ten lines in ten seconds.
    let most = 10 * (began.elapsed().as_secs() / 10 + 2);
    let log = service.drain().log;
    let lines = log
        .lines()
        .filter(|line| line.contains("failed to parse"))
        .count();
    assert!((1..=most as usize).contains(&lines), "{lines} lines");
    let first = log
        .lines()
        .find(|line| line.contains("failed to parse"))
        .unwrap();
    assert!(first.contains("WARN"), "through the log: {first}");
}

#[test]
fn a_start_that_fails_says_why() {
    let service = Service::start(&[]);
    let mut command = Service::command();
    command.args(["--listen", &service.http.to_string(), "--ledger", "memory"]);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("order-processor: ") && errors.contains("--listen"),
        "{errors}"
    );
}

/// What a library would print to standard error.
fn print(service: &Service, text: &str) {
    let path = format!("/proc/{}/fd/2", service.pid());
    let mut stderr = OpenOptions::new().append(true).open(path).unwrap();
    stderr.write_all(text.as_bytes()).unwrap();
}

#[test]
fn last_words_come_out() {
    for (signals, code) in [
        (&[Signal::ABORT][..], &[None][..]),
        (&[Signal::TERM], &[Some(0)]),
        (&[Signal::TERM, Signal::TERM], &[Some(0), Some(3)]),
    ] {
        let service = Service::start(&["--log-level", "error"]);
        print(
            &service,
            "failed to parse http request: x\n".repeat(500).as_str(),
        );
        print(&service, "memory allocation failed\nlast words");
        for signal in signals {
            service.signal(*signal);
        }
        let ended = service.wait(PATIENCE);
        assert!(code.contains(&ended.code), "{signals:?}: {ended:?}");
        let log = ended.log;
        for words in ["memory allocation failed", "last words"] {
            assert_eq!(log.matches(words).count(), 1, "{signals:?}: {log}");
        }
        assert!(!log.contains("failed to parse"), "a warning: {log}");
    }
}

/// Descriptor 2 is left alone where nothing prints what a client causes.
#[test]
fn standard_error_is_not_taken_over_without_need() {
    let mut command = Service::command();
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "off"]);
    command.args(["--grpc-listen", "off", "--ledger", "memory", "--pin", "off"]);
    let service = Service::listening(command, &["http"]);
    print(&service, "printed\n");
    let log = service.drain().log;
    assert!(log.lines().any(|line| line == "printed"), "{log}");
}
