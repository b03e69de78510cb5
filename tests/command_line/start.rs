//! Starts that the system refuses, and ports.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::harness::{BASE_FLAGS, Service, get, on_both_engines};
use crate::run;

on_both_engines!(a_port_in_use);

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
    // It may have become ready meanwhile.
    let rest = std::io::read_to_string(out).unwrap();
    assert!(!rest.contains("listening"), "no other port: {rest}");
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
