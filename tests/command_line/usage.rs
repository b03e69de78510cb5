//! Bad usage, and where a flag's value comes from.

use crate::harness::{BASE_FLAGS, Service, post, until};
use crate::usage_error;

#[test]
fn a_bad_value_is_named_by_its_flag() {
    for (flag, value) in [
        ("--listen", "8080"),
        ("--listen", "example.com:80"),
        ("--admin-listen", "nowhere"),
        ("--http-engine", "apache"),
        ("--ack", "never"),
        ("--ack-timeout", "30"),
        ("--ack-timeout", "2h"),
        ("--queue-capacity", "0"),
        ("--queue-capacity", "-1"),
        ("--queue-bytes", "64"),
        ("--workers", "0"),
        ("--workers", "many"),
        ("--pin", "1-0"),
        ("--processor", "magic"),
        ("--simulate", "2s..1s"),
        ("--max-value", "0"),
        ("--drain-timeout", "0s"),
        ("--max-body", "1MiB1"),
        ("--max-connections", "1e6"),
        ("--overload-status", "500"),
        ("--log-format", "xml"),
        ("--log-level", "loud"),
        ("--queue-capacity", "9\n9"),
    ] {
        let line = usage_error(&[flag, value], &[]);
        assert!(line.contains(flag), "{line}");
        let variable = format!("ORDERS_{}", flag[2..].to_uppercase().replace('-', "_"));
        let line = usage_error(&[], &[(&variable, value)]);
        assert!(line.contains(&variable), "{line}");
    }
}

#[test]
fn bad_words_are_named() {
    for (flags, named) in [
        (&["--queue-capasity", "5"][..], "--queue-capasity"),
        (&["--queue-capacity"], "--queue-capacity"),
        (&["--workers", "1", "--workers", "2"], "--workers"),
        (&["eat"], "eat"),
        (
            &["--listen", "127.0.0.1:7", "--admin-listen", "127.0.0.1:7"],
            "--admin-listen",
        ),
        (
            &["--max-body", "1MiB", "--body-bytes", "1KiB"],
            "--body-bytes",
        ),
    ] {
        let line = usage_error(flags, &[]);
        assert!(line.contains(named), "{line}");
    }
}

/// What is typed wrongly is said as what it is.
#[test]
fn words_that_are_no_flags_are_said_to_be_unexpected() {
    let run = |words: &[&str]| {
        let output = Service::command().args(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = run(&["serve", "extra"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("extra: unexpected"), "{text}");
    let (code, text) = run(&["help"]);
    assert_eq!(code, Some(0));
    assert_eq!(text, run(&["--help"]).1);
    let (code, text) = run(&["simulate"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("simulate: no such command"), "{text}");
}

#[test]
fn variables_are_flags_and_flags_win() {
    let mut command = Service::command();
    command
        .arg("serve")
        .args(BASE_FLAGS)
        .args(["--max-value", "10"]);
    command.envs([
        ("ORDERS_QUEUE_CAPACITY", "17"),
        ("ORDERS_MAX_VALUE", "1000"),
        ("ORDERS_SERVICE_HOST", "10.0.0.1"), // as Kubernetes sets it
        ("ORDERS_LOG_FORMAT", "json"),
        ("ORDERS_LOG_LEVEL", "debug"),
    ]);
    let service = Service::launch(command);
    assert_eq!(service.figures().get("queue_capacity"), 17.0);
    post(service.http, "", r#"{"id":"a","value":11}"#).problem(422);
    for line in service.drain().log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON, line by line");
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
        // Libraries are not logged at this level.
        let target = line["target"].as_str().expect("a target");
        assert!(target.starts_with("order_processor"), "{line}");
    }
}

/// A variable that is no flag's is a warning, and bad usage if so wished.
#[test]
fn an_unknown_variable_is_said() {
    let mut command = Service::command();
    command.args(BASE_FLAGS).env("ORDERS_WORKER", "2");
    let service = Service::launch(command);
    let line = "WARN ORDERS_WORKER: no such variable (did you mean ORDERS_WORKERS?)";
    until("said", || service.log().contains(line));
    service.drain();
    let mut command = Service::command();
    command.args(BASE_FLAGS).arg("--strict-env");
    let output = command.env("ORDERS_WORKER", "2").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("did you mean ORDERS_WORKERS?"), "{text}");
}
