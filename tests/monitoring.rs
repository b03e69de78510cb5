//! Alerting rules and dashboard, loaded by a real Prometheus that scrapes a
//! service with orders.

mod harness;

use std::path::Path;
use std::process::Command;

use harness::{Directory, get, post};

#[test]
fn a_real_prometheus_knows_what_rules_and_dashboard_ask_for() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    for (value, status) in [(1, 201), (-1, 422)] {
        let order = format!(r#"{{"id":"o{value}","value":{value}}}"#);
        assert_eq!(post(service.http, "", &order).status, status);
    }
    assert_eq!(post(service.http, "", "{").status, 400);
    assert_eq!(get(service.http, "/readyz").status, 200);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = Command::new(root.join("target/test-python/bin/python"))
        .arg(root.join("tests/monitoring/check.py"))
        .arg(service.admin.to_string())
        .output()
        .expect("tests/run installs what this test needs");
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
    service.drain();
}
