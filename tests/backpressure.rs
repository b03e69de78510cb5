//! The demonstration: five slow workers, a hundred slots, more load than that.
//! What does not fit is refused at once, and what was taken gets its outcome.

mod harness;

use std::process::{Child, Command, Stdio};

use harness::{Client, Service, eventually, get, on_both_engines, order, post, python, until};
use serde_json::Value;

on_both_engines!(
    a_full_queue_refuses_and_keeps_its_word,
    the_status_of_a_full_queue_can_be_chosen,
    the_queue_is_bounded_in_bytes_too,
    nothing_drains_so_a_retry_comes_late,
);

const DEMO: [&str; 8] = [
    "--processor",
    "simulate",
    "--workers",
    "5",
    "--queue-capacity",
    "100",
    "--ack",
    "queued",
];

/// `wrk` with orders of unique ids, for some seconds. Killed when dropped.
struct Wrk {
    child: Child,
    script: std::path::PathBuf,
}

impl Wrk {
    fn start(service: &Service, seconds: u32) -> Self {
        let script = std::env::temp_dir().join(format!("orders-{}.lua", service.pid()));
        let text = r#"
            local threads = 0
            function setup(thread) thread:set("me", threads) threads = threads + 1 end
            local number = 0
            function request()
                number = number + 1
                local body = '{"id":"wrk-' .. me .. '-' .. number .. '","value":1}'
                return wrk.format("POST", "/submit", {["Content-Type"] = "application/json"}, body)
            end
        "#;
        std::fs::write(&script, text).unwrap();
        let child = Command::new("wrk")
            .args([
                "-t2",
                "-c20",
                &format!("-d{seconds}s"),
                "--timeout",
                "30s",
                "-s",
            ])
            .arg(&script)
            .arg(format!("http://{}", service.http))
            .stdout(Stdio::piped())
            .spawn()
            .expect("wrk is there, see tests/run");
        Self { child, script }
    }

    /// Waits for its end; what it printed.
    fn report(mut self) -> String {
        let out = self.child.stdout.take().expect("piped, above");
        let report = std::io::read_to_string(out).unwrap();
        assert!(self.child.wait().unwrap().success(), "{report}");
        report
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.script);
    }
}

fn a_full_queue_refuses_and_keeps_its_word(engine: &str) {
    let service = Service::on(engine, &DEMO);
    let load = Wrk::start(&service, 3);
    until("the queue is full", || {
        service.figures().get("queue_depth") == 100.0
    });
    until("orders are refused", || {
        service.figures().rejected("full") > 0
    });
    assert_eq!(
        get(service.http, "/readyz").status,
        200,
        "a full queue is not unready"
    );
    let output = python("flood.py", &[&service.http.to_string(), "8", "20", "flood"]);
    let flood: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(flood["wrong"], serde_json::json!([]));
    assert!(flood["statuses"]["503"].as_u64() > Some(0), "{flood}");
    let report = load.report();
    assert!(!report.contains("Socket errors"), "{report}");

    let figures = service.settled();
    let (accepted, processed, failed) = figures.orders();
    assert_eq!(accepted, processed + failed);
    assert_eq!(figures.sum("orders_withdrawn"), 0);
    assert!(
        accepted >= 100 && figures.rejected("full") > 0,
        "{figures:?}"
    );
    assert_eq!(figures.get("queue_depth"), 0.0);
    for id in flood["accepted"].as_array().unwrap() {
        let line = get(service.http, &format!("/orders/{}", id.as_str().unwrap())).json();
        let status = line["status"].as_str().unwrap();
        assert!(matches!(status, "processed" | "failed"), "{line}");
    }
    // Whoever was refused comes again, and is taken.
    let again = post(service.http, "", r#"{"id":"again","value":1}"#);
    assert_eq!(again.status, 202);
    service.settled();
}

/// One worker that never gets done while the test looks, and room for `more`.
fn stuck(engine: &str, more: &[&str]) -> Service {
    let flags = [&["--ack", "queued"], more].concat();
    Service::slow(engine, "1", "10m", &flags)
}

fn the_status_of_a_full_queue_can_be_chosen(engine: &str) {
    let service = stuck(
        engine,
        &["--queue-capacity", "2", "--overload-status", "429"],
    );
    let mut client = Client::to(service.http);
    let refused = eventually("refused", || {
        let taken = service.figures().orders().0;
        let reply = client.ask(order(&format!("o{taken}")));
        (reply.status != 202).then_some(reply)
    });
    let problem = refused.problem(429);
    assert_eq!(
        (&problem["type"], &problem["retry_safe"]),
        (&"/problems/queue-full".into(), &true.into())
    );
    refused.retry_after();
    // One with the worker, two in the queue; the worker may have been slow to
    // take its one.
    let figures = service.figures();
    assert!((2..=3).contains(&figures.inside()), "{figures:?}");
    let id = problem["id"].as_str().unwrap();
    get(service.http, &format!("/orders/{id}")).problem(404);
}

fn the_queue_is_bounded_in_bytes_too(engine: &str) {
    let service = stuck(engine, &["--queue-bytes", "64KiB"]);
    let large = |number: u64| {
        format!(
            r#"{{"id":"large-{number}","value":1,"x":"{}"}}"#,
            "x".repeat(20 << 10)
        )
    };
    let mut taken = 0;
    let refused = loop {
        let reply = post(service.http, "", &large(taken));
        if reply.status != 202 {
            break reply;
        }
        taken += 1;
        assert!(taken < 100, "never full");
    };
    assert_eq!(taken, 3, "of 20 KiB and a little");
    assert_eq!(refused.problem(503)["type"], "/problems/queue-full");
    refused.retry_after();
    // A small one still fits, and nothing of the large one was kept.
    assert_eq!(
        post(service.http, "", r#"{"id":"small","value":1}"#).status,
        202
    );
    let figures = service.figures();
    assert_eq!((figures.inside(), figures.rejected("full")), (4, 1));
    let bytes = figures.get("queue_bytes");
    assert!((60.0 * 1024.0..=64.0 * 1024.0).contains(&bytes), "{bytes}");
}

fn nothing_drains_so_a_retry_comes_late(engine: &str) {
    let service = stuck(engine, &["--queue-capacity", "2"]);
    let mut client = Client::to(service.http);
    let mut number = 0;
    until("the longest wait", || {
        number += 1;
        let reply = client.ask(order(&format!("o{number}")));
        reply.status == 503 && reply.retry_after() == 60
    });
}
