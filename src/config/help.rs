//! `--help` on two screens: every flag with its unit and default, grouped by
//! what it is about. The man page has the whole text of each.

use clap::{Arg, ArgAction, Command};

/// Flags by what they are about. One that is in no group comes last.
const GROUPS: [(&str, &[&str]); 9] = [
    (
        "Ports",
        &[
            "listen",
            "admin-listen",
            "grpc-listen",
            "http-engine",
            "allowed-hosts",
            "allowed-origins",
        ],
    ),
    (
        "Ledger",
        &[
            "ledger",
            "data-dir",
            "dedupe-window",
            "retain-bytes",
            "retain-age",
            "commit-delay",
        ],
    ),
    (
        "Replies and drain",
        &["ack", "ack-timeout", "overload-status", "drain-timeout"],
    ),
    (
        "Processing",
        &[
            "processor",
            "simulate",
            "max-value",
            "workers",
            "io-threads",
            "pin",
        ],
    ),
    (
        "Access",
        &[
            "token-file",
            "protect-metrics",
            "tls-cert",
            "tls-key",
            "tls-client-ca",
            "trusted-proxies",
            "proxy-protocol",
            "client-rate",
        ],
    ),
    (
        "Limits",
        &[
            "queue-capacity",
            "queue-bytes",
            "max-body",
            "max-batch-body",
            "max-batch-orders",
            "max-batches",
            "body-bytes",
            "reply-bytes",
            "max-connections",
            "head-timeout",
            "body-timeout",
            "write-timeout",
            "idle-timeout",
        ],
    ),
    ("gRPC", &["grpc-max-connections", "grpc-max-streams"]),
    (
        "NATS",
        &["nats-stream", "nats-replicas", "nats-dedupe-window"],
    ),
    ("Log", &["log-format", "log-level", "access-log"]),
];
/// Flags that only the man page lists, and the line in place of NATS's.
const MAN_ONLY: [&str; 14] = [
    "client-burst",
    "client-inflight",
    "expect-ledger",
    "strict-env",
    "grpc-keepalive-interval",
    "grpc-keepalive-timeout",
    "nats-user",
    "nats-password-file",
    "nats-token-file",
    "nats-nkey-file",
    "nats-creds-file",
    "nats-tls-ca",
    "nats-tls-cert",
    "nats-tls-key",
];
const IN_THEIR_PLACE: &str = "  --nats-user, --nats-tls-ca, ...   Credentials and certificates, by files: see the man page\n";
/// Title of the flags in no group.
const OTHERS: &str = "Other";
/// Where the texts begin.
const TEXT_COLUMN: usize = 36;
const COLUMNS: usize = 108;

const HEAD: &str = "\
Takes orders, processes each, and answers when the outcome is committed

Usage: order-processor [serve] [FLAGS]      run the service
       order-processor config [FLAGS]       print the settings in force and where they come from
       order-processor limits [FLAGS]       print what memory the service may take with them
       order-processor health [FLAGS]       ask a running service whether it is alive; --ready
       order-processor journal COMMAND      verify, cat, backup, restore, salvage: journal --help
       order-processor token new NAME       print a new token and its line for --token-file
       order-processor man | completions SHELL
";
const FOOT: &str = "
Each flag is also a variable: --queue-capacity is ORDERS_QUEUE_CAPACITY. A flag wins over its
variable, the variable over the default. Times are written 250ms, 30s, 2m, 1h 30m or 7d; sizes 4096
(bytes), 64KiB, 1GiB or 10MB. The man page has the rest, --expect-ledger and
--strict-env among it: order-processor man | man -l -
Exit codes: 0 drained clean, 1 could not start or run, 2 bad usage, 3 the drain deadline passed, 4
the ledger failed for good.
";

/// The text of `--help` for these flags.
pub(super) fn text(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    let flags: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| arg.get_long().is_some())
        .collect();
    let named = |name: &str| {
        flags
            .iter()
            .copied()
            .find(|arg| arg.get_long() == Some(name))
    };
    for (title, names) in GROUPS {
        section(&mut text, title, names.iter().copied().filter_map(named));
        if title == "NATS" {
            text += IN_THEIR_PLACE;
        }
    }
    let others = flags.iter().copied().filter(|arg| {
        let name = arg.get_long().unwrap_or_default();
        let grouped = GROUPS.iter().any(|(_, names)| names.contains(&name));
        !grouped && !MAN_ONLY.contains(&name)
    });
    section(&mut text, OTHERS, others);
    text + FOOT
}

fn section<'a>(text: &mut String, title: &str, flags: impl Iterator<Item = &'a Arg>) {
    let mut flags = flags.peekable();
    if flags.peek().is_some() {
        *text += &format!("\n{title}\n");
    }
    for flag in flags {
        entry(text, flag);
    }
}

/// A flag, its value's name, the gist of its help, and its default.
fn entry(text: &mut String, flag: &Arg) {
    let mut line = format!("  --{}", flag.get_long().unwrap_or_default());
    let takes_value = matches!(flag.get_action(), ArgAction::Set | ArgAction::Append);
    if let (true, Some([value, ..])) = (takes_value, flag.get_value_names()) {
        line += &format!(" <{value}>");
    }
    // One space at least.
    line = format!("{line:<width$} ", width = TEXT_COLUMN - 1);
    let default = takes_value.then(|| {
        let values = flag.get_default_values().iter();
        let default: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        let default = default.join(",");
        let default = if default.is_empty() { "none" } else { &default };
        format!(" [default: {default}]")
    });
    let default = default.unwrap_or_default();
    let mut words = gist(flag);
    // Where it needs a second line, the first clause; a colon begins a list.
    if line.len() + words.len() + default.len() > COLUMNS && !words.contains(':') {
        words.truncate(words.find(", ").unwrap_or(words.len()));
    }
    words += &default;
    for word in words.split(' ') {
        if line.len() + word.len() > COLUMNS {
            *text += line.trim_end();
            text.push('\n');
            line = " ".repeat(TEXT_COLUMN);
        }
        line += word;
        line.push(' ');
    }
    *text += line.trim_end();
    text.push('\n');
}

/// The help up to its first semicolon or full stop, without parentheses.
fn gist(flag: &Arg) -> String {
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let mut help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    while let Some((start, length)) = help
        .find(" (")
        .and_then(|start| Some((start, help[start..].find(')')?)))
    {
        help.replace_range(start..=start + length, "");
    }
    let ends = ["; ", ". ", " [env", " [default"];
    let end = ends.iter().filter_map(|end| help.find(end)).min();
    help.truncate(end.unwrap_or(help.len()));
    help
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::command;

    #[test]
    fn help_fits_two_screens() {
        let text = text(&command());
        let lines = text.lines().count();
        assert!(lines < 100, "{lines} lines:\n{text}");
        let widest = text.lines().map(str::len).max();
        assert!(widest <= Some(COLUMNS), "{widest:?} columns:\n{text}");
    }

    #[test]
    fn every_name_in_the_lists_is_a_flag() {
        let command = command();
        let grouped = GROUPS.iter().flat_map(|(_, names)| names.iter());
        for name in grouped.chain(&MAN_ONLY) {
            let mut flags = command.get_arguments();
            assert!(flags.any(|flag| flag.get_long() == Some(name)), "{name}");
        }
    }

    #[test]
    fn each_flag_of_the_service_is_in_a_group() {
        let text = text(&command());
        assert!(!text.contains("\nOther\n"), "{text}");
    }
}
