//! Load generators, by their own reports: every request was answered, with the
//! status that it should have. The order is the same one each time, but for
//! wrk's: processed once, and a duplicate after that.

use std::fs;

use crate::authority::{Authority, text};
use crate::harness::{Directory, Service};
use crate::program::source;

const ORDER: &str = r#"{"id":"load","value":1}"#;
const REQUESTS: u64 = 400;

/// Runs a program, and returns its report.
#[track_caller]
fn report(program: &str, args: &[&str]) -> String {
    let output = Service::timeout()
        .args(["100", program])
        .args(args)
        .output();
    let output = output.expect("timeout(1) is there");
    let report = text(&output);
    assert!(
        output.status.success(),
        "{program} (see tests/run): {report}"
    );
    report
}

/// The first number behind this text in a report.
#[track_caller]
fn number(report: &str, text: &str) -> u64 {
    let (_, rest) = report
        .split_once(text)
        .unwrap_or_else(|| panic!("{text} in {report}"));
    let digits = rest.trim_start().split(|byte: char| !byte.is_ascii_digit());
    let digits = digits.into_iter().next().unwrap_or_default();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{text} in {report}"))
}

/// A file with the order.
fn body() -> (Directory, String) {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let path = directory.0.join("order.json");
    fs::write(&path, ORDER).unwrap();
    let path = path.into_os_string().into_string().unwrap();
    (directory, path)
}

/// The order was processed once, however often it was sent; and the service
/// still drains.
#[track_caller]
fn processed_once(service: Service, times: u64) {
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0));
    assert_eq!(figures.count("orders_duplicate"), times - 1);
    assert_eq!(figures.sum("orders_rejected"), 0);
    service.drain();
}

/// A service without TLS and one with it, and where orders go.
fn plain_and_tls() -> [(Service, String); 2] {
    let (plain, tls) = (Service::start(&[]), Authority::new().service(&[]));
    let url = |scheme, service: &Service| format!("{scheme}://{}/submit", service.http);
    let urls = (url("http", &plain), url("https", &tls));
    [(plain, urls.0), (tls, urls.1)]
}

/// HTTP/1.0, a connection for each request, or kept.
#[test]
fn ab() {
    let (_directory, path) = body();
    for (service, url) in plain_and_tls() {
        let times = REQUESTS.to_string();
        // -l: 201 is shorter than 200 with `duplicate`.
        let order = [
            "-q",
            "-l",
            "-n",
            &times,
            "-c",
            "8",
            "-T",
            "application/json",
            "-p",
            &path,
        ];
        for (keep, kept) in [(&[][..], None), (&["-k"], Some(REQUESTS))] {
            let report = report("ab", &[&order[..], keep, &[&url]].concat());
            assert_eq!(number(&report, "Complete requests:"), REQUESTS, "{report}");
            assert_eq!(number(&report, "Failed requests:"), 0, "{report}");
            assert!(!report.contains("Non-2xx responses"), "{report}");
            if let Some(kept) = kept {
                assert_eq!(number(&report, "Keep-Alive requests:"), kept, "{report}");
            }
        }
        processed_once(service, 2 * REQUESTS);
    }
}

/// Go's net/http under load. Over TLS it takes what stands in `Host`, with the
/// port, for the server's name, which TLS refuses (RFC 6066 section 3): `-host`
/// says it without.
#[test]
fn hey() {
    for (service, url) in plain_and_tls() {
        let times = REQUESTS.to_string();
        let order = [
            "-n",
            &times,
            "-c",
            "8",
            "-m",
            "POST",
            "-T",
            "application/json",
            "-host",
            "localhost",
            "-d",
            ORDER,
        ];
        for keep in [&[][..], &["-disable-keepalive"]] {
            let report = report("hey", &[&order[..], keep, &[&url]].concat());
            assert!(!report.contains("Error distribution"), "{report}");
            let (_, statuses) = report.split_once("Status code distribution:").unwrap();
            let statuses = statuses.trim().lines().map(|line| {
                let (status, times) = line.trim().split_once(']').unwrap();
                assert!(matches!(status, "[200" | "[201"), "{report}");
                number(times, "")
            });
            assert_eq!(statuses.sum::<u64>(), REQUESTS, "{report}");
        }
        processed_once(service, 2 * REQUESTS);
    }
}

#[test]
fn h2load() {
    let (_directory, path) = body();
    for (service, url) in plain_and_tls() {
        let (times, header) = (REQUESTS.to_string(), "content-type: application/json");
        let report = report(
            "h2load",
            &[
                "--h1", "-n", &times, "-c", "8", "-d", &path, "-H", header, &url,
            ],
        );
        let all = format!(
            "requests: {REQUESTS} total, {REQUESTS} started, {REQUESTS} done, \
             {REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout"
        );
        assert!(report.contains(&all), "{report}");
        let statuses = format!("status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx");
        assert!(report.contains(&statuses), "{report}");
        processed_once(service, REQUESTS);
    }
}

/// A new order each time, for a second.
#[test]
fn wrk() {
    let service = Service::start(&[]);
    let url = format!("http://{}/submit", service.http);
    let script = source("orders.lua").into_os_string().into_string().unwrap();
    let report = report(
        "wrk",
        &[
            "-t",
            "1",
            "-c",
            "8",
            "-d",
            "1s",
            "--timeout",
            "30s",
            "-s",
            &script,
            &url,
        ],
    );
    assert!(!report.contains("Socket errors"), "{report}");
    assert!(!report.contains("Non-2xx"), "{report}");
    // Those under way at the end are processed, too, and not counted by it.
    let answered = number(&report, "answered ");
    let (accepted, processed, _) = service.settled().orders();
    assert_eq!(accepted, processed);
    assert!(
        answered > 0 && (answered..=answered + 8).contains(&accepted),
        "{report}"
    );
    service.drain();
}
