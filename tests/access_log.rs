//! The access log: who asked for what, and what came of it, within a limit.

mod harness;

use std::fs;

use harness::{Client, Directory, Service, get, on_both_engines, post, until};
use serde_json::Value;

on_both_engines!(
    each_request_has_a_line_without_its_content,
    errors_only,
    a_flood_is_sampled
);

const SECRET: &str = "Authorization: Bearer token-of-the-desk-7\r\n";
const TRACE: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

fn lines(service: &Service) -> Vec<Value> {
    service.log_lines("request")
}

fn each_request_has_a_line_without_its_content(engine: &str) {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let path = directory.0.join("tokens");
    fs::write(&path, "desk-7:token-of-the-desk-7").unwrap();
    let flags = [
        "--access-log",
        "all",
        "--log-format",
        "json",
        "--token-file",
    ];
    let service = Service::on(engine, &[&flags[..], &[path.to_str().unwrap()]].concat());
    let body = r#"{"id":"a-secret-id","value":1}"#;
    assert_eq!(
        post(service.http, &format!("{SECRET}{TRACE}"), body).status,
        201
    );
    post(service.http, "", body).problem(401);
    get(service.http, "/a-secret-path").problem(404);
    until("logged", || {
        lines(&service).iter().any(|line| line["status"] == 404)
    });
    let found = |status: u16| {
        let lines = lines(&service);
        lines
            .into_iter()
            .find(|line| line["status"] == status)
            .unwrap()
    };
    let served = found(201);
    assert_eq!(
        (&served["client"], &served["method"]),
        (&"desk-7".into(), &"POST".into())
    );
    assert_eq!(served["route"], "submit");
    assert_eq!(served["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(served["duration_us"].as_u64() > Some(0) && served["bytes"].as_u64() > Some(20));
    let refused = found(401);
    assert_eq!(
        (&refused["client"], &refused["route"]),
        (&Value::Null, &"submit".into())
    );
    let log = service.drain().log;
    assert!(
        !log.contains("secret") && !log.contains("token-of"),
        "{log}"
    );
}

fn errors_only(engine: &str) {
    let flags = ["--access-log", "errors", "--log-format", "json"];
    let service = Service::on(engine, &flags);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    post(service.http, "", r#"{"id":"b","value":-1}"#).problem(422);
    get(service.http, "/nothing").problem(404);
    until("logged", || {
        lines(&service).iter().any(|line| line["status"] == 404)
    });
    let served = |line: &Value| line["status"] == 201 || line["status"] == 422;
    assert!(!lines(&service).iter().any(served));
}

fn a_flood_is_sampled(engine: &str) {
    let service = Service::on(engine, &["--access-log", "all", "--log-format", "json"]);
    let began = std::time::Instant::now();
    let mut client = Client::to(service.http);
    // Pipelined: far more than are logged in the time that it takes.
    for _ in 0..5 {
        client.send("GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n".repeat(300));
        for _ in 0..300 {
            assert_eq!(client.reply().status, 200);
        }
    }
    let most = 200 + 100 * (began.elapsed().as_secs() + 1);
    until("a line says how many were left out", || {
        get(service.http, "/healthz");
        lines(&service)
            .iter()
            .any(|line| line["left_out"].as_u64() > Some(0))
    });
    let at_once = lines(&service).len() as u64;
    assert!(
        at_once <= most + 100 * began.elapsed().as_secs() + 100,
        "{at_once} lines"
    );
}
