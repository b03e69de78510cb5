//! Settings that contradict each other.

use crate::config::tests::{line, with};

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
            &["--admin-listen", "127.0.0.1:8080"],
            &[],
            "--admin-listen 127.0.0.1:8080: is also the address of --listen",
        ),
        (
            &["--listen", "127.0.0.1:9090"],
            &[],
            "--listen 127.0.0.1:9090: is also the address of --admin-listen",
        ),
        (
            &["--listen", "[::1]:1", "--grpc-listen", "[::1]:1"],
            &[],
            "--grpc-listen [::1]:1: is also the address of --listen",
        ),
        (
            &["--ledger", "nats://a:4222", "--ack", "queued"],
            &[],
            "--ack queued: is not possible with --ledger nats://…, which keeps no queued order",
        ),
        (
            &["--ledger", "nats://a:4222", "--nats-dedupe-window", "59s"],
            &[],
            "--nats-dedupe-window 59s: must be at least twice --ack-timeout (60s)",
        ),
        (
            &["--ledger", "nats://a:4222", "--nats-user", "orders"],
            &[],
            "--nats-user orders: needs --nats-password-file",
        ),
        (
            &["--ledger", "nats://a:4222", "--nats-tls-key", "/k"],
            &[],
            "--nats-tls-key /k: needs --nats-tls-cert",
        ),
        (&["--tls-cert", "/c"], &[], "--tls-cert /c: needs --tls-key"),
        (
            &[],
            &[("ORDERS_TLS_KEY", "/k")],
            "ORDERS_TLS_KEY=/k: needs --tls-cert",
        ),
        (
            &["--tls-client-ca", "/ca"],
            &[],
            "--tls-client-ca /ca: needs --tls-cert and --tls-key",
        ),
        (
            &[
                "--tls-cert",
                "/c",
                "--tls-key",
                "/k",
                "--http-engine",
                "may_minihttp",
            ],
            &[],
            "--tls-cert /c: is not possible with --http-engine may_minihttp, which has no TLS",
        ),
        (
            &["--proxy-protocol"],
            &[],
            "--proxy-protocol on: needs --trusted-proxies: anyone could claim to be anyone",
        ),
        (
            &[
                "--proxy-protocol",
                "--trusted-proxies",
                "::1",
                "--http-engine",
                "may_minihttp",
            ],
            &[],
            "--proxy-protocol on: is not possible with --http-engine may_minihttp, which doesn't \
             read it",
        ),
        (
            &["--client-burst", "5"],
            &[],
            "--client-burst 5: needs --client-rate",
        ),
        (
            &["--client-inflight", "5", "--token-file", "/t"],
            &[],
            "--client-inflight 5: is not possible with --token-file, whose lines have the quotas",
        ),
        (
            &["--nats-token-file", "/t", "--nats-creds-file", "/c"],
            &[("ORDERS_LEDGER", "nats://a:4222")],
            "--nats-creds-file /c: can't be given with --nats-token-file: one credential is enough",
        ),
    ] {
        assert_eq!(
            line(with(args, env)),
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
        // The largest body fits every default, so a relation's first flag was
        // always given.
        &["--max-body", "16MiB"],
        &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
    ] {
        assert!(with(good, &[]).is_ok(), "{good:?}");
    }
}
