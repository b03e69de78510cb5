//! Memory: its peak under clients that hold all they can, beside the sum that
//! `order-processor limits` prints, and what is given back after it.

mod harness;

use std::fs;

use serde_json::Value;

use harness::{Client, Directory, Service, submit, unread_batches, until};

const MIB: u64 = 1 << 20;
/// What the clients of these tests fill.
const BUDGETS: [&str; 6] = [
    "--queue-bytes",
    "16MiB",
    "--body-bytes",
    "16MiB",
    "--reply-bytes",
    "16MiB",
];
const BUDGETS_BYTES: u64 = 48 * MIB;
/// So that what the budgets bound is most of what there is.
const SMALL: [&str; 6] = [
    "--max-connections",
    "400",
    "--dedupe-window",
    "10000",
    "--queue-capacity",
    "4096",
];
/// Lines of a batch.
const LINES: usize = 40_000;

/// A row of `/proc/PID/status`, in bytes.
fn memory(service: &Service, row: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(row));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.expect("a number").parse::<u64>().unwrap() << 10
}

/// The sum that `limits` prints for these flags.
fn bound(flags: &[&str]) -> u64 {
    let output = Service::command()
        .arg("limits")
        .args(["--format", "json", "--grpc-listen", "off"])
        .args(flags)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let limits: Value = serde_json::from_slice(&output.stdout).unwrap();
    limits["bytes"].as_u64().expect("a number of bytes")
}

#[test]
fn the_peak_is_below_the_sum_of_the_limits() {
    let slow = ["--processor", "simulate", "--simulate", "1h..1h,fail=0"];
    let flags = [&slow[..], &["--workers", "1"], &BUDGETS, &SMALL].concat();
    let directory = Directory::new();
    let service = directory.start(&flags);
    let at_start = memory(&service, "VmRSS:");

    let mut number = 0;
    let text = "x".repeat(60_000);
    until("the queue is full", || {
        number += 1;
        let order = format!(r#"{{"id":"long-{number}","value":1,"x":"{text}"}}"#);
        let request = submit("Prefer: respond-async\r\n", &order);
        Client::to(service.http).ask(request).status == 503
    });
    let bodies: Vec<Client> = (0..300)
        .map(|_| {
            let mut client = Client::to(service.http);
            let head = "POST /submit HTTP/1.1\r\nHost: o\r\nContent-Length: 65000\r\n\r\n";
            let _ = client.try_send(format!("{head}{text}")); // refused, the last of them
            client
        })
        .collect();
    let unread = unread_batches(&service, LINES);

    let peak = memory(&service, "VmHWM:");
    let bound = bound(&flags);
    assert!(peak <= bound, "{} of {} MiB", peak / MIB, bound / MIB);
    let grown = peak - at_start;
    assert!(grown >= BUDGETS_BYTES / 2, "by {} MiB only", grown / MIB);
    drop((bodies, unread));
    service.signal(rustix::process::Signal::KILL);
}

#[test]
fn memory_is_given_back_after_a_peak() {
    let service = Service::start(&[&BUDGETS[..], &SMALL].concat());
    let at_start = memory(&service, "VmRSS:");
    let unread = unread_batches(&service, LINES);
    let peak = memory(&service, "VmRSS:");
    assert!(
        peak >= at_start + 8 * MIB,
        "{} MiB",
        (peak - at_start) / MIB
    );
    drop(unread);
    until("most of it is given back", || {
        // Memory is given back as there is work.
        Client::to(service.http).ask("GET /healthz HTTP/1.1\r\nHost: o\r\n\r\n");
        memory(&service, "VmRSS:") <= at_start + (peak - at_start) / 2
    });
}
