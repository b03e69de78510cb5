//! curl, which honours `Retry-After` itself.

use std::process::Command;

use crate::authority::text;
use crate::harness::Service;
use crate::tokens::{TOKEN, TokenFile};

/// One order from each of this many curls at once: all get 201.
#[track_caller]
fn all_get_through(service: &Service, curls: usize, more: &[&str]) {
    let url = format!("http://{}/submit", service.http);
    let curls = (0..curls).map(|number| {
        Command::new("curl")
            .args(["-sS", "-m", "120", "--retry", "20", "-w", " %{http_code}\n"])
            .args(["-H", "Content-Type: application/json", "-d"])
            .arg(format!(r#"{{"id":"c-{number}","value":1}}"#))
            .args(more)
            .arg(&url)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("curl is there, see tests/run")
    });
    for curl in curls.collect::<Vec<_>>() {
        let output = curl.wait_with_output().unwrap();
        let last = text(&output);
        assert!(
            last.contains("processed") && last.contains(" 201\n"),
            "{last}"
        );
    }
    assert!(service.settled().sum("orders_rejected") >= 1);
}

#[test]
fn it_waits_for_space_in_the_queue() {
    let service = Service::slow("native", "1", "600ms", &["--queue-capacity", "1"]);
    all_get_through(&service, 5, &[]);
}

#[test]
fn it_waits_for_its_quota() {
    let tokens = TokenFile::new("rate=20/m burst=1");
    let service = Service::start(&["--token-file", &tokens.path]);
    let authorization = format!("Authorization: Bearer {TOKEN}");
    all_get_through(&service, 2, &["-H", &authorization]);
}
