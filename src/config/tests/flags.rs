//! Every flag: its default, and the values of the table.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::parse::{command, variable};
use crate::config::tests::rows::{companions, rows};
use crate::config::tests::{flags, line, with};
use crate::config::{
    AccessLog, Ack, Config, HttpEngine, Ledger, LogFormat, LogLevel, Nats, OverloadStatus, Peers,
    Pin, Processor, Simulate, Tls,
};

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
        reply_bytes: 128 << 20,
        max_connections: 10_000,
        head_timeout: seconds(10),
        body_timeout: seconds(30),
        write_timeout: seconds(30),
        idle_timeout: seconds(75),
        tls: Tls::default(),
        peers: Peers::default(),
        allowed_hosts: None,
        allowed_origins: None,
        token_file: None,
        protect_metrics: false,
        grpc_max_connections: 1000,
        grpc_max_streams: 256,
        grpc_keepalive_interval: seconds(30),
        grpc_keepalive_timeout: seconds(10),
        commit_delay: Duration::from_millis(1),
        overload_status: OverloadStatus::ServiceUnavailable,
        retain_bytes: None,
        retain_age: None,
        expect_ledger: None,
        strict_env: false,
        warnings: Vec::new(),
        nats: Nats {
            stream: "ORDERS".to_owned(),
            replicas: 1,
            dedupe_window: seconds(24 * 3600),
            user: None,
            password_file: None,
            token_file: None,
            nkey_file: None,
            creds_file: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
        },
        log_format: LogFormat::Text,
        access_log: AccessLog::Off,
        log_level: LogLevel::Info,
    };
    assert_eq!(config, want);
    assert_eq!(flags(&["serve"]).expect("serve is the default"), want);
}

#[test]
fn every_flag_by_flag_and_by_variable() {
    for (flag, good, bad) in rows() {
        let (dashed, name) = (format!("--{flag}"), variable(flag));
        let beside =
            |words: &[&str], env: &[(&str, &str)]| with(&[words, companions(flag)].concat(), env);
        for (value, shown) in *good {
            for parsed in [
                beside(&[&dashed, value], &[]),
                beside(&[&format!("{dashed}={value}")], &[]),
                beside(&["serve"], &[(&name, value)]),
            ] {
                let text = format!(
                    "{:?}",
                    parsed.unwrap_or_else(|e| panic!("{flag} {value}: {e}"))
                );
                assert!(text.contains(shown), "{flag} {value}: no {shown} in {text}");
            }
        }
        for value in *bad {
            let by_flag = line(with(&[&format!("{dashed}={value}")], &[]));
            let start = format!("order-processor: {dashed}");
            assert!(
                by_flag.starts_with(&start) && by_flag.contains(value),
                "{value:?}: {by_flag}"
            );
            let by_env = line(with(&[], &[(&name, value)]));
            let start = format!("order-processor: {name}={value}: ");
            assert!(
                by_env.starts_with(&start) && by_env.len() > start.len(),
                "{value:?}: {by_env}"
            );
        }
    }
}

#[test]
fn the_rows_leave_no_flag_out() {
    let command = command();
    let mut declared: Vec<_> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    let mut tested: Vec<_> = rows().map(|row| row.0).collect();
    declared.sort_unstable();
    tested.sort_unstable();
    assert_eq!(declared, tested);
}
