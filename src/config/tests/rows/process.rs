//! What the process does with an order, its threads, its log.

use crate::config::tests::rows::Row;

pub(super) const ROWS: &[Row] = &[
    (
        "processor",
        &[
            ("rules", "processor: Rules"),
            ("simulate", "processor: Simulate"),
        ],
        &["", "rule"],
    ),
    (
        "simulate",
        &[
            (
                "0ms..0ms",
                "delay_min: 0ns, delay_max: 0ns, fail_ratio: 0.0",
            ),
            (
                "1s..1h,fail=1",
                "delay_min: 1s, delay_max: 3600s, fail_ratio: 1.0",
            ),
            (
                "1ms..2ms,fail=0.25",
                "delay_min: 1ms, delay_max: 2ms, fail_ratio: 0.25",
            ),
        ],
        &[
            "",
            "100ms",
            "2s..1s",
            "1..2",
            "1s..61m",
            "1s..2s,fail=1.1",
            "1s..2s,fail=-0.1",
            "1s..2s,fail=nan",
            "1s..2s,fail=",
            "1s..2s,fail=.",
            "1s..2s,0.1",
            "1s..2s,fail=0.1,x",
        ],
    ),
    (
        "max-value",
        &[
            ("1000", "max_value: Some(1000)"),
            ("0.01", "max_value: Some(0.01)"),
            (
                "9999999999999999999999999999",
                "max_value: Some(9999999999999999999999999999)",
            ),
        ],
        &[
            "",
            "0",
            "0.00",
            "-1",
            "+1",
            "1e3",
            ".5",
            "5.",
            "1_000",
            "NaN",
            "99999999999999999999999999999",
        ],
    ),
    (
        "workers",
        &[
            ("auto", "workers: None"),
            ("1", "workers: Some(1)"),
            ("1024", "workers: Some(1024)"),
        ],
        &["", "0", "1025", "-1", "all", "Auto"],
    ),
    (
        "io-threads",
        &[
            ("auto", "io_threads: None"),
            ("1", "io_threads: Some(1)"),
            ("256", "io_threads: Some(256)"),
        ],
        &["", "0", "257", "all"],
    ),
    (
        "pin",
        &[
            ("auto", "pin: Auto"),
            ("off", "pin: Off"),
            ("0,2-5", "pin: Cores([0, 2, 3, 4, 5])"),
            ("7", "pin: Cores([7])"),
            ("1023,3", "pin: Cores([1023, 3])"),
        ],
        &[
            "",
            "on",
            "0,",
            "5-2",
            "1024",
            "0-1024",
            "0,0",
            "1-3,2",
            "-1",
            "0-",
            "a",
            "0-18446744073709551615",
        ],
    ),
    (
        "strict-env",
        &[("true", "strict_env: true"), ("false", "strict_env: false")],
        &["yes", "1"],
    ),
    (
        "log-format",
        &[("text", "log_format: Text"), ("json", "log_format: Json")],
        &["", "xml"],
    ),
    (
        "access-log",
        &[("off", "Off"), ("errors", "Errors"), ("all", "All")],
        &["", "some"],
    ),
    (
        "log-level",
        &[
            ("error", "Error"),
            ("warn", "Warn"),
            ("info", "Info"),
            ("debug", "Debug"),
            ("trace", "Trace"),
        ],
        &["", "off", "INFO"],
    ),
];
