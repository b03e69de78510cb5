//! SIGTERM and SIGINT: what was taken gets its answer, what comes is told to go
//! elsewhere, and the exit code says how it went.

mod harness;

use std::time::Duration;

use harness::{
    Client, Crowd, Figures, PATIENCE, Service, get, on_both_engines, order, submit, until,
};
use rustix::process::Signal;

on_both_engines!(
    an_idle_process_ends_at_once,
    an_acknowledged_order_is_counted,
    those_who_wait_get_their_outcome,
    the_deadline_is_kept_and_the_lost_are_counted,
    a_second_signal_ends_it_at_once,
);

/// A service that takes so long for an order, with these flags.
fn slow(engine: &str, time: &str, flags: &[&str]) -> Service {
    Service::slow(engine, "2", time, flags)
}

fn an_idle_process_ends_at_once(engine: &str) {
    for signal in [Signal::TERM, Signal::INT] {
        let service = Service::on(engine, &["--drain-timeout", "1h"]);
        let mut idle = Client::to(service.http);
        assert_eq!(idle.ask(order("a")).status, 201);
        service.signal(signal);
        let ended = service.wait(PATIENCE);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("draining") && ended.log.contains("drained"));
        assert_eq!(ended.logged("drained"), 0);
        assert_eq!(ended.logged("kept"), 0);
        ended.logged("took_ms");
        idle.ends();
    }
}

fn an_acknowledged_order_is_counted(engine: &str) {
    let service = Service::on(engine, &["--drain-timeout", "20s"]);
    let crowd = Crowd::start(service.http, 6);
    until("under load", || crowd.replies() >= 200);
    let seen = service.figures();
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let replies = crowd.end();
    let mut seqs: Vec<u64> = Vec::new();
    for (id, reply) in &replies {
        match reply.status {
            201 => {
                assert_eq!(reply.json()["id"], **id);
                seqs.push(reply.json()["seq"].as_u64().unwrap());
            }
            _ => assert_eq!(reply.problem(503)["retry_safe"], true),
        }
    }
    seqs.sort_unstable();
    assert!(
        seqs.windows(2).all(|pair| pair[0] < pair[1]),
        "each sequence once"
    );
    assert!(
        seqs.len() as u64 >= seen.orders().1.saturating_sub(6),
        "those before the drain"
    );
    if engine == "native" {
        // Every reply got out: no sequence is missing among those acknowledged.
        let all: Vec<u64> = (1..=seqs.len() as u64).collect();
        assert_eq!(seqs, all);
    }
}

fn those_who_wait_get_their_outcome(engine: &str) {
    let service = slow(engine, "3s", &[]);
    let mut waiting: Vec<Client> = (0..4).map(|_| Client::to(service.http)).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        client.send(order(&format!("w{number}")));
    }
    until("all inside", || service.figures().orders().0 == 4);
    let mut open = Client::to(service.http);
    assert_eq!(
        open.ask("GET /healthz HTTP/1.1\r\nHost: o\r\n\r\n").status,
        200
    );
    let address = service.http;
    service.terminate();
    until("draining", || get(service.admin, "/readyz").status == 503);
    assert_eq!(
        get(service.admin, "/readyz").problem(503)["type"],
        "/problems/draining"
    );
    assert_eq!(get(service.admin, "/healthz").status, 200);

    // An open connection is told, and closed where the engine can.
    let reply = open.ask(order("late"));
    let problem = reply.problem(503);
    assert_eq!(
        (&problem["type"], &problem["retry_safe"]),
        (&"/problems/draining".into(), &true.into())
    );
    reply.retry_after();
    if engine == "native" {
        assert_eq!(reply.header("connection"), Some("close"));
        open.ends();
        until("refused", || Client::try_to(address).is_err());
    }
    // The other port answers all the way.
    let mut last = Figures::read(service.admin);
    while last.inside() > 0 {
        assert_eq!(last.get("ready"), 0.0);
        match Client::try_to(service.admin) {
            Err(_) => break, // the end, between two scrapes
            Ok(mut client) => {
                let asked = client.try_send("GET /metrics HTTP/1.1\r\nHost: o\r\n\r\n");
                let Some(reply) = asked.ok().and_then(|()| client.try_reply()) else {
                    break;
                };
                last = Figures::parse(reply.text());
            }
        }
    }
    assert_eq!(last.orders().0, 4);
    assert_eq!(last.rejected("draining"), 1);
    for client in &mut waiting {
        assert_eq!(client.reply().status, 201);
        client.ends();
    }
    let ended = service.wait(PATIENCE);
    assert_eq!((ended.code, ended.logged("drained")), (Some(0), 4));
}

fn the_deadline_is_kept_and_the_lost_are_counted(engine: &str) {
    let service = slow(engine, "10m", &["--drain-timeout", "300ms"]);
    let mut waiting: Vec<Client> = (0..5).map(|_| Client::to(service.http)).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        client.send(order(&format!("w{number}")));
    }
    for number in 0..7 {
        let body = format!(r#"{{"id":"q{number}","value":1}}"#);
        let asked = submit("Prefer: respond-async\r\n", &body);
        assert_eq!(Client::to(service.http).ask(asked).status, 202);
    }
    // One of those who wait is a duplicate of an order that somebody was told
    // is queued.
    let mut behind = Client::to(service.http);
    behind.send(order("q0"));
    until("all inside", || {
        let figures = service.figures();
        figures.inside() == 12 && figures.count("orders_duplicate") == 1
    });
    service.terminate();
    for client in waiting.iter_mut().chain([&mut behind]) {
        let reply = client.reply();
        assert_eq!(reply.problem(503)["retry_safe"], true);
        reply.retry_after();
    }
    let ended = service.wait(Duration::from_secs(20));
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!(ended.logged("lost"), 7, "{}", ended.log);
}

fn a_second_signal_ends_it_at_once(engine: &str) {
    for second in [Signal::TERM, Signal::INT] {
        let service = slow(engine, "10m", &["--drain-timeout", "1h"]);
        let mut waiting = Client::to(service.http);
        waiting.send(order("a"));
        until("inside", || service.figures().inside() == 1);
        service.terminate();
        until("draining", || get(service.admin, "/readyz").status == 503);
        // Another one, or the same one two seconds later.
        until("noticed", || {
            service.signal(second);
            service.log().contains("second signal")
        });
        let ended = service.wait(PATIENCE);
        assert_eq!(ended.code, Some(3), "{}", ended.log);
        assert!(ended.log.contains("second signal"), "{}", ended.log);
        waiting.ends();
    }
}
