//! What `--help` shows.

use crate::config::tests::{flags, with};

#[test]
fn help_and_version_are_shown_and_are_no_failure() {
    for (args, want) in [
        (["--help"], "Usage:"),
        (["-h"], "Usage:"),
        (["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        // Whatever is in the environment: an operator asks for help when it is
        // wrong.
        let env = [("ORDERS_PIN", ""), ("ORDERS_WORKERS", "0")];
        let error = with(&args, &env).expect_err("shows a text instead");
        assert_eq!(error.exit_code(), 0);
        assert!(error.to_string().contains(want), "{error}");
        // A type's doc comment is not for operators.
        assert!(!error.to_string().contains("Config"), "{error}");
    }
}

#[test]
fn help_says_every_flag_with_its_default() {
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
        ("reply-bytes", "128MiB"),
        ("max-connections", "10000"),
        ("head-timeout", "10s"),
        ("body-timeout", "30s"),
        ("write-timeout", "30s"),
        ("idle-timeout", "75s"),
        ("tls-cert", "none"),
        ("tls-key", "none"),
        ("tls-client-ca", "none"),
        ("allowed-hosts", "none"),
        ("allowed-origins", "none"),
        ("token-file", "none"),
        ("trusted-proxies", "none"),
        ("proxy-protocol", "off"),
        ("client-rate", "none"),
        ("grpc-max-connections", "1000"),
        ("grpc-max-streams", "256"),
        ("overload-status", "503"),
        ("retain-bytes", "none"),
        ("retain-age", "none"),
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
        let tag = format!("[default: {default}]");
        // The flag's own entry ends where the next flag begins.
        let after = &entry[1..];
        let next = table
            .iter()
            .filter_map(|(other, _)| after.find(&format!(" --{other} <")))
            .min();
        let own = &after[..next.unwrap_or(after.len())];
        assert!(own.contains(&tag), "{flag}: no {tag} in {own}");
    }
}
