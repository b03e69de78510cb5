//! `/metrics` in both formats, read by a strict parser, idle and after work.

mod harness;

use std::path::Path;

use harness::{Client, Service, get, on_both_engines, post, python};

on_both_engines!(both_formats_read_strictly);

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
