//! The examples, run against and as a service.

mod harness;

use std::path::PathBuf;
use std::process::Command;

use harness::{Client, Directory, PATIENCE, Service, get, post};

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

fn desk(directory: &Directory) -> Service {
    let mut command = Command::new(example("own_processor"));
    command.env("ORDERS_ALLOWED_HOSTS", "orders,o,a");
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--grpc-listen", "off", "--data-dir"]);
    command.arg(&directory.0);
    Service::launch(command)
}

fn spend(service: &Service, id: &str, value: &str) -> u16 {
    let order = format!(r#"{{"id":"{id}","value":{value},"account":"alice"}}"#);
    post(service.http, "", &order).status
}

#[test]
fn a_desk_knows_after_a_restart_what_was_spent() {
    let directory = Directory::new();
    let service = desk(&directory);
    assert_eq!(spend(&service, "a-1", "600.10"), 201);
    assert_eq!(spend(&service, "a-2", "600"), 422);
    assert_eq!(spend(&service, "a-3", "\"2e2\""), 201);
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("recovered"), "{}", ended.log);
    assert!(!ended.log.contains("may::"), "{}", ended.log);

    let service = desk(&directory);
    assert_eq!(spend(&service, "a-4", "199.91"), 422, "a cent too much");
    assert_eq!(spend(&service, "a-5", "199.90"), 201);
    assert_eq!(
        post(service.http, "", r#"{"id":"x","value":1}"#).status,
        422
    );
    service.terminate();
    assert_eq!(service.wait(PATIENCE).code, Some(0));
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
