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
        // The largest body fits every default, so a relation's first flag was always given.
        &["--max-body", "16MiB"],
        &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
    ] {
        assert!(with(good, &[]).is_ok(), "{good:?}");
    }
}
