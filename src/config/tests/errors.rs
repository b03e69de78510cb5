//! What an error says, word by word.

use crate::config::quantity::show_bytes;
use crate::config::tests::{flags, line};

#[track_caller]
fn assert_line(args: &[&str], want: &str) {
    assert_eq!(
        line(flags(args)),
        format!("order-processor: {want}"),
        "{args:?}"
    );
}

#[test]
fn lines_say_what_is_wrong_and_what_would_be_right() {
    for (args, want) in [
        (
            &["--queue-capacity", "0"][..],
            "--queue-capacity 0: must be between 1 and 16777216 orders",
        ),
        (
            &["--queue-capacity", "-1"],
            "--queue-capacity -1: must be between 1 and 16777216 orders",
        ),
        (
            &["--ack-timeout", "30"],
            "--ack-timeout 30: needs a unit: 30ms, 30s, 30m or 30h",
        ),
        (
            &["--drain-timeout", "0s"],
            "--drain-timeout 0s: must be between 1ms and 1h",
        ),
        (
            &["--max-body", "1GiB"],
            "--max-body 1GiB: must be between 64 bytes and 16MiB",
        ),
        (
            &["--http-engine", "x"],
            "--http-engine x: must be one of native, may_minihttp",
        ),
        (&["--pin", "0,0"], "--pin 0,0: lists core 0 twice"),
        (
            &["--workers", "x"],
            "--workers x: must be auto or a whole number",
        ),
        (
            &["--listen", "::1"],
            "--listen ::1: must be an address with a port, as in 127.0.0.1:8080 or [::1]:8080",
        ),
        (
            &["--ledger", "nats://a"],
            "--ledger nats://a: must be journal, memory or nats://HOST:PORT[,HOST:PORT…]",
        ),
        (
            &["--ack-timeout", "1x"],
            "--ack-timeout 1x: must be a number with a unit, as in 250ms, 30s, 2m or 1h",
        ),
        (
            &["--log-level", "a\nb\u{2028}"],
            "--log-level a\\nb\\u{2028}: must be one of error, warn, info, debug, trace",
        ),
    ] {
        assert_line(args, want);
    }
    let long = "9".repeat(100_000);
    assert!(line(flags(&["--workers", &long])).len() < 400);
}

#[test]
fn words_that_are_no_flags_and_values() {
    for (args, want) in [
        (&["--listen"][..], "--listen: needs a value"),
        (&["--listen", "--pin", "off"], "--listen: needs a value"),
        (
            &["--pin", "off", "--pin", "off"],
            "--pin: given more than once",
        ),
        (
            &["--pins", "off"],
            "--pins: no such flag (did you mean --pin?)",
        ),
        (&["-z"], "-z: no such flag"),
        (&["run"], "run: no such command; --help lists them"),
        (
            &["serv"],
            "serv: no such command (did you mean serve?); --help lists them",
        ),
        (
            &["serve", "more"],
            "more: unexpected: a flag begins with --, and a command is the first word",
        ),
    ] {
        assert_line(args, want);
    }
}

#[test]
fn sizes_are_shown_as_they_are_written() {
    for (bytes, want) in [
        (0, "0 bytes"),
        (63, "63 bytes"),
        (1024, "1KiB"),
        (1025, "1025 bytes"),
        (3 << 20, "3MiB"),
        (1 << 40, "1TiB"),
    ] {
        assert_eq!(show_bytes(bytes), want);
    }
}
