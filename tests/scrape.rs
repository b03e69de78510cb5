//! `/metrics` in both formats, read by a strict parser, idle and after work.

mod harness;

use std::path::Path;

use harness::{Client, Directory, Service, get, on_both_engines, post, python, until};

on_both_engines!(both_formats_read_strictly);

#[test]
fn a_journal_has_figures_of_its_own() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    for number in 0..20 {
        let body = format!(r#"{{"id":"o-{number}","value":1}}"#);
        assert_eq!(post(service.http, "", &body).status, 201);
    }
    let classic = scrape(&service, "classic", "text/plain");
    let openmetrics = scrape(&service, "openmetrics", "application/openmetrics-text");
    assert_eq!(classic, openmetrics);
    let figures = service.settled();
    assert_eq!(figures.count("journal_batch_orders_sum"), 20);
    let batches = figures.count("journal_batch_orders_count");
    assert!((1..=20).contains(&batches), "{batches}");
    assert_eq!(figures.count("journal_commit_seconds_count"), batches);
    assert!(figures.get("journal_commit_seconds_sum") > 0.0);
    until("both segments are counted", || {
        service.figures().count("journal_bytes") == 2 * (64 << 20)
    });
    let stats = get(service.admin, "/stats").json();
    assert_eq!(
        stats["journal_batch_orders"]["p50"], 1,
        "one after the other"
    );
    assert_eq!(stats["journal_commit_seconds"]["count"], batches);
    assert_eq!(stats["journal_bytes"], 2 * (64 << 20));
    assert_eq!(
        (&stats["journal_segments"], &stats["oldest_seq"]),
        (&1.into(), &1.into())
    );
    // Other tests write to the same disk.
    assert!(stats["journal_free_bytes"].as_u64() > Some(0), "{stats}");
    service.drain();

    let memory = Service::start(&[]);
    assert!(!get(memory.admin, "/metrics").text().contains("journal_"));
    assert!(
        get(memory.admin, "/stats")
            .json()
            .get("journal_bytes")
            .is_none()
    );
}

fn both_formats_read_strictly(engine: &str) {
    let service = Service::on(engine, &["--max-value", "10"]);
    let mut families = Vec::new();
    for value in ["1", "11", "x"] {
        families.push([
            scrape(&service, "classic", "text/plain"),
            scrape(&service, "openmetrics", "application/openmetrics-text"),
        ]);
        post(
            service.http,
            "",
            &format!(r#"{{"id":"a{value}","value":{value}}}"#),
        );
        get(service.http, "/nothing");
    }
    for [classic, openmetrics] in families {
        assert!(classic >= 20, "{classic} families");
        assert_eq!(classic, openmetrics, "the same figures");
    }
}

/// How many families a scrape has that reads well.
fn scrape(service: &Service, format: &str, accept: &str) -> usize {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: orders\r\nAccept: {accept}\r\n\r\n");
    let reply = Client::to(service.admin).ask(request);
    let name = format!("scrape-{}-{format}", service.pid());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, &reply.body).unwrap();
    let output = python("scrape.py", &[format, path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    let count = String::from_utf8(output.stdout).unwrap();
    count.trim().parse().unwrap()
}
