//! The table: each flag with values that pass and values that don't.

/// Flag, values that pass and what shows them in the parsed `Config`'s `Debug`
/// text, values that don't.
pub(super) type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const TIMES_BAD: &[&str] = &[
    "",
    " ",
    "0",
    "0ms",
    "0s",
    "999us",
    "30",
    "1m30",
    "-1s",
    "+1s",
    "61m",
    "1h 1ms",
    "3600001ms",
    "s",
    "5S",
    "5x",
    "1d",
    "1M",
    "1e3s",
    "99999999999999999999h",
    "18446744073709551615s 1000ms",
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

/// What a flag is of no use without.
pub(super) fn companions(flag: &str) -> &'static [&'static str] {
    match flag {
        "tls-cert" => &["--tls-key=/k"],
        "tls-key" => &["--tls-cert=/c"],
        "tls-client-ca" => &["--tls-cert=/c", "--tls-key=/k"],
        _ => &[],
    }
}

pub(super) const ROWS: &[Row] = &[
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
            ("nats://a:4222", "ledger: Nats([\"a:4222\"])"),
            (
                "nats://a-1.example:4222,[::1]:4223,nats://10.0.0.1:1",
                "Nats([\"a-1.example:4222\", \"[::1]:4223\", \"10.0.0.1:1\"])",
            ),
        ],
        &[
            "",
            "disk",
            "nats",
            "nats://",
            "nats://a",
            "nats://:4222",
            "nats://a:0",
            "nats://a:65536",
            "nats://a:1,",
            "nats://::1:4222",
            "nats://user:secret@a:4222",
            "nats://a:4222/x",
            "tls://a:4222",
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
            ("1m 30s", "ack_timeout: 90s"),
            ("1.5s", "ack_timeout: 1.5s"),
            ("5 s", "ack_timeout: 5s"),
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
        "reply-bytes",
        &[
            ("64KiB", "reply_bytes: 65536,"),
            ("1TiB", "reply_bytes: 1099511627776,"),
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
    ("tls-cert", &[("/run/cert.pem", "\"/run/cert.pem\"")], &[""]),
    ("tls-key", &[("/run/key.pem", "\"/run/key.pem\"")], &[""]),
    (
        "tls-client-ca",
        &[("/run/ca.pem", "\"/run/ca.pem\"")],
        &[""],
    ),
    (
        "allowed-hosts",
        &[
            (
                "Orders.internal,10.0.0.7",
                "allowed_hosts: Some(AllowedHosts([\"orders.internal\", \"10.0.0.7\"]))",
            ),
            ("[fd00::7]", "AllowedHosts([\"[fd00::7]\"])"),
        ],
        &[
            "",
            ",",
            "a,",
            "a, b",
            "a:80",
            "http://a",
            "*",
            "a/b",
            "::1",
            "[::1",
            "[a]",
            "[::1]:1",
            "caf\u{e9}",
        ],
    ),
    (
        "allowed-origins",
        &[
            (
                "https://Shop.example:443,http://localhost:3000",
                "AllowedOrigins([\"https://shop.example\", \"http://localhost:3000\"])",
            ),
            ("http://[::1]:80", "AllowedOrigins([\"http://[::1]\"])"),
            ("http://a:443", "AllowedOrigins([\"http://a:443\"])"),
            (
                "moz-extension://0b1c-2",
                "AllowedOrigins([\"moz-extension://0b1c-2\"])",
            ),
        ],
        &[
            "",
            ",",
            "null",
            "*",
            "a",
            "a.example",
            "https://",
            "https://a/",
            "https://a/b",
            "https://*.a",
            "https://a:",
            "https://a:x",
            "https://a:65536",
            "https://u@a",
            "https://a,",
            "://a",
            "1a://a",
            "https://::1",
            "https:///a",
        ],
    ),
    ("token-file", &[("/run/tokens", "\"/run/tokens\"")], &[""]),
    (
        "protect-metrics",
        &[("off", "protect_metrics: false")],
        &["yes", "ON"],
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
        "commit-delay",
        &[
            ("0ms", "commit_delay: 0ns"),
            ("500us", "commit_delay: 500µs"),
            ("100ms", "commit_delay: 100ms"),
        ],
        &["", "101ms", "-1ms", "1"],
    ),
    (
        "overload-status",
        &[("503", "ServiceUnavailable"), ("429", "TooManyRequests")],
        &["", "500", "-429"],
    ),
    (
        "retain-bytes",
        &[("1MiB", "retain_bytes: Some(1048576)")],
        &["", "0", "1048575", "none"],
    ),
    (
        "expect-ledger",
        &[(
            "00000000000000000000000000000aFF",
            "expect_ledger: Some(2815)",
        )],
        &["", "any", "aff", "0000000000000000000000000000000g"],
    ),
    (
        "strict-env",
        &[("true", "strict_env: true"), ("false", "strict_env: false")],
        &["yes", "1"],
    ),
    (
        "nats-stream",
        &[("ORDERS_eu-1", "stream: \"ORDERS_eu-1\"")],
        &["", "a.b", "a*", "a b"],
    ),
    (
        "nats-replicas",
        &[("1", "replicas: 1"), ("5", "replicas: 5")],
        &["", "0", "6"],
    ),
    (
        "nats-dedupe-window",
        &[
            ("60s", "dedupe_window: 60s"),
            ("8760h", "dedupe_window: 31536000s"),
        ],
        &["", "0s", "8761h", "60"],
    ),
    ("nats-user", &[("orders", "user: Some(\"orders\")")], &[""]),
    ("nats-password-file", &[("/run/pw", "\"/run/pw\"")], &[""]),
    (
        "nats-token-file",
        &[("/run/token", "\"/run/token\"")],
        &[""],
    ),
    ("nats-nkey-file", &[("/run/seed", "\"/run/seed\"")], &[""]),
    (
        "nats-creds-file",
        &[("/run/creds", "\"/run/creds\"")],
        &[""],
    ),
    ("nats-tls-ca", &[("/run/ca.pem", "\"/run/ca.pem\"")], &[""]),
    ("nats-tls-cert", &[("/run/c.pem", "\"/run/c.pem\"")], &[""]),
    ("nats-tls-key", &[("/run/k.pem", "\"/run/k.pem\"")], &[""]),
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
