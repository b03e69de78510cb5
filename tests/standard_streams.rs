//! Standard error that is full, closed, or read by nobody: the exit code and
//! the work stay what they would be.

mod harness;

use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use harness::{BASE_FLAGS, Client, PATIENCE, Service, order};

/// Bad usage and a failed start, by flags and exit codes.
const FAILURES: [(&[&str], i32); 4] = [
    (&["--no-such-flag"], 2),
    (&["--pin", "1023"], 2),
    (&["--listen", "203.0.113.1:81"], 1), // nobody has this address (RFC 5737)
    (&["journal", "verify", "--data-dir", "/nowhere"], 1),
];

fn with_flags(mut command: Command, flags: &[&str]) -> Command {
    if flags[0] != "journal" && flags[0] != "--listen" {
        command.args(BASE_FLAGS);
    } else if flags[0] == "--listen" {
        command.args(&BASE_FLAGS[2..]);
    }
    command.args(flags);
    command
}

#[test]
fn a_full_or_closed_standard_error_keeps_the_exit_code() {
    for (flags, code) in FAILURES {
        for shell in ["exec 2>/dev/full", "exec 2>&-", "exec >/dev/full 2>&1"] {
            let mut command = with_flags(Service::command_after(shell), flags);
            let status = command.stdout(Stdio::null()).status().unwrap();
            assert_eq!(status.code(), Some(code), "{flags:?} after {shell}");
        }
    }
}

#[test]
fn a_full_standard_output_is_said() {
    let command = Service::command_after("exec >/dev/full");
    let output = with_flags(command, &["--pin", "off"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("can't print the addresses"), "{text}");
}

/// A pipe without space for another byte.
fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let mut filled = 0;
    for piece in [&[b'.'; 4096][..], b"."] {
        loop {
            match writer.write(piece) {
                Ok(written) => filled += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer, filled)
}

/// Starts a service whose standard error nobody reads yet.
fn stalled() -> (Service, PipeReader, usize) {
    let (reader, writer, filled) = full_pipe();
    let mut command = Service::command();
    command.args(BASE_FLAGS).stderr(writer);
    (Service::launch_stalled(command), reader, filled)
}

#[test]
fn a_stalled_standard_error_delays_no_order_and_no_end() {
    let (service, _reader, _) = stalled();
    let mut client = Client::to(service.http);
    for number in 0..100 {
        service.signal(rustix::process::Signal::HUP); // a line each
        assert_eq!(client.ask(order(&format!("o-{number}"))).status, 201);
    }
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0));
}

/// Also two signals at once end it.
#[test]
fn a_stalled_standard_error_delays_no_second_signal() {
    let (service, _reader, _) = stalled();
    service.terminate();
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
}

/// An abort ends by its signal.
#[test]
fn a_stalled_standard_error_delays_no_abort() {
    let (service, _reader, _) = stalled();
    service.signal(rustix::process::Signal::ABORT);
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, None, "{ended:?}");
}

#[test]
fn what_waited_comes_out_in_order_once_it_is_read() {
    let (service, mut reader, filled) = stalled();
    let read = thread::spawn(move || {
        let mut log = Vec::new();
        reader.read_to_end(&mut log).map(|_| log)
    });
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0));
    let log = read.join().unwrap().unwrap();
    let log = String::from_utf8(log[filled..].to_vec()).unwrap();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} in {log}"));
    assert!(at("workers") < at("draining") && at("draining") < at("drained"));
    assert!(log.lines().last().unwrap().contains("drained"), "{log}");
}
