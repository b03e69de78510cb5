//! Requests that schemathesis makes from `/openapi.json`, valid and not: each
//! reply is what the description says. What it can't know is in
//! `schemathesis/hooks.py`, with reasons.
//!
//! For longer, and with other seeds: `SCHEMATHESIS_SEED=7
//! SCHEMATHESIS_EXAMPLES=2000 cargo test --test clients schemathesis`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use serde_json::Value;

use crate::authority::{root, text};
use crate::harness::{Client, Directory, Service, get, post};
use crate::program::python;
use crate::tokens::{TOKEN, TokenFile};

/// Operations of the description.
const OPERATIONS: usize = 9;
/// Seconds that a run may take.
const SECONDS_MAX: &str = "1500";
/// Between two orders that end the waits of feed readers.
const PERIOD: Duration = Duration::from_millis(50);

fn variable(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Calls `run` while the feed of a service goes on, so that no reader of it
/// waits long.
fn while_the_feed_goes_on<T>(service: &Service, run: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let order = format!(r#"{{"id":"feed-{number}","value":1}}"#);
                post(service.http, &authorization, &order);
                thread::sleep(PERIOD); // the pace of it
            }
        });
        let result = run();
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// Runs it; with `TOKENS` set, the description says that tokens are needed.
#[track_caller]
fn finds_nothing(service: &Service, variables: &[(&str, &str)]) {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let description = directory.0.join("openapi.json");
    let served = get(service.http, "/openapi.json");
    fs::write(&description, served.body).unwrap();
    let settings = root().join("tests/clients/schemathesis");
    let start = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())";
    let mut command = Service::timeout();
    command
        .arg(SECONDS_MAX)
        .arg(python("python"))
        .args(["-B", "-c", start, "--config-file"])
        .arg(settings.join("schemathesis.toml"))
        .arg("run")
        .arg(&description)
        .args(["--url", &format!("http://{}", service.http)])
        .args(["--checks", "all", "--no-color"])
        .args(["--seed", &variable("SCHEMATHESIS_SEED", "1")])
        .args(["--max-examples", &variable("SCHEMATHESIS_EXAMPLES", "25")])
        .env("PYTHONPATH", &settings)
        .env("TOKEN", TOKEN)
        .envs(variables.iter().copied())
        .current_dir(&directory.0);
    let output = while_the_feed_goes_on(service, || command.output());
    let output = output.expect("timeout(1) is there");
    let report = text(&output);
    let tested = format!("Selected: {OPERATIONS}/{OPERATIONS}\n  Tested: {OPERATIONS}\n");
    assert!(
        output.status.success() && report.contains(&tested),
        "{report}"
    );
    assert!(report.contains("No issues found"), "{report}");
    let summary = report.split_once("= SUMMARY =").map(|(_, summary)| summary);
    println!("{}", summary.unwrap_or_default());
}

/// `/stats`.
#[track_caller]
fn stats(service: &Service) -> Value {
    let ask = format!("GET /stats HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    Client::to(service.http).ask(ask).json()
}

#[test]
fn it_finds_nothing() {
    let service = Service::start(&[]);
    finds_nothing(&service, &[]);
    assert!(stats(&service)["orders_rejected"]["invalid"].as_u64() > Some(0));
    service.settled();
    service.drain();
}

#[test]
fn it_finds_nothing_where_tokens_are_needed() {
    let tokens = TokenFile::new("scope=submit,read");
    let flags = ["--token-file", &tokens.path, "--protect-metrics"];
    let service = Service::start(&flags);
    finds_nothing(&service, &[("TOKENS", "1")]);
    assert!(stats(&service)["orders_rejected"]["unauthorized"].as_u64() > Some(0));
    service.drain();
}
