//! The command line as an operator meets it: every flag, every error, by flag and by variable.

mod errors;
mod flags;
mod help;
mod relations;
mod rows;
mod variables;

use crate::config::{Config, UsageError};

/// Parses flags alone.
fn flags(flags: &[&str]) -> Result<Config, UsageError> {
    with(flags, &[])
}

/// Parses flags and variables.
fn with(flags: &[&str], env: &[(&str, &str)]) -> Result<Config, UsageError> {
    Config::parse_from(["order-processor"].iter().chain(flags), env.iter().copied())
}

/// The line of an error, which must be one line with exit code 2.
#[track_caller]
fn line(parsed: Result<Config, UsageError>) -> String {
    let error = parsed.expect_err("the test expects bad usage");
    assert_eq!(error.exit_code(), 2, "{error}");
    let line = error.line();
    assert!(!line.contains('\n'), "{line:?}");
    line
}
