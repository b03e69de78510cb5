//! A service that doesn't answer, or is about to end.

use rustix::process::Signal;

use crate::chromium::Browser;
use crate::harness::{Service, post};
use crate::status_page::open_ready;

#[test]
fn a_service_that_is_gone_is_not_shown_as_alive() {
    let service = Service::start(&[]);
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    page.until("at('total-accepted').textContent === '1'");
    service.signal(Signal::KILL);
    page.until_state("Unreachable");
    let banner = page.text("banner");
    assert!(banner.contains("The figures below are from"), "{banner}");
    assert_eq!(page.value("at('main').classList.contains('stale')"), true);
    // The lines end where the answers ended.
    page.until("columns(['depth'], 120)[1].at(-1) === null");
    page.set("find-id", "a");
    page.send("find");
    page.until("at('find-reply').textContent === 'The service gives no answer.'");
}

#[test]
fn a_drain_is_said() {
    let service = with_long_orders();
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    service.terminate();
    // On its open connection it hears so once; the port takes no other.
    page.until("document.title.startsWith('Draining')");
    assert!(page.text("banner").contains("orders it holds"));
}

/// The port is shut when the page has heard of the drain: the one answer is
/// enough.
#[test]
fn a_drain_is_said_though_nothing_else_is_answered() {
    let service = with_long_orders();
    let browser = Browser::start();
    let page = open_ready(&browser, &service);
    page.value(
        "window.asked = window.fetch; window.fetch = (path, options) =>
            path === 'stats' ? asked(path, options) : Promise.reject(new TypeError('shut'))",
    );
    service.terminate();
    page.until("document.title.startsWith('Draining')");
    assert!(page.text("banner").contains("orders it holds"));
}

/// A service whose drain takes longer than a test, which kills it.
fn with_long_orders() -> Service {
    let flags = ["--ack", "queued", "--drain-timeout", "10m"];
    let service = Service::slow("native", "1", "10m", &flags);
    assert_eq!(
        post(service.http, "", r#"{"id":"o","value":1}"#).status,
        202
    );
    service
}
