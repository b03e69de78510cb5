//! Sizes, numbers and times that clients run into.

use crate::config::tests::rows::{COUNTS_BAD, Row, TIMES_BAD};

pub(super) const ROWS: &[Row] = &[
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
];
