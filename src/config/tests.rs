//! Every flag with values that pass and values that don't, by flag and by variable.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use crate::config::parse::{command, parse, variable};

use super::*;

/// Parses flags alone.
fn flags(flags: &[&str]) -> Result<Config, UsageError> {
    with(flags, &[])
}

/// Parses flags and variables.
fn with(flags: &[&str], env: &[(&str, &str)]) -> Result<Config, UsageError> {
    Config::parse_from(["order-processor"].iter().chain(flags), env.iter().copied())
}

/// Parses flags and variables as a version would that refuses none.
fn whole(flags: &[&str], env: &[(&str, &str)]) -> Result<Config, UsageError> {
    let args = ["order-processor"]
        .iter()
        .chain(flags)
        .map(OsString::from)
        .collect();
    let env = env
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    parse(args, &env, &[])
}

/// The line of an error, which must be one line with exit code 2.
fn line(parsed: Result<Config, UsageError>) -> String {
    let error = parsed.expect_err("the test expects bad usage");
    assert_eq!(error.exit_code(), 2, "{error}");
    let line = error.line();
    assert!(!line.contains('\n'), "{line:?}");
    line
}

#[test]
fn defaults() {
    let config = Config::default();
    let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let seconds = Duration::from_secs;
    let want = Config {
        listen: at("127.0.0.1:8080"),
        admin_listen: Some(at("127.0.0.1:9090")),
        grpc_listen: Some(at("127.0.0.1:50051")),
        http_engine: HttpEngine::Native,
        data_dir: "./data".into(),
        ledger: Ledger::Journal,
        ack: Ack::Committed,
        ack_timeout: seconds(30),
        queue_capacity: 65_536,
        queue_bytes: 256 << 20,
        workers: None,
        io_threads: None,
        pin: Pin::Auto,
        processor: Processor::Rules,
        simulate: Simulate {
            delay_min: Duration::from_millis(100),
            delay_max: Duration::from_millis(600),
            fail_ratio: 0.1,
        },
        max_value: None,
        dedupe_window: 4_000_000,
        drain_timeout: seconds(25),
        max_body: 64 << 10,
        max_batch_body: 64 << 20,
        max_batch_orders: 100_000,
        max_batches: 16,
        body_bytes: 256 << 20,
        max_connections: 10_000,
        head_timeout: seconds(10),
        body_timeout: seconds(30),
        write_timeout: seconds(30),
        idle_timeout: seconds(60),
        grpc_max_connections: 1000,
        grpc_max_streams: 256,
        grpc_keepalive_interval: seconds(30),
        grpc_keepalive_timeout: seconds(10),
        overload_status: OverloadStatus::ServiceUnavailable,
        token_file: None,
        retain_bytes: None,
        nats_stream: "ORDERS".to_owned(),
        nats_replicas: 1,
        nats_dedupe_window: seconds(120),
        log_format: LogFormat::Text,
        log_level: LogLevel::Info,
    };
    assert_eq!(config, want);
    assert_eq!(flags(&["serve"]).expect("serve is the default"), want);
}

/// Flag, values that pass and what shows them in the parsed `Config`'s `Debug` text, values that
/// don't. Flags with a relation to another one come with what keeps it.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const TIMES_BAD: &[&str] = &[
    "",
    "0ms",
    "0s",
    "30",
    "1.5s",
    "-1s",
    "61m",
    "3600001ms",
    "s",
    "5 s",
    "5S",
    "1d",
    "99999999999999999999h",
];
const COUNTS_BAD: &[&str] = &[
    "",
    "0",
    "-1",
    "+1",
    "1.5",
    "x",
    "1k",
    "99999999999999999999999",
];

const ROWS: &[Row] = &[
    (
        "listen",
        &[
            ("0.0.0.0:0", "listen: 0.0.0.0:0"),
            ("[::1]:8081", "listen: [::1]:8081"),
            ("localhost:8082", ":8082"),
        ],
        &[
            "",
            "off",
            "8080",
            ":8080",
            "127.0.0.1",
            "::1",
            "127.0.0.1:65536",
            "example.org:80",
            "localhost:",
            "localhost:+1",
        ],
    ),
    (
        "admin-listen",
        &[
            ("off", "admin_listen: None"),
            ("127.0.0.1:0", "admin_listen: Some(127.0.0.1:0)"),
        ],
        &["", "no", "9090"],
    ),
    (
        "grpc-listen",
        &[
            ("off", "grpc_listen: None"),
            ("[::]:50051", "grpc_listen: Some([::]:50051)"),
        ],
        &["", "on", "50051"],
    ),
    (
        "http-engine",
        &[("native", "Native"), ("may_minihttp", "MayMinihttp")],
        &["", "may-minihttp", "Native"],
    ),
    (
        "data-dir",
        &[("/srv/orders", "data_dir: \"/srv/orders\"")],
        &[""],
    ),
    (
        "ledger",
        &[
            ("memory", "ledger: Memory"),
            ("journal", "ledger: Journal"),
            (
                "nats://a:4222,[::1]:4223,10.0.0.1:1",
                "ledger: Nats([\"a:4222\", \"[::1]:4223\", \"10.0.0.1:1\"])",
            ),
        ],
        &[
            "",
            "disk",
            "nats://",
            "nats://a",
            "nats://a:0",
            "nats://a:4222,",
            "nats://::1:4222",
            "nats://[x]:1",
            "nats://a b:1",
            "nats://:1",
        ],
    ),
    (
        "ack",
        &[("committed", "ack: Committed"), ("queued", "ack: Queued")],
        &["", "none"],
    ),
    (
        "ack-timeout",
        &[
            ("1ms", "ack_timeout: 1ms"),
            ("1h", "ack_timeout: 3600s"),
            ("2m", "ack_timeout: 120s"),
        ],
        TIMES_BAD,
    ),
    (
        "queue-capacity",
        &[
            ("1", "queue_capacity: 1,"),
            ("16777216", "queue_capacity: 16777216,"),
        ],
        &["", "0", "16777217", "-1", "+1", "1e3", "64KiB"],
    ),
    (
        "queue-bytes",
        &[
            ("64KiB", "queue_bytes: 65536,"),
            ("1TiB", "queue_bytes: 1099511627776,"),
            ("10MB", "queue_bytes: 10000000,"),
            ("70KB", "queue_bytes: 70000,"),
            ("65536", "queue_bytes: 65536,"),
            ("65536B", "queue_bytes: 65536,"),
        ],
        &[
            "",
            "0",
            "63",
            "65535",
            "2TiB",
            "1099511627777",
            "64K",
            "64kib",
            "64 KiB",
            "1.5GiB",
            "-1",
            "99999999999999999999",
            "99999999999GiB",
            // One GiB, were the product to wrap.
            "17179869185GiB",
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
        "dedupe-window",
        &[
            ("1", "dedupe_window: 1,"),
            ("1000000000", "dedupe_window: 1000000000,"),
        ],
        COUNTS_BAD,
    ),
    (
        "drain-timeout",
        &[
            ("1ms", "drain_timeout: 1ms"),
            ("1h", "drain_timeout: 3600s"),
        ],
        TIMES_BAD,
    ),
    (
        "max-body",
        &[("64", "max_body: 64,"), ("16MiB", "max_body: 16777216,")],
        &["", "63", "0", "16777217", "17MiB", "x"],
    ),
    (
        "max-batch-body",
        &[
            ("64KiB", "max_batch_body: 65536,"),
            ("64GiB", "max_batch_body: 68719476736,"),
        ],
        &["", "63", "65GiB", "65535", "x"],
    ),
    (
        "max-batch-orders",
        &[
            ("1", "max_batch_orders: 1,"),
            ("10000000", "max_batch_orders: 10000000,"),
        ],
        COUNTS_BAD,
    ),
    (
        "max-batches",
        &[("1", "max_batches: 1,"), ("1024", "max_batches: 1024,")],
        &["", "0", "1025"],
    ),
    (
        "body-bytes",
        &[
            ("64KiB", "body_bytes: 65536,"),
            ("1TiB", "body_bytes: 1099511627776,"),
        ],
        &["", "0", "65535", "2TiB"],
    ),
    (
        "max-connections",
        &[
            ("1", "max_connections: 1,"),
            ("1000000", "max_connections: 1000000,"),
        ],
        &["", "0", "1000001"],
    ),
    (
        "head-timeout",
        &[("1ms", "head_timeout: 1ms"), ("1h", "head_timeout: 3600s")],
        TIMES_BAD,
    ),
    (
        "body-timeout",
        &[("1ms", "body_timeout: 1ms"), ("1h", "body_timeout: 3600s")],
        TIMES_BAD,
    ),
    (
        "write-timeout",
        &[
            ("1ms", "write_timeout: 1ms"),
            ("1h", "write_timeout: 3600s"),
        ],
        TIMES_BAD,
    ),
    (
        "idle-timeout",
        &[("1ms", "idle_timeout: 1ms"), ("1h", "idle_timeout: 3600s")],
        TIMES_BAD,
    ),
    (
        "grpc-max-connections",
        &[
            ("1", "grpc_max_connections: 1,"),
            ("1000000", "grpc_max_connections: 1000000,"),
        ],
        &["", "0", "1000001"],
    ),
    (
        "grpc-max-streams",
        &[
            ("1", "grpc_max_streams: 1,"),
            ("65536", "grpc_max_streams: 65536,"),
        ],
        &["", "0", "65537"],
    ),
    (
        "grpc-keepalive-interval",
        &[
            ("1s", "grpc_keepalive_interval: 1s"),
            ("1h", "grpc_keepalive_interval: 3600s"),
        ],
        &["", "999ms", "0s", "61m", "30"],
    ),
    (
        "grpc-keepalive-timeout",
        &[
            ("1ms", "grpc_keepalive_timeout: 1ms"),
            ("1h", "grpc_keepalive_timeout: 3600s"),
        ],
        TIMES_BAD,
    ),
    (
        "overload-status",
        &[("503", "ServiceUnavailable"), ("429", "TooManyRequests")],
        &["", "500", "-429"],
    ),
    (
        "token-file",
        &[("/run/tokens", "token_file: Some(\"/run/tokens\")")],
        &[""],
    ),
    (
        "retain-bytes",
        &[("1MiB", "retain_bytes: Some(1048576)")],
        &["", "0", "1048575", "none"],
    ),
    (
        "nats-stream",
        &[("a_B-9", "nats_stream: \"a_B-9\"")],
        &["", "a.b", "a b", "*", ">", "a/b"],
    ),
    (
        "nats-replicas",
        &[("1", "nats_replicas: 1"), ("5", "nats_replicas: 5")],
        &["", "0", "6"],
    ),
    (
        "nats-dedupe-window",
        &[
            ("100ms", "nats_dedupe_window: 100ms"),
            ("24h", "nats_dedupe_window: 86400s"),
        ],
        &["", "99ms", "25h", "120"],
    ),
    (
        "log-format",
        &[("text", "log_format: Text"), ("json", "log_format: Json")],
        &["", "xml"],
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

#[test]
fn every_flag_by_flag_and_by_variable() {
    for (flag, good, bad) in ROWS {
        let (dashed, name) = (format!("--{flag}"), variable(flag));
        for (value, shown) in *good {
            for parsed in [
                whole(&[&dashed, value], &[]),
                whole(&[&format!("{dashed}={value}")], &[]),
                whole(&["serve"], &[(&name, value)]),
            ] {
                let text = format!(
                    "{:?}",
                    parsed.unwrap_or_else(|e| panic!("{flag} {value}: {e}"))
                );
                assert!(text.contains(shown), "{flag} {value}: no {shown} in {text}");
            }
        }
        for value in *bad {
            let by_flag = line(whole(&[&format!("{dashed}={value}")], &[]));
            let start = format!("order-processor: {dashed}");
            assert!(
                by_flag.starts_with(&start) && by_flag.contains(value),
                "{value:?}: {by_flag}"
            );
            let by_env = line(whole(&[], &[(&name, value)]));
            let start = format!("order-processor: {name}={value}: ");
            assert!(
                by_env.starts_with(&start) && by_env.len() > start.len(),
                "{value:?}: {by_env}"
            );
        }
    }
}

#[test]
fn the_rows_above_leave_no_flag_out() {
    let command = command(&[]);
    let declared: Vec<_> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    let tested: Vec<_> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(declared, tested);
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
        (&["--listen"], "--listen: needs a value"),
        (&["--listen", "--pin", "off"], "--listen: needs a value"),
        (
            &["--pin", "off", "--pin", "off"],
            "--pin: given more than once",
        ),
        (&["--pins", "off"], "--pins: no such flag (is --pin meant?)"),
        (&["-z"], "-z: no such flag"),
        (
            &["run"],
            "run: no such command: only serve, and journal as the first word",
        ),
        (&["serve", "more"], "more: no such flag"),
        (
            &["--log-level", "a\nb\u{2028}"],
            "--log-level a\\nb\\u{2028}: must be one of error, warn, info, debug, trace",
        ),
    ] {
        assert_eq!(
            line(flags(args)),
            format!("order-processor: {want}"),
            "{args:?}"
        );
    }
    let long = "9".repeat(100_000);
    assert!(line(flags(&["--workers", &long])).len() < 400);
}

#[test]
fn a_flag_wins_over_its_variable_and_the_variable_over_the_default() {
    let env = [("ORDERS_QUEUE_CAPACITY", "7"), ("ORDERS_WORKERS", "3")];
    let config = with(&["--queue-capacity", "9"], &env).expect("both are good");
    assert_eq!((config.queue_capacity, config.workers), (9, Some(3)));
    let config = with(&["--queue-capacity=9"], &env).expect("both are good");
    assert_eq!(config.queue_capacity, 9);
    // A variable that a flag overrides is not looked at, be it ever so wrong.
    let bad = [("ORDERS_QUEUE_CAPACITY", "zero")];
    assert_eq!(
        with(&["--queue-capacity", "9"], &bad)
            .expect("the flag wins")
            .queue_capacity,
        9
    );
    // A flag whose name only starts like another's overrides nothing of that one.
    let config =
        with(&["--ack-timeout", "1s"], &[("ORDERS_ACK", "queued")]).expect("both are good");
    assert_eq!(
        (config.ack, config.ack_timeout),
        (Ack::Queued, Duration::from_secs(1))
    );
}

#[test]
fn variables_that_are_no_flag_are_left_alone() {
    let env = [
        ("ORDERS_SERVICE_HOST", "10.0.0.1"),
        ("ORDERS_PORT", "tcp://10.0.0.1:80"),
        ("orders_pin", "x"),
        ("PATH", "/bin"),
    ];
    assert_eq!(
        with(&[], &env).expect("none of them is a flag's"),
        Config::default()
    );
}

#[test]
fn an_empty_variable_is_neither_unset_nor_a_value() {
    for name in ["ORDERS_PIN", "ORDERS_TOKEN_FILE"] {
        let want = format!("order-processor: {name}=: is empty: unset it or give it a value");
        assert_eq!(line(with(&[], &[(name, "")])), want);
    }
}

#[test]
fn what_is_not_utf8_is_refused_with_its_name() {
    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    let env = BTreeMap::from([("ORDERS_PIN".into(), bytes())]);
    let parsed = parse(vec!["order-processor".into()], &env, &[]);
    assert_eq!(
        line(parsed),
        "order-processor: ORDERS_PIN=a\u{fffd}: is not UTF-8"
    );
    let parsed = parse(
        vec!["order-processor".into(), bytes()],
        &BTreeMap::new(),
        &[],
    );
    assert_eq!(line(parsed), "order-processor: a\u{fffd}: is not UTF-8");
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    for (args, env, want) in [
        (
            &["--queue-bytes", "32KiB"][..],
            &[][..],
            "--queue-bytes 32KiB: must be at least --max-body (64KiB)",
        ),
        (
            &["--max-body", "1MiB"],
            &[("ORDERS_BODY_BYTES", "1000000")],
            "ORDERS_BODY_BYTES=1000000: must be at least --max-body (1MiB)",
        ),
        (
            &["--max-batch-body", "1KiB"],
            &[],
            "--max-batch-body 1KiB: must be at least --max-body (64KiB)",
        ),
        (
            &["--ack", "queued", "--ledger", "nats://a:1"],
            &[],
            "--ack queued: does not go with --ledger nats://, which keeps nothing on disk here",
        ),
        (
            &["--admin-listen", "127.0.0.1:8080"],
            &[],
            "--admin-listen 127.0.0.1:8080: is the address of --listen, too",
        ),
        (
            &["--listen", "127.0.0.1:9090"],
            &[],
            "--listen 127.0.0.1:9090: is the address of --admin-listen, too",
        ),
        (
            &["--listen", "[::1]:1", "--grpc-listen", "[::1]:1"],
            &[],
            "--grpc-listen [::1]:1: is the address of --listen, too",
        ),
    ] {
        assert_eq!(
            line(whole(args, env)),
            format!("order-processor: {want}"),
            "{args:?} {env:?}"
        );
    }
    for good in [
        &[
            "--queue-bytes",
            "64KiB",
            "--body-bytes",
            "64KiB",
            "--max-batch-body",
            "64KiB",
        ][..],
        // The largest body fits every default, so a relation's first flag was always given.
        &["--max-body", "16MiB"],
        &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        &["--ack", "committed", "--ledger", "nats://a:1"],
        &["--ack", "queued", "--ledger", "journal"],
    ] {
        assert!(whole(good, &[]).is_ok(), "{good:?}");
    }
}

#[test]
fn what_is_not_built_yet_is_refused_by_flag_and_by_variable() {
    for (flag, value, instead) in [
        ("ledger", "nats://a:4222", "use --ledger journal"),
        ("token-file", "/run/tokens", "leave it out"),
        ("nats-stream", "ORDERS", "leave it out"),
        ("nats-replicas", "1", "leave it out"),
        ("nats-dedupe-window", "2m", "leave it out"),
    ] {
        let dashed = format!("--{flag}");
        let want =
            format!("order-processor: --{flag} {value} is not in this version yet: {instead}");
        assert_eq!(line(flags(&[&dashed, value])), want);
        let name = variable(flag);
        let want = format!("order-processor: {name}={value} is not in this version yet: {instead}");
        assert_eq!(line(with(&[], &[(&name, value)])), want);
    }
    let parsed = flags(&["--ledger", "journal"]);
    assert_eq!(parsed.expect("this one is built"), Config::default());
}

#[test]
fn every_line_of_the_table_names_a_flag() {
    let command = command(&[]);
    for entry in not_yet::NOT_YET {
        let known = command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(entry.flag));
        assert!(known, "--{} is no flag", entry.flag);
    }
}

#[test]
fn help_and_version_are_shown_and_are_no_failure() {
    for (args, want) in [
        (["--help"], "Usage:"),
        (["-h"], "Usage:"),
        (["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        // Whatever stands in the environment: help is what one asks for when it is wrong.
        let env = [("ORDERS_PIN", ""), ("ORDERS_WORKERS", "0")];
        let error = with(&args, &env).expect_err("shows a text instead");
        assert_eq!(error.exit_code(), 0);
        assert!(error.to_string().contains(want), "{error}");
        // A type's doc comment is not for operators.
        assert!(!error.to_string().contains("Config"), "{error}");
    }
}

#[test]
fn help_says_every_flag_with_its_default_and_variable() {
    // The contract's table, and the flags beside it.
    let table = [
        ("listen", "127.0.0.1:8080"),
        ("admin-listen", "127.0.0.1:9090"),
        ("grpc-listen", "127.0.0.1:50051"),
        ("http-engine", "native"),
        ("data-dir", "./data"),
        ("ledger", "journal"),
        ("ack", "committed"),
        ("ack-timeout", "30s"),
        ("queue-capacity", "65536"),
        ("queue-bytes", "256MiB"),
        ("workers", "auto"),
        ("io-threads", "auto"),
        ("pin", "auto"),
        ("processor", "rules"),
        ("simulate", "100ms..600ms,fail=0.1"),
        ("max-value", "none"),
        ("dedupe-window", "4000000"),
        ("drain-timeout", "25s"),
        ("max-body", "64KiB"),
        ("max-batch-body", "64MiB"),
        ("max-batch-orders", "100000"),
        ("max-batches", "16"),
        ("body-bytes", "256MiB"),
        ("max-connections", "10000"),
        ("head-timeout", "10s"),
        ("body-timeout", "30s"),
        ("write-timeout", "30s"),
        ("idle-timeout", "60s"),
        ("grpc-max-connections", "1000"),
        ("grpc-max-streams", "256"),
        ("grpc-keepalive-interval", "30s"),
        ("grpc-keepalive-timeout", "10s"),
        ("overload-status", "503"),
        ("token-file", "none"),
        ("retain-bytes", "none"),
        ("nats-stream", "ORDERS"),
        ("nats-replicas", "1"),
        ("nats-dedupe-window", "2m"),
        ("log-format", "text"),
        ("log-level", "info"),
    ];
    let help = flags(&["--help"])
        .expect_err("shows a text instead")
        .to_string();
    // Line breaks fall anywhere.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for (flag, default) in table {
        let start = help
            .find(&format!(" --{flag} <"))
            .unwrap_or_else(|| panic!("no --{flag} in {help}"));
        let entry = &help[start..];
        let end = entry.find("[env: ").expect("every flag has a variable");
        let tags = &entry[end..];
        assert!(
            tags.starts_with(&format!("[env: {}]", variable(flag))),
            "{flag}: {entry}"
        );
        let tag = format!("[default: {default}]");
        // The flag's own entry ends where the next flag begins.
        let after = &entry[1..];
        let next = table
            .iter()
            .filter_map(|(other, _)| after.find(&format!(" --{other} <")))
            .min();
        let own = &after[..next.unwrap_or(after.len())];
        assert!(own.contains(&tag), "{flag}: no {tag} in {own}");
        let refused = not_yet::NOT_YET.iter().find(|entry| entry.flag == flag);
        assert_eq!(
            own.contains("not in this version yet") || own.contains("is in this version yet"),
            refused.is_some(),
            "{own}"
        );
    }
}

#[test]
fn quantities_are_shown_as_they_are_written() {
    for (bytes, want) in [
        (0, "0 bytes"),
        (63, "63 bytes"),
        (1024, "1KiB"),
        (1025, "1025 bytes"),
        (3 << 20, "3MiB"),
        (1 << 40, "1TiB"),
    ] {
        assert_eq!(quantity::show_bytes(bytes), want);
    }
    for (millis, want) in [
        (0, "0ms"),
        (1, "1ms"),
        (1500, "1500ms"),
        (2000, "2s"),
        (120_000, "2m"),
        (3_600_000, "1h"),
    ] {
        assert_eq!(quantity::show_time(Duration::from_millis(millis)), want);
    }
}
