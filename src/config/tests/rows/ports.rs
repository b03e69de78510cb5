//! Where requests come in and from whom.

use crate::config::tests::rows::Row;

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
    ("tls-cert", &[("/run/cert.pem", "\"/run/cert.pem\"")], &[""]),
    ("tls-key", &[("/run/key.pem", "\"/run/key.pem\"")], &[""]),
    (
        "tls-client-ca",
        &[("/run/ca.pem", "\"/run/ca.pem\"")],
        &[""],
    ),
];
