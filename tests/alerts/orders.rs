//! Causes that clients bring along, or the processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use order_processor::{Config, Order, Processor, Server, Verdict};

use crate::harness::{Client, Service, order, submit};
use crate::prometheus::Prometheus;
use crate::runbook;

/// Orders that are all right: no alert at all, for as long as others fire.
pub(crate) fn are_good(prometheus: &Prometheus, is_over: &AtomicBool) {
    let service = Service::start(&[]);
    let watched = prometheus.watch("good", &[service.admin]);
    let mut client = Client::to(service.http);
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        assert_eq!(client.ask(order(&format!("good-{number}"))).status, 201);
        thread::sleep(Duration::from_millis(50)); // the rate of orders
    }
    assert_eq!(watched.fired(), None, "for orders that are all right");
}

/// One that doesn't wait for its outcome.
fn queued(id: &str) -> String {
    let body = format!(r#"{{"id":"{id}","value":1}}"#);
    submit("Prefer: respond-async\r\n", &body)
}

pub(crate) fn come_too_fast(prometheus: &Prometheus, alerts: &[&str]) {
    let flags = ["--queue-capacity", "50"];
    let service = Service::slow("native", "1", "500ms", &flags);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("alone")).status, 201);
    let watched = prometheus.watch("fast", &[service.admin]);
    watched.is_calm(alerts);
    let mut numbers = 0..;
    watched.fires(alerts, || {
        // Until the queue is full.
        let full = numbers.any(|number| client.ask(queued(&format!("o-{number}"))).status == 503);
        assert!(full);
    });
    runbook::shows(alerts[0], &service, "\nqueue_capacity 50\n");
}

pub(crate) fn are_wrong(prometheus: &Prometheus, alerts: &[&str]) {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let watched = prometheus.watch("wrong", &[service.admin]);
    assert_eq!(client.ask(order("right")).status, 201);
    watched.is_calm(alerts);
    watched.fires(alerts, || {
        assert_eq!(client.ask(submit("", "{}")).status, 400);
    });
    runbook::shows(alerts[0], &service, "orders_rejected{reason=\"invalid\"}");
}

pub(crate) fn fail(prometheus: &Prometheus, alerts: &[&str]) {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let watched = prometheus.watch("fail", &[service.admin]);
    assert_eq!(client.ask(order("well")).status, 201);
    watched.is_calm(alerts);
    let mut numbers = 0..;
    watched.fires(alerts, || {
        let body = format!(r#"{{"id":"o-{}","value":-1}}"#, numbers.next().unwrap());
        assert_eq!(client.ask(submit("", &body)).status, 422);
    });
    runbook::shows(alerts[0], &service, "value must be above zero");
}

/// What it depends on is away, from some moment on.
#[derive(Default)]
struct Dependent(AtomicBool);

impl Processor for Dependent {
    fn process(&self, _: &Order) -> Verdict {
        if self.0.load(Ordering::Relaxed) {
            return Verdict::retry("not today");
        }
        Verdict::Processed
    }
}

/// None of the processors in the binary asks for it.
pub(crate) fn are_to_come_again(prometheus: &Prometheus, alerts: &[&str]) {
    let flags = [
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
        ["--grpc-listen", "off"],
        ["--allowed-hosts", "orders"],
        ["--ledger", "memory"],
    ];
    let flags = [&["order-processor"][..], flags.as_flattened()].concat();
    let config = Config::parse_from(flags, [("", ""); 0]).unwrap();
    let processor = Arc::<Dependent>::default();
    let on_fault = |fault| panic!("{fault}");
    let mut server = Server::start_with(&config, processor.clone(), on_fault).unwrap();
    server.open().unwrap();
    let admin = server.admin().expect("there is one");
    let mut client = Client::to(server.http());
    assert_eq!(client.ask(order("well")).status, 201);
    let watched = prometheus.watch("again", &[admin]);
    watched.is_calm(alerts);
    processor.0.store(true, Ordering::Relaxed);
    watched.fires(alerts, || {
        let problem = client.ask(order("again")).problem(503);
        assert_eq!(problem["detail"], "not today");
    });
    assert!(server.drain(Duration::from_secs(30)).in_time);
}

pub(crate) fn push_others_out_of_the_window(prometheus: &Prometheus, alerts: &[&str]) {
    let service = Service::start(&["--dedupe-window", "10"]);
    let mut client = Client::to(service.http);
    let watched = prometheus.watch("window", &[service.admin]);
    assert_eq!(client.ask(order("first")).status, 201);
    watched.is_calm(alerts);
    let mut numbers = 0..;
    watched.fires(alerts, || {
        let id = format!("o-{}", numbers.next().unwrap());
        assert_eq!(client.ask(order(&id)).status, 201);
    });
}
