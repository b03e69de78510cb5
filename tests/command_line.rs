//! Flags, variables and exit codes, as the process that starts the service sees
//! them.

mod harness;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use harness::{BASE_FLAGS, Service, get, on_both_engines, post, until};

on_both_engines!(a_port_in_use);

/// Runs the binary to its end.
fn run(flags: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Service::command();
    command.args(flags).envs(variables.iter().copied());
    command.output().expect("it runs")
}

/// Runs it and returns the one line of bad usage on standard error.
#[track_caller]
fn usage_error(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(flags, variables);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "{flags:?} {variables:?}: {text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("order-processor: "), "{text}");
    assert!(output.stdout.is_empty(), "nothing was bound");
    text
}

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
fn a_core_that_is_not_there_is_bad_usage() {
    // Well formed, so that it is refused only after the log has started: the
    // last line tells.
    let mut command = Service::command();
    command.args(BASE_FLAGS).args(["--pin", "1023"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let last = text.lines().last().expect("a reason");
    assert!(last.contains("--pin") && last.contains("1023"), "{text}");
    assert!(output.stdout.is_empty(), "nothing was bound");
}

/// What the system refuses at the start, by strace(1) or a limit of the shell,
/// is said in one line.
#[test]
fn a_refused_start_is_said_in_a_line() {
    let strace = |call: &str, error: &str| {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e"]);
        command.arg(format!("trace={call}"));
        command.args(["-e", &format!("inject={call}:error={error}")]);
        command.arg(Service::command().get_program());
        command
    };
    // glibc starts a thread by `clone` where `clone3` is refused so.
    let no_threads = strace("clone,clone3", "EAGAIN");
    for (mut command, reason) in [
        (strace("epoll_create1", "EMFILE"), "can't create event_loop"),
        (strace("epoll_create1", "EPERM"), "can't create event_loop"),
        (strace("epoll_ctl", "ENOMEM"), "can't create event_loop"),
        (
            strace("eventfd2", "ENFILE"),
            "Too many open files in system",
        ),
        (strace("sched_getaffinity", "EPERM"), "affinity mask"),
        (no_threads, "can't watch signals"),
        (Service::command_after("ulimit -v 150000"), "can't "),
        (Service::command_after("ulimit -v 300000"), "can't "),
        (Service::command_after("ulimit -v 450000"), "can't "),
    ] {
        let output = command.args(BASE_FLAGS).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{reason}: {text}");
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.contains(" INFO "))
            .collect();
        assert_eq!(lines.len(), 1, "{reason}: {text}");
        assert!(lines[0].starts_with("order-processor: "), "{text}");
        assert!(lines[0].contains(reason), "{reason}: {text}");
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

#[test]
fn the_admin_port_can_be_off() {
    let mut child = Service::command()
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "off"])
        .args(["--ledger", "memory", "--grpc-listen", "off"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().expect("piped, above"));
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening http ");
    let address = address.and_then(|address| address.parse().ok());
    let reply = get(address.expect("an address"), "/healthz");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(std::io::read_to_string(out).unwrap(), "", "no other port");
}

fn a_port_in_use(engine: &str) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken
        .local_addr()
        .map(|address| (taken, address.to_string()));
    let (_taken, address) = taken.unwrap();
    /// Flags that put one port at an address and the others anywhere.
    fn ports<'a>(engine: &'a str, flag: &str, address: &'a str) -> Vec<&'a str> {
        let ports = ["--listen", "--admin-listen", "--grpc-listen"];
        let at = |port| if port == flag { address } else { "127.0.0.1:0" };
        let ports = ports.into_iter().flat_map(|port| [port, at(port)]);
        let others = ["--http-engine", engine, "--ledger", "memory"];
        ports.chain(others).collect()
    }
    for flag in ["--listen", "--admin-listen", "--grpc-listen"] {
        let output = run(&ports(engine, flag, &address), &[]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{flag}: {text}");
        // Threads that had started may still log beside it.
        let reason = text
            .lines()
            .find(|line| line.starts_with("order-processor: "))
            .unwrap_or_else(|| panic!("no reason in: {text}"));
        assert!(reason.contains(flag) && reason.contains(&address), "{text}");
        assert!(output.stdout.is_empty(), "no address is printed");
    }
    // Two instances don't share a port either, though the engine would let
    // them.
    let service = Service::on(engine, &[]);
    for (flag, address) in [
        ("--listen", service.http.to_string()),
        ("--admin-listen", service.admin.to_string()),
    ] {
        let flags = ports(engine, flag, &address);
        assert_eq!(run(&flags, &[]).status.code(), Some(1), "{flag}");
    }
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

/// Whoever reads the log as JSON can read why the start failed.
#[test]
fn a_fatal_error_is_in_the_format_of_the_log() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Service::command();
    command.args(&BASE_FLAGS[2..]).args(["--listen", &address]);
    let output = command.args(["--log-format", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let why = last["fields"]["message"].as_str().unwrap();
    assert!(why.contains(&address) && last["level"] == "ERROR", "{log}");
}
