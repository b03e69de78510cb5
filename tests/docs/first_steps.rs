//! Blocks of commands without an output beside them: a start and what its
//! comment promises, back-pressure to watch, first looks of the runbook, flags
//! on other pages, configurations of Prometheus and NATS.

use std::fs;
use std::process::Command;

use crate::blocks::in_section;
use crate::commands::{addressed, shell};
use crate::harness::{Client, Directory, Service, eventually, until};
use crate::root;

const PROGRAM: &str = env!("CARGO_BIN_EXE_order-processor");

/// What a command prints.
#[track_caller]
fn printed(command: &str) -> String {
    let output = shell(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "$ {command}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// README.md's first command, in a release build there, is on the addresses and
/// the directory that stand beside it.
#[test]
fn a_start_without_flags_is_where_readme_says() {
    let [start, tests] = &in_section("README.md", "Run it", "sh")[..] else {
        panic!("two blocks");
    };
    assert!(tests.trim() == "tests/run" && root().join("tests/run").is_file());
    let want = "# HTTP on 127.0.0.1:8080, admin on 127.0.0.1:9090, gRPC on 127.0.0.1:50051,\n\
                # journal in ./data\n\
                cargo run --release";
    assert_eq!(start.trim(), want);
    let settings = printed(&format!("env -i {PROGRAM} config"));
    for (flag, value) in [
        ("listen", "127.0.0.1:8080"),
        ("admin-listen", "127.0.0.1:9090"),
        ("grpc-listen", "127.0.0.1:50051"),
        ("ledger", "journal"),
        ("data-dir", "./data"),
    ] {
        let words = |line: &str| line.split_whitespace().take(2).eq([flag, value]);
        assert!(settings.lines().any(words), "{flag} {value} in\n{settings}");
    }
    // It starts without any flag but those that keep it from these ports.
    Directory::new().start(&[]).drain();
}

/// Flags that other pages show are taken together.
#[test]
fn flags_are_those_of_the_program() {
    let mut run = 0;
    for (page, heading, language) in [
        ("docs/nats.md", "", "sh"),
        ("docs/access.md", "Client addresses", "bash"),
    ] {
        for block in in_section(page, heading, language) {
            let command = block.replacen("order-processor", &format!("{PROGRAM} config"), 1);
            let settings = printed(&command);
            assert!(settings.contains(" --"), "{page}: {settings}");
            run += 1;
        }
    }
    assert_eq!(run, 2);
}

/// docs/operations.md's demonstration, with less of it: a queue that fills.
#[test]
fn back_pressure_can_be_watched() {
    let blocks = in_section("docs/operations.md", "Watch backpressure", "sh");
    let [demonstration, without_wrk] = &blocks[..] else {
        panic!("two blocks");
    };
    let [start, load, watch] = demonstration.lines().collect::<Vec<_>>()[..] else {
        panic!("three commands");
    };
    let flags = start.strip_prefix("cargo run --release -- ").unwrap();
    let service = Service::start(&flags.split(' ').collect::<Vec<_>>());
    let shorter = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        addressed(&text.replace(from, to), &service)
    };
    // Beside the load the queue is full, and behind it there is space again.
    let few = |from| shorter(without_wrk, "seq 1 1000", from);
    let mut running = Command::new("bash")
        .args(["-c", &shorter(load, "-d10s", "-d4s")])
        .spawn()
        .expect("tests/run installs wrk");
    until("an order is refused", || {
        printed(&few("seq 1 10")).contains(" 503\n")
    });
    assert!(running.wait().expect("it ends").success());
    until("an order is taken", || {
        printed(&few("seq 11 20")).contains(" 202\n")
    });

    let watch = watch.strip_prefix("watch -n1 \"").unwrap();
    let watch = addressed(watch.strip_suffix('"').unwrap(), &service);
    let figures = eventually("the queue is empty", || {
        let figures = printed(&watch);
        figures.contains("queue_depth 0\n").then_some(figures)
    });
    for name in [
        "accepted",
        "processed",
        "failed",
        "rejected{reason=\"full\"}",
    ] {
        assert!(
            figures.contains(&format!("orders_{name} ")),
            "{name} in\n{figures}"
        );
    }
    service.settled();
}

/// docs/runbook.md's first looks, and its looks for failed orders and for who holds
/// connections; docs/clients.md's order by curl.
#[test]
fn first_looks_show_what_they_are_for() {
    let directory = Directory::new();
    let service = directory.start_with_grpc(&[]);
    let [order] = &in_section("docs/clients.md", "Command line", "sh")[..] else {
        panic!("one order");
    };
    assert!(printed(&addressed(order, &service)).contains("\"status\":\"processed\""));
    let failing = r#"curl -s -d '{"id":"ord-009","value":-9}' localhost:8080/submit"#;
    printed(&addressed(failing, &service));

    // The first block of the page, or of the section.
    let commands = |heading| in_section("docs/runbook.md", heading, "sh").remove(0);
    let (looks, failed) = (commands(""), commands("OrdersFailing"));
    let holders = commands("OrdersConnectionsNearLimit");
    let shown = printed(&addressed(&looks, &service));
    for part in ["ready", "\"orders_processed\":1", "\norders_failed 1\n"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let shown = printed(&addressed(&failed, &service));
    assert!(
        shown.starts_with("{\"seq\":2,\"id\":\"ord-009\",\"status\":\"failed\""),
        "{shown}"
    );
    let held = Client::to(service.http);
    let port = format!(":{} ", service.http.port());
    let shown = printed(&holders.replace(":8080 ", &port));
    assert_eq!(shown.trim(), "1 127.0.0.1", "who holds connections");
    drop(held);
    service.drain();
}

/// The scrape configuration of docs/operations.md, beside the rules.
#[test]
fn prometheus_takes_the_configuration() {
    let [configuration] = &in_section("docs/operations.md", "Metrics and alerts", "yaml")[..]
    else {
        panic!("one configuration");
    };
    let directory = Directory::new();
    fs::create_dir_all(&directory.0).unwrap();
    fs::write(directory.0.join("prometheus.yml"), configuration).unwrap();
    let rules = root().join("k8s/monitoring/rules.yaml");
    fs::copy(rules, directory.0.join("rules.yaml")).unwrap();
    let promtool = Command::new("promtool")
        .args(["check", "config", "prometheus.yml"])
        .current_dir(&directory.0)
        .output()
        .expect("tests/run installs it");
    let said = String::from_utf8_lossy(&promtool.stdout);
    assert!(
        promtool.status.success() && said.contains("rules found"),
        "{said}"
    );
}

/// The server's setting in docs/nats.md.
#[test]
fn nats_server_takes_the_configuration() {
    let blocks = in_section("docs/nats.md", "", "text");
    let [setting] = &blocks[..] else {
        panic!("one setting");
    };
    let directory = Directory::new();
    fs::create_dir_all(&directory.0).unwrap();
    let file = directory.0.join("nats.conf");
    fs::write(&file, setting).unwrap();
    let server = Command::new(root().join("target/test-python/bin/nats-server"))
        .args(["-t", "-c"])
        .arg(&file)
        .output()
        .expect("tests/run installs it");
    let said = String::from_utf8_lossy(&server.stderr);
    assert!(server.status.success(), "{said}");
    assert!(setting.contains("sync_interval: always"));
}
