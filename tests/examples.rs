//! The examples, run against and as a service.

mod harness;

#[path = "tls/authority.rs"]
#[allow(dead_code, reason = "the tests of TLS itself use the rest")]
mod authority;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use authority::Authority;
use harness::{Client, Directory, PATIENCE, Service, get, post, submit, until};

/// The example's program. A run of all tests has built it; a run of this one
/// may find an old one.
fn example(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", name]);
    assert!(cargo.status().unwrap().success());
    let tests = std::env::current_exe().unwrap();
    let target = tests.ancestors().nth(2).expect("target/debug/deps/…");
    target.join("examples").join(name)
}

fn desk(directory: &Directory, flags: &[&str]) -> Service {
    let mut command = Command::new(example("own_processor"));
    command.env("ORDERS_ALLOWED_HOSTS", "orders,o,a");
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--grpc-listen", "off", "--data-dir"]);
    command.arg(&directory.0).args(flags);
    Service::launch(command)
}

fn spend(service: &Service, id: &str, value: &str) -> u16 {
    let order = format!(r#"{{"id":"{id}","value":{value},"account":"alice"}}"#);
    post(service.http, "", &order).status
}

#[test]
fn a_desk_knows_after_a_restart_what_was_spent() {
    let directory = Directory::new();
    let service = desk(&directory, &[]);
    assert_eq!(spend(&service, "a-1", "600.10"), 201);
    assert_eq!(spend(&service, "a-2", "600"), 422);
    assert_eq!(spend(&service, "a-3", "\"2e2\""), 201);
    let http = service.http;
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("recovered"), "{}", ended.log);
    assert!(!ended.log.contains("may::"), "{}", ended.log);
    let ready = format!("ready: http://{http}/");
    assert!(ended.log.contains(&ready), "{}", ended.log);
    assert_eq!(ended.logged("drained"), 0);
    assert_eq!(ended.logged("kept"), 0);
    assert!(!ended.log.contains("no effect"), "{}", ended.log);

    let service = desk(&directory, &[]);
    assert_eq!(spend(&service, "a-4", "199.91"), 422, "a cent too much");
    assert_eq!(spend(&service, "a-5", "199.90"), 201);
    assert_eq!(
        post(service.http, "", r#"{"id":"x","value":1}"#).status,
        422
    );
    service.terminate();
    assert_eq!(service.wait(PATIENCE).code, Some(0));
}

/// Who may ask its port is no matter of its own: it asks no port.
#[test]
fn a_desk_with_tls_and_tokens_knows_what_was_spent() {
    let (authority, directory) = (Authority::new(), Directory::new());
    let tokens = authority.path("tokens");
    fs::write(&tokens, "shop:a-token-of-the-shop\n").unwrap();
    let tls = authority.flags();
    let flags: Vec<&str> = tls.iter().map(String::as_str).collect();
    let flags = [&flags[..], &["--token-file", &tokens]].concat();
    let spend = |service: &Service, id: &str, value: &str| {
        let order = format!(r#"{{"id":"{id}","value":{value},"account":"alice"}}"#);
        let token = "Authorization: Bearer a-token-of-the-shop";
        let args = ["-o", "/dev/null", "-w", "%{http_code}", "-H", token];
        let args = [&args[..], &["-d", &order]].concat();
        authority::text(&authority.curl(service, &args, "/submit"))
    };
    let service = desk(&directory, &flags);
    assert_eq!(spend(&service, "a-1", "600"), "201");
    service.drain();
    let service = desk(&directory, &flags);
    assert_eq!(spend(&service, "a-2", "400.01"), "422");
    assert_eq!(spend(&service, "a-3", "400"), "201");
    service.drain();
}

#[test]
fn a_desk_goes_on_from_the_oldest_outcome_that_is_there() {
    let directory = Directory::with_segments_of(16 << 10);
    let service = desk(&directory, &[]);
    let mut client = Client::to(service.http);
    let filler = "x".repeat(200);
    for number in 1..=300 {
        let order =
            format!(r#"{{"id":"o-{number}","value":1,"account":"alice","filler":"{filler}"}}"#);
        assert_eq!(client.ask(submit("", &order)).status, 201);
    }
    service.drain();
    let service = desk(&directory, &["--dedupe-window", "10", "--retain-age", "1s"]);
    until("the oldest are gone", || {
        get(service.http, "/orders?after=0&limit=1").status == 410
    });
    service.drain();

    let service = desk(&directory, &[]);
    let gone = get(service.http, "/orders?after=0&limit=1").json();
    let oldest = gone["oldest_seq"].as_u64().unwrap();
    let left = 1000 - (301 - oldest);
    assert_eq!(spend(&service, "a-1", &format!("{left}.01")), 422);
    assert_eq!(spend(&service, "a-2", &left.to_string()), 201);
    let ended = service.drain();
    assert!(ended.log.contains("begins late"), "{}", ended.log);
    assert_eq!(ended.logged("oldest"), oldest);
}

#[test]
fn a_desk_says_which_flags_and_commands_are_not_its_own() {
    let flags = ["--max-value", "10", "--log-level", "debug"];
    let directory = Directory::new();
    let log = desk(&directory, &flags).drain().log;
    for flag in ["--max-value", "--log-level"] {
        let warning = format!("{flag} has no effect in this program");
        assert!(log.contains(&warning), "{log}");
    }
    for (word, code) in [("--version", 0), ("--help", 0), ("config", 2)] {
        let output = Command::new(example("own_processor")).arg(word).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(code), "{word}");
        let text = authority::text(&output);
        let heading = "own_processor has the flags of order-processor, and none of its commands";
        assert!(text.starts_with(heading), "{word}: {text}");
    }
}

#[test]
fn a_desk_without_a_ledger_says_so_by_its_exit_code() {
    let output = Command::new(example("own_processor"))
        .args(["--listen", "127.0.0.1:0", "--data-dir", "/proc/none"])
        .args(["--admin-listen", "off", "--grpc-listen", "off"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stderr.is_empty());
}

#[test]
fn a_client_prints_decimals_as_they_were_sent() {
    let service = Service::start(&[]);
    let output = Command::new(example("http_client"))
        .args([&service.http.to_string(), "3"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let lines = |word: &str| {
        printed
            .lines()
            .filter(|line| line.starts_with(word))
            .count()
    };
    assert_eq!((lines("submitted "), lines("feed ")), (3, 3), "{printed}");
    assert!(printed.contains(r#""value":2.50"#), "{printed}");
    let mut client = Client::to(service.http);
    let page = client.ask("GET /orders HTTP/1.1\r\nHost: orders\r\n\r\n");
    assert_eq!(page.text().lines().count(), 3);
}

#[test]
fn a_client_over_grpc_submits_all_and_follows_them() {
    let service = Service::with_grpc(&[]);
    let address = service.grpc.expect("it was asked for");
    let output = Service::timeout()
        .arg("120")
        .arg(example("grpc_client"))
        .args([&format!("http://{address}"), "5"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("5 of 5 processed"), "{printed}");
    let page = get(service.http, "/orders");
    assert_eq!(page.text().lines().count(), 5);
}
