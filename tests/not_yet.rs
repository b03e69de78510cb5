//! What the contract names and this version doesn't have is refused, by flag and by variable.

mod harness;

use harness::Service;

/// Runs the binary, which has to end with one line on standard error and exit code 2.
#[track_caller]
fn refused(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let output = Service::command()
        .args(flags)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn flags_of_later_versions_are_refused() {
    for (flag, value) in [
        ("--token-file", "/dev/null"),
        ("--nats-stream", "ORDERS"),
        ("--nats-replicas", "1"),
        ("--nats-dedupe-window", "2m"),
    ] {
        let line = refused(&[flag, value], &[]);
        assert!(line.contains(&format!("{flag}: no such flag")), "{line}");
        let variable = format!("ORDERS_{}", flag[2..].to_uppercase().replace('-', "_"));
        let line = refused(&[], &[(&variable, value)]);
        let want = format!("{variable}={value}: is not in this version");
        assert!(line.contains(&want), "{line}");
    }
}

#[test]
fn a_ledger_of_a_later_version_is_refused() {
    let ledger = "nats://127.0.0.1:4222";
    for line in [
        refused(&["--ledger", ledger], &[]),
        refused(&[], &[("ORDERS_LEDGER", ledger)]),
    ] {
        assert!(line.contains(ledger), "{line}");
        assert!(line.contains("must be one of journal, memory"), "{line}");
    }
}
