//! Flags by variable: which one wins, and variables that can't be used.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use crate::config::tests::{flags, line, with};
use crate::config::{Ack, Config};

#[test]
fn a_flag_wins_over_its_variable_and_the_variable_over_the_default() {
    let env = [("ORDERS_QUEUE_CAPACITY", "7"), ("ORDERS_WORKERS", "3")];
    let config = with(&["--queue-capacity", "9"], &env).expect("both are good");
    assert_eq!((config.queue_capacity, config.workers), (9, Some(3)));
    let config = with(&["--queue-capacity=9"], &env).expect("both are good");
    assert_eq!(config.queue_capacity, 9);
    // A variable that a flag overrides is not read, however wrong it is.
    let bad = [("ORDERS_QUEUE_CAPACITY", "zero")];
    assert_eq!(
        with(&["--queue-capacity", "9"], &bad)
            .expect("the flag wins")
            .queue_capacity,
        9
    );
    // A flag whose name only starts like another's overrides nothing of that
    // one.
    let config =
        with(&["--ack-timeout", "1s"], &[("ORDERS_ACK", "queued")]).expect("both are good");
    assert_eq!(
        (config.ack, config.ack_timeout),
        (Ack::Queued, Duration::from_secs(1))
    );
}

#[test]
fn variables_that_are_no_flag_are_ignored() {
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
fn a_bad_flag_is_named_before_a_bad_variable() {
    let parsed = with(&["--workers", "0"], &[("ORDERS_PIN", "x")]);
    assert!(line(parsed).contains("--workers 0"));
}

#[test]
fn words_after_a_lone_double_dash_are_no_flags() {
    let env = [("ORDERS_WORKERS", "3")];
    let config = with(&["--pin", "off", "--", "serve"], &env).expect("serve is the command");
    assert_eq!(config.workers, Some(3));
    assert!(line(with(&["--", "--workers"], &env)).contains("--workers"));
    assert_eq!(
        Config::parse_from([""; 0], [("", ""); 0]).expect("not even a program's name"),
        flags(&[]).expect("the defaults")
    );
}

#[test]
fn an_empty_variable_is_neither_unset_nor_a_value() {
    for name in ["ORDERS_PIN", "ORDERS_DATA_DIR"] {
        let want = format!("order-processor: {name}=: is empty: unset it or give it a value");
        assert_eq!(line(with(&[], &[(name, "")])), want);
    }
}

#[test]
fn what_is_not_utf8_is_refused_with_its_name() {
    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    let program = || OsString::from("order-processor");
    let parsed = Config::parse_from([program()], [("ORDERS_PIN", bytes())]);
    assert_eq!(
        line(parsed),
        "order-processor: ORDERS_PIN=a\u{fffd}: is not UTF-8"
    );
    let parsed = Config::parse_from([program(), bytes()], [("", ""); 0]);
    assert_eq!(line(parsed), "order-processor: a\u{fffd}: is not UTF-8");
}
