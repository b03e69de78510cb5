//! What the contract names and this version refuses, instead of looking as if it were there.
//! Whoever builds one of them takes its line out.

mod harness;

use harness::Service;

#[test]
fn flags_of_later_versions_are_refused() {
    for (flag, value) in [
        ("--ledger", "nats://127.0.0.1:4222"),
        ("--token-file", "/dev/null"),
        ("--nats-stream", "ORDERS"),
        ("--nats-replicas", "1"),
        ("--nats-dedupe-window", "2m"),
    ] {
        let output = Service::command().args([flag, value]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains(flag) && text.contains("not in this version yet"),
            "{text}"
        );
    }
}
