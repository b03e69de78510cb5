//! What runs beside `serve`: limits, config, health, man page, completions.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use crate::harness::Service;
use crate::{run, usage_error};

#[test]
fn help_and_version_go_to_standard_output() {
    let help = run(&["--help"], &[]);
    assert_eq!((help.status.code(), help.stderr.len()), (Some(0), 0));
    let text = String::from_utf8(help.stdout).unwrap();
    for shown in [
        "--listen",
        "127.0.0.1:8080",
        "127.0.0.1:9090",
        "--ack-timeout",
        "30s",
        "65536",
        "64KiB",
        "--drain-timeout",
        "25s",
        "ORDERS_QUEUE_CAPACITY",
        "Exit codes",
    ] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    let version = run(&["--version"], &[]);
    let text = String::from_utf8(version.stdout).unwrap();
    assert_eq!(
        text.trim(),
        format!("order-processor {}", env!("CARGO_PKG_VERSION"))
    );
}

/// What `limits` says, with variables.
fn limits(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(&[&["limits"], flags].concat(), variables);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn limits_sums_up_the_memory_for_flags_and_variables() {
    let table = limits(&["--queue-bytes", "1GiB"], &[("ORDERS_BODY_BYTES", "2GiB")]);
    for (term, mib) in [
        ("--queue-bytes ", " 1024 MiB"),
        ("--body-bytes ", " 2048 MiB"),
    ] {
        let mut lines = table.lines();
        let line = lines.find(|line| line.starts_with(term)).expect(term);
        assert!(line.ends_with(mib), "{table}");
    }
    let json = limits(&["--format", "json"], &[]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let terms = json["terms"].as_array().unwrap();
    let sum: u64 = terms
        .iter()
        .map(|term| term["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(json["bytes"], sum);
    let line = usage_error(&["limits", "--format", "xml"], &[]);
    assert!(line.contains("--format"), "{line}");
    let line = usage_error(&["limits", "--queue-capacity", "0"], &[]);
    assert!(line.contains("--queue-capacity"), "{line}");
}

/// The manifests give what their variables let clients take, and half as much
/// again.
#[test]
fn a_pod_has_the_memory_that_its_variables_allow() {
    for manifest in ["deploy", "nats"] {
        let path = format!("{}/k8s/{manifest}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let variables: Vec<_> = lines
            .windows(2)
            .filter_map(|pair| {
                let name = pair[0].strip_prefix("- name: ORDERS_")?;
                let value = pair[1].strip_prefix("value: ")?.trim_matches('"');
                Some((format!("ORDERS_{name}"), value))
            })
            // Files that only the pod has.
            .filter(|(name, _)| !name.ends_with("_FILE") && name != "ORDERS_NATS_USER")
            .collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        assert!(variables.len() > 5, "{variables:?}");
        let (_, below) = text.split_once(" limits:\n").expect("a pod has limits");
        let (_, limit) = below.split_once("memory: ").unwrap();
        let (mib, _) = limit.split_once("Mi\n").expect("in MiB");
        let limit = mib.parse::<u64>().unwrap() << 20;
        let json = limits(&["--format", "json", "--workers", "1"], &variables);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let needed = json["bytes"].as_u64().unwrap();
        assert!(
            limit >= needed + needed / 2,
            "{manifest}: {limit} for {needed}"
        );
    }
}

#[test]
fn the_settings_in_force_are_printed_with_their_source() {
    let variables = [("ORDERS_WORKERS", "3")];
    let text = run(&["config", "--max-body", "1KiB"], &variables);
    assert_eq!((text.status.code(), text.stderr.len()), (Some(0), 0));
    let text = String::from_utf8(text.stdout).unwrap();
    for (flag, value, source) in [
        ("max-body", "1KiB", "--max-body"),
        ("workers", "3", "ORDERS_WORKERS"),
        ("queue-capacity", "65536", "default"),
    ] {
        let words = [flag, value, source];
        let line = text.lines().find(|line| line.starts_with(flag)).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), words);
    }
    let json = run(&["config", "--format=json"], &variables).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["workers"]["source"], "ORDERS_WORKERS");
    assert_eq!(json["drain-timeout"]["value"], "25s");

    // What the service would warn of is said here, too.
    let mistyped = [("ORDERS_WORKER", "3")];
    for command in ["config", "limits"] {
        let output = run(&[command], &mistyped);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("did you mean ORDERS_WORKERS?"), "{said}");
    }
    assert!(usage_error(&["config", "--strict-env"], &mistyped).contains("ORDERS_WORKER: no such"));

    let line = usage_error(&["config", "--workers", "none"], &[]);
    assert!(line.contains("--workers none"), "{line}");
}

#[test]
fn a_service_is_asked_whether_it_is_alive_and_ready() {
    let service = Service::start(&[]);
    let admin = service.admin.to_string();
    let health = |more: &[&str]| run(&[&["health", "--admin-listen", &admin], more].concat(), &[]);
    assert_eq!(health(&[]).status.code(), Some(0));
    assert_eq!(health(&["--ready"]).status.code(), Some(0));
    service.drain();
    let gone = health(&[]);
    assert_eq!(gone.status.code(), Some(1));
    let said = String::from_utf8(gone.stderr).unwrap();
    assert!(said.contains(&format!("/healthz on {admin}: ")), "{said}");
}

#[test]
fn a_service_that_does_not_answer_is_not_healthy() {
    // Connections are taken by the kernel, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap().to_string();
    let hangs = run(&["health", "--admin-listen", &admin], &[]);
    assert_eq!(hangs.status.code(), Some(1));
    let said = String::from_utf8(hangs.stderr).unwrap();
    assert!(said.contains(": no answer within 2 s"), "{said}");
}

#[test]
fn any_other_status_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
        let asked = head.next().unwrap().unwrap();
        let reply = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        std::io::Write::write_all(&mut stream, reply.as_bytes()).unwrap();
        asked
    });
    let unready = run(&["health", "--ready", "--admin-listen", &admin], &[]);
    assert_eq!(answering.join().unwrap(), "GET /readyz HTTP/1.1");
    assert_eq!(unready.status.code(), Some(1));
    let said = String::from_utf8(unready.stderr).unwrap();
    assert!(said.contains("503 Service Unavailable"), "{said}");
}

#[test]
fn man_page_and_completions_go_to_standard_output() {
    for words in [&["man"][..], &["completions", "bash"]] {
        let output = run(words, &[]);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
        assert!(String::from_utf8(output.stdout).unwrap().contains("queue"));
    }
    let line = usage_error(&["completions", "tcsh"], &[]);
    assert!(line.contains("bash, fish, zsh"), "{line}");
}
