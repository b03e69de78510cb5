//! Where outcomes are committed, and what a reply waits for.

use crate::config::tests::rows::{COUNTS_BAD, Row, TIMES_BAD};

pub(super) const ROWS: &[Row] = &[
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
        "data-dir",
        &[("/srv/orders", "data_dir: \"/srv/orders\"")],
        &[""],
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
        "commit-delay",
        &[
            ("0ms", "commit_delay: 0ns"),
            ("500us", "commit_delay: 500µs"),
            ("100ms", "commit_delay: 100ms"),
        ],
        &["", "101ms", "-1ms", "1"],
    ),
    (
        "retain-bytes",
        &[("1MiB", "retain_bytes: Some(1048576)")],
        &["", "0", "1048575", "none"],
    ),
    (
        "retain-age",
        &[
            ("1s", "retain_age: Some(1s)"),
            ("30days", "retain_age: Some(2592000s)"),
            ("100years", "retain_age: Some(3155760000s)"),
        ],
        &["", "0s", "999ms", "101years", "30", "none"],
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
];
