//! Proxies in front, and client addresses.

use crate::config::tests::rows::Row;

pub(super) const ROWS: &[Row] = &[
    (
        "trusted-proxies",
        &[
            ("10.0.0.1", "Some([10.0.0.1/32])"),
            ("10.0.0.0/8,fd00::/8", "Some([10.0.0.0/8, fd00::/8])"),
        ],
        &[
            "",
            "off",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.1, ::1",
            "localhost",
        ],
    ),
    (
        "proxy-protocol",
        &[
            ("on", "proxy_protocol: true"),
            ("off", "proxy_protocol: false"),
        ],
        &["yes", "v2"],
    ),
    (
        "client-rate",
        &[
            ("100/s", "count: 100, period: 1s"),
            ("1000000/h", "count: 1000000, period: 3600s"),
        ],
        &["", "100", "0/s", "1000001/s", "1/d", "1/", "+1/s"],
    ),
    (
        "client-burst",
        &[("1", "client_burst: Some(1)")],
        &["", "0", "1000001", "1/s"],
    ),
    (
        "client-inflight",
        &[("1000000", "client_inflight: Some(1000000)")],
        &["", "0", "1000001", "x"],
    ),
];
