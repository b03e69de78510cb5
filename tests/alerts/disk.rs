//! Causes under the journal: strace makes its system calls fail or hang.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::harness::{Client, Directory, Injected, Small, get, order, submit, until};
use crate::prometheus::Prometheus;
use crate::runbook;

pub(crate) fn has_no_space(prometheus: &Prometheus, alerts: &[&str]) {
    let data = Directory::new();
    let service = data.start(&[]);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
    let watched = prometheus.watch("full", &[service.admin]);
    watched.is_calm(alerts);
    let _full = Injected::into_committer(&service, "pwrite64", "error=ENOSPC");
    client.send(order("waits"));
    let mut client = Client::to(service.http);
    let not_ready = || get(service.admin, "/readyz").status == 503;
    until("not ready", not_ready);
    watched.fires(alerts, || {
        assert_eq!(client.ask(order("refused")).status, 503);
    });
    runbook::shows("OrdersNotReady", &service, "no space for orders");
}

/// A disk that never answers: past the deadline, too, the drain waits for it.
pub(crate) fn hangs_in_a_drain(prometheus: &Prometheus, alerts: &[&str]) {
    let data = Directory::new();
    let service = data.start(&["--drain-timeout", "1s"]);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
    let watched = prometheus.watch("drain", &[service.admin]);
    watched.is_calm(alerts);
    let _hangs = Injected::into(&service, "fdatasync", "delay_enter=600000000");
    // The first is being committed, and the drain begins by saving the second.
    for id in ["first", "second"] {
        let body = format!(r#"{{"id":"{id}","value":1}}"#);
        let reply = client.ask(submit("Prefer: respond-async\r\n", &body));
        assert_eq!(reply.status, 202);
        if id == "first" {
            until("on its way", || service.figures().get("queue_depth") == 0.0);
        }
    }
    service.terminate();
    watched.fires(alerts, || {});
    assert!(!service.log().contains("saved="), "{}", service.log());
    runbook::shows("OrdersDrainOverrun", &service, "preallocator");
}

pub(crate) fn is_slow(prometheus: &Prometheus, alerts: &[&str]) {
    let data = Directory::new();
    let service = data.start(&["--log-level", "debug"]);
    let watched = prometheus.watch("slow", &[service.admin]);
    watched.is_calm(alerts);
    let _slow = Injected::into_committer(&service, "fdatasync", "delay_enter=100000");
    let mut client = Client::to(service.http);
    let mut numbers = 0..;
    watched.fires(alerts, || {
        let id = format!("o-{}", numbers.next().unwrap());
        assert_eq!(client.ask(order(&id)).status, 201);
    });
    let line = ["a commit took long", "segment_us=", "write_us=", "sync_us="];
    assert!(line.iter().all(|part| service.log().contains(part)));
}

pub(crate) fn gives_no_segment(prometheus: &Prometheus, alerts: &[&str]) {
    let data = Directory::new();
    let service = data.start(&[]);
    let watched = prometheus.watch("segment", &[service.admin]);
    watched.is_calm(alerts);
    let _fails = Injected::into_thread(&service, "preallocator", "openat", "error=EMFILE");
    // Takes the first segment, upon which the second one is made.
    assert_eq!(Client::to(service.http).ask(order("one")).status, 201);
    watched.fires(alerts, || {});
    runbook::shows(alerts[0], &service, "can't make journal-0000000002.seg");
}

pub(crate) fn changes_a_byte(prometheus: &Prometheus, alerts: &[&str]) {
    let data = Directory::new();
    let service = data.start(&[]);
    let mut client = Client::to(service.http);
    for id in ["order-1", "order-2", "order-3"] {
        assert_eq!(client.ask(order(id)).status, 201);
    }
    assert_eq!(get(service.http, "/orders/order-2").status, 200);
    let watched = prometheus.watch("damaged", &[service.admin]);
    watched.is_calm(alerts);
    let segment = data.0.join("journal-0000000001.seg");
    let bytes = fs::read(&segment).unwrap();
    let second = bytes.windows(7).position(|seven| seven == b"order-2");
    let file = fs::File::options().write(true).open(&segment).unwrap();
    file.write_all_at(b"?", second.unwrap() as u64).unwrap();
    watched.fires(alerts, || {
        assert_eq!(get(service.http, "/orders/order-2").status, 500);
    });
    let named = "sequence 2 can't be read: journal-0000000001.seg is damaged at offset";
    assert!(service.log().contains(named), "{}", service.log());
}

/// On a small file system of its own, which takes root.
pub(crate) fn fills(prometheus: &Prometheus, alerts: &[&str]) {
    let Some(small) = Small::mount(64) else {
        return;
    };
    let data = small.directory();
    data.make_with_segments_of(1 << 20);
    let service = data.start(&[]);
    let watched = prometheus.watch("fills", &[service.admin]);
    watched.is_calm(alerts);
    let volume = data.0.parent().unwrap();
    let mut numbers = 0..60;
    watched.fires(alerts, || {
        if let Some(number) = numbers.next() {
            fs::write(volume.join(format!("filler-{number}")), vec![1; 1 << 19]).unwrap();
        }
    });
    runbook::shows(alerts[0], &service, "journal_free_bytes");
}
