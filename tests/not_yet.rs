//! What the contract names and this version doesn't have is refused, by flag
//! and by variable.

mod harness;

use harness::Service;

/// Runs the binary, which has to end with one line on standard error and exit
/// code 2.
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
    let line = refused(&["--token-file", "/dev/null"], &[]);
    assert!(line.contains("--token-file: no such flag"), "{line}");
    let line = refused(&[], &[("ORDERS_TOKEN_FILE", "/dev/null")]);
    let want = "ORDERS_TOKEN_FILE=/dev/null: is not in this version";
    assert!(line.contains(want), "{line}");
}
