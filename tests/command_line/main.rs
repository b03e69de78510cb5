//! Flags, variables, commands and exit codes, as the process that starts the
//! service sees them.

#[path = "../harness/mod.rs"]
mod harness;

mod commands;
mod start;
mod usage;

use std::process::Output;

use crate::harness::Service;

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
