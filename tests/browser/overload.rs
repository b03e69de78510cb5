//! A queue that is full.

use crate::chromium::Browser;
use crate::harness::{Service, eventually, post, until};
use crate::status_page::open_ready;

#[test]
fn an_overload_is_said_with_its_reason() {
    let flags = ["--ack", "queued", "--queue-capacity", "4"];
    let service = Service::slow("native", "1", "60s", &flags);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    // The first refusals that it sees are news.
    page.until("fullSeen !== null");
    // The worker has taken its order before the queue is filled.
    assert_eq!(
        post(service.http, "", r#"{"id":"o0","value":1}"#).status,
        202
    );
    until("with the worker", || {
        service.figures().count("queue_depth") == 0
    });
    let mut number = 0;
    eventually("an order finds no slot", || {
        number += 1;
        let order = format!(r#"{{"id":"o{number}","value":1}}"#);
        (post(service.http, "", &order).status == 503).then_some(())
    });
    page.until_state("Overloaded");
    assert!(page.text("banner").contains("queue is full"));
    assert_eq!(page.value("at('meter').classList.contains('full')"), true);
    assert_eq!(
        page.value("at('meter').getAttribute('aria-valuetext')"),
        "4 of 4 slots"
    );
    assert!(page.text("reasons").contains("Queue full1"));
}
