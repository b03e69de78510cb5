//! What goes wrong around the service: no descriptors, a processor that panics
//! or balks, and clients that send whatever they like.

mod harness;

use std::sync::{Arc, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    BASE_FLAGS, Client, Directory, Figures, Service, get, on_both_engines, order, post, until,
};
use order_processor::internals::GateState;
use order_processor::internals::LAST_BYTES;
use order_processor::{Config, Order, Processor, Server, Verdict};

on_both_engines!(deep_nesting_is_an_answer, the_largest_bodies_are_an_answer,);

/// Starts under a limit of so many descriptors, fills it up with `seats`
/// clients inside and more outside, and holds that those inside are served,
/// nothing spins, and all is well afterwards.
fn short_of_descriptors(limit: usize, seats: usize, look_at: impl Fn(&Service)) {
    let mut command = Service::command_after(&format!("ulimit -n {limit}"));
    command.args(BASE_FLAGS);
    let service = Service::launch(command);
    let told = format!("--max-connections 10000 lowered to {seats}:");
    until(&told, || service.log().contains(&told));
    let figures = service.figures();
    assert_eq!(figures.get("process_max_fds"), limit as f64);
    assert_eq!(figures.get("http_connections_max"), seats as f64);

    let mut inside: Vec<Client> = (0..seats).map(|_| Client::to(service.http)).collect();
    for (number, client) in inside.iter_mut().enumerate() {
        assert_eq!(client.ask(order(&format!("in-{number}"))).status, 201);
    }
    // Many more, which stay, though they are told to go.
    let outside: Vec<Client> = (0..150).map(|_| Client::to(service.http)).collect();
    look_at(&service);
    for number in 0..3 {
        for (me, client) in inside.iter_mut().enumerate() {
            let id = format!("still-{number}-{me}");
            assert_eq!(client.ask(order(&id)).status, 201, "those inside go on");
        }
    }
    let before = service.cpu_time();
    let look = Duration::from_secs(1);
    thread::sleep(look); // the time looked at, not a wait for anything
    let spent = service.cpu_time().saturating_sub(before);
    assert!(
        spent < look / 4,
        "{spent:?} of processor time in {look:?}, doing nothing"
    );
    drop((inside, outside));
    until("taken again", || {
        let mut client = Client::to(service.http);
        let sent = client.try_send(order("after"));
        sent.is_ok()
            && client
                .try_reply()
                .is_some_and(|reply| matches!(reply.status, 200 | 201))
    });
    let orders = 4 * seats as u64 + 1;
    assert_eq!(service.settled().orders(), (orders, orders, 0));
    service.drain();
}

#[test]
fn more_clients_than_descriptors() {
    short_of_descriptors(240, 80, |service| {
        // The other port has descriptors in reserve.
        assert_eq!(get(service.admin, "/healthz").status, 200);
    });
}

#[test]
fn too_few_descriptors_to_serve_anybody() {
    let mut command = Service::command_after("ulimit -n 100");
    let output = command.args(BASE_FLAGS).output().expect("it runs");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("the limit of open descriptors is 100; raise it"),
        "{told}"
    );
}

#[test]
fn accepting_backs_off_when_descriptors_run_out() {
    let service = Service::start(&["--idle-timeout", "10m", "--head-timeout", "10m"]);
    let limit = |soft: usize| {
        let limit = format!("--nofile={soft}:");
        let pid = service.pid().to_string();
        let set = std::process::Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .status();
        assert!(set.expect("util-linux is there").success());
    };
    let mut inside = Client::to(service.http);
    assert_eq!(inside.ask(order("before")).status, 201);
    limit(4); // below what is open: nothing more can be
    let mut outside = Client::to(service.http); // connects to the backlog
    until("told", || {
        service.log().contains("can't accept connections")
    });
    let before = service.cpu_time();
    let look = Duration::from_secs(1);
    thread::sleep(look); // the time looked at, not a wait for anything
    let spent = service.cpu_time().saturating_sub(before);
    assert!(spent < look / 4, "{spent:?} of processor time in {look:?}");
    assert_eq!(
        inside.ask(order("meanwhile")).status,
        201,
        "those inside go on"
    );
    limit(1000);
    assert_eq!(outside.ask(order("after")).status, 201, "taken by itself");
    service.drain();
}

/// Panics at ids that begin with `panic`; balks once at those that begin with
/// `retry`.
struct Moody(std::sync::Mutex<Vec<String>>);

impl Processor for Moody {
    fn process(&self, order: &Order) -> Verdict {
        let id = order.id().as_str();
        assert!(!id.starts_with("panic"), "as the test asked for");
        if id.starts_with("retry") {
            let mut seen = self.0.lock().unwrap();
            if !seen.iter().any(|other| other == id) {
                seen.push(id.to_owned());
                return Verdict::retry("the other side is away");
            }
        }
        Verdict::Processed
    }
}

#[test]
fn a_processor_may_panic_or_ask_for_a_retry() {
    let flags = ["order-processor"].iter().chain(&BASE_FLAGS).copied();
    let config = Config::parse_from(
        flags,
        [("ORDERS_WORKERS", "2"), ("ORDERS_ALLOWED_HOSTS", "orders")],
    )
    .unwrap();
    let processor = Arc::new(Moody(std::sync::Mutex::default()));
    let mut server = Server::start_with(&config, processor, |fault| panic!("{fault}")).unwrap();
    server.open().unwrap();
    let (http, admin) = (server.http(), server.admin().expect("not off"));

    for number in 0..10 {
        let body = format!(r#"{{"id":"panic-{number}","value":1}}"#);
        let problem = post(http, "", &body).problem(422);
        assert_eq!(problem["detail"], "the processor panicked");
        assert_eq!(problem["seq"], 2 * number + 1);
        let well = post(http, "", &format!(r#"{{"id":"well-{number}","value":1}}"#));
        assert_eq!(well.json()["seq"], 2 * number + 2, "the workers go on");
    }
    for number in 0..3 {
        let id = format!("retry-{number}");
        let body = format!(r#"{{"id":"{id}","value":1}}"#);
        let reply = post(http, "", &body);
        let problem = reply.problem(503);
        assert_eq!(problem["retry_safe"], true);
        assert_eq!(problem["detail"], "the other side is away");
        reply.retry_after();
        get(http, &format!("/orders/{id}")).problem(404);
        // The id is free, for other content too, and no sequence was used.
        let body = format!(r#"{{"id":"{id}","value":2}}"#);
        let again = post(http, "", &body);
        assert_eq!(
            (again.status, &again.json()["seq"]),
            (201, &(21 + number).into())
        );
    }
    let figures = Figures::settled(admin);
    assert_eq!(figures.orders(), (26, 13, 10));
    assert_eq!(figures.count("orders_withdrawn{reason=\"retry\"}"), 3);
    let drained = server.drain(harness::PATIENCE);
    assert!(drained.in_time && drained.lost == 0, "{drained:?}");
}

/// Is done with no order before it is let go, and says that it is quick.
struct Held(std::sync::Mutex<mpsc::Receiver<()>>);

impl Processor for Held {
    fn process(&self, _: &Order) -> Verdict {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
        assert!(told.is_err(), "let go by dropping");
        Verdict::Processed
    }
    fn is_quick(&self) -> bool {
        true
    }
}

/// Orders that are with a processor when the ledger fails are waited for.
#[test]
fn a_fault_loses_no_acknowledged_order_that_is_with_a_processor() {
    let directory = Directory::new();
    let data = directory.0.to_str().unwrap();
    let base = BASE_FLAGS.map(|flag| if flag == "memory" { "journal" } else { flag });
    let flags = ["order-processor"].into_iter().chain(base);
    let flags = flags.chain(["--data-dir", data]);
    let config = Config::parse_from(
        flags,
        [("ORDERS_WORKERS", "1"), ("ORDERS_ALLOWED_HOSTS", "orders")],
    )
    .unwrap();
    let (held, told) = mpsc::channel();
    let processor = Arc::new(Held(std::sync::Mutex::new(told)));
    let mut server = Server::start_with(&config, processor, |fault| panic!("{fault}")).unwrap();
    server.open().unwrap();
    let pipeline = server.pipeline().clone();
    for number in 0..3 {
        let body = format!(r#"{{"id":"o-{number}","value":1}}"#);
        let reply = post(server.http(), "Prefer: respond-async\r\n", &body);
        assert_eq!(reply.status, 202);
    }
    until("the worker has one", || pipeline.depth() == 2);
    pipeline.gate.close(GateState::LedgerDown); // as a ledger that fails does
    thread::scope(|scope| {
        scope.spawn(|| {
            until("the force drain has begun", || pipeline.is_force_draining());
            drop(held);
        });
        server.abandon();
    });

    let service = directory.start(&[]);
    for number in 0..3 {
        let outcome = format!("/orders/o-{number}");
        until("committed", || {
            get(service.http, &outcome).json()["status"] == "processed"
        });
    }
    service.drain();
}

/// The process ends soon after a fault: the client of a batch gets its 503
/// before that, however slowly it sends.
#[test]
fn a_fault_answers_a_batch_at_once() {
    // A busy machine adds to the time, though not each time.
    let mut times = (0..5).map(|_| abandoned_with_a_batch());
    let at_once = times.any(|took| took < LAST_BYTES);
    assert!(at_once, "waited for the rest of it");
}

/// How long it takes to abandon a service that is being sent a batch, which is
/// answered.
fn abandoned_with_a_batch() -> Duration {
    let flags = ["order-processor"].iter().chain(&BASE_FLAGS).copied();
    let config = Config::parse_from(
        flags,
        [("ORDERS_WORKERS", "1"), ("ORDERS_ALLOWED_HOSTS", "orders")],
    )
    .unwrap();
    let mut server = Server::start(&config, |fault| panic!("{fault}")).unwrap();
    server.open().unwrap();
    let mut client = Client::to(server.http());
    let head = "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n";
    client.send(format!("{head}Content-Length: 1000\r\n\r\n"));
    client.send("{\"id\":\"a\",\"value\":1}\n{\"id\"");
    let pipeline = server.pipeline().clone();
    until("one is in", || pipeline.metrics.ledger.outcomes() == 1);
    pipeline.gate.close(GateState::LedgerDown); // as a ledger that fails does
    let start = Instant::now();
    server.abandon();
    let took = start.elapsed();
    client.reply().problem(503);
    client.ends();
    took
}

/// Ids that leave the window sooner than a client may come back are told, once
/// a minute.
#[test]
fn a_dedupe_window_too_short_for_the_load_is_told() {
    let service = Service::start(&["--dedupe-window", "10", "--ack-timeout", "1h"]);
    let told = || service.log().matches("raise --dedupe-window").count();
    let mut client = Client::to(service.http);
    for number in 0..10 {
        assert_eq!(client.ask(order(&format!("o-{number}"))).status, 201);
    }
    assert_eq!(told(), 0, "nothing has left the window");
    let mut number = 10;
    until("told", || {
        number += 1;
        assert_eq!(client.ask(order(&format!("o-{number}"))).status, 201);
        told() > 0
    });
    for more in 0..50 {
        assert_eq!(client.ask(order(&format!("more-{more}"))).status, 201);
    }
    let log = service.drain().log;
    assert_eq!(log.matches("raise --dedupe-window").count(), 1, "{log}");
}

#[test]
fn a_dedupe_window_long_enough_is_not_told() {
    let service = Service::start(&["--dedupe-window", "10", "--ack-timeout", "1ms"]);
    let mut client = Client::to(service.http);
    let mut full = None;
    // It is looked at once a second.
    for number in 0.. {
        client.ask(order(&format!("o-{number}")));
        until("committed", || service.figures().orders().1 == number + 1);
        // Ten ids then reach back 45 ms and more, and 2 ms would do.
        thread::sleep(Duration::from_millis(5));
        if number == 10 {
            full = Some(Instant::now());
        }
        if full.is_some_and(|full| full.elapsed() > Duration::from_millis(1200)) {
            break;
        }
    }
    let log = service.drain().log;
    assert!(!log.contains("raise --dedupe-window"), "{log}");
}

fn deep_nesting_is_an_answer(engine: &str) {
    let service = Service::on(engine, &[]);
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for depth in [31, 32, 33, 10_000] {
            let inner = if open == "[" { "" } else { "1" };
            let nested = [&open.repeat(depth), inner, &close.repeat(depth)].concat();
            let id = format!("deep-{}-{depth}", open.len());
            let reply = post(
                service.http,
                "",
                &format!(r#"{{"id":"{id}","value":1,"x":{nested}}}"#),
            );
            // The order itself is the first level.
            if depth < 32 {
                assert_eq!(reply.status, 201, "{depth}");
            } else if reply.status != 413 {
                let detail = reply.problem(400)["detail"].as_str().unwrap().to_owned();
                assert!(detail.contains("nested deeper"), "{depth}: {detail}");
            }
        }
        // Nor does it matter that it never closes.
        post(
            service.http,
            "",
            &format!(r#"{{"id":"a","value":1,"x":{}"#, open.repeat(10_000)),
        )
        .problem(400);
    }
    assert_eq!(service.settled().orders(), (2, 2, 0));
}

fn the_largest_bodies_are_an_answer(engine: &str) {
    let service = Service::on(engine, &[]);
    const MAX: usize = 64 << 10;
    let fill = |part: &str| {
        let frame = r#"{"id":"bomb","value":1,"x":[]}"#.len();
        let parts = (MAX - frame) / (part.len() + 1);
        let list = vec![part; parts].join(",");
        format!(r#"{{"id":"bomb","value":1,"x":[{list}]}}"#)
    };
    let names: String = (0..6000).map(|name| format!(r#""{name}":0,"#)).collect();
    let same: String = r#""\u0061":0,"#.repeat(5000);
    let digits = "9".repeat(MAX - 40);
    for (body, status) in [
        (fill("0"), 201),
        (fill(r#""""#), 409),
        (fill("{}"), 409),
        (fill(r#""\ud83d\ude00""#), 409),
        (fill("1e999999999"), 409),
        (format!(r#"{{{names}"id":"names","value":1}}"#), 201),
        (format!(r#"{{{same}"id":"same","value":1}}"#), 400),
        (format!(r#"{{"id":"digits","value":{digits}}}"#), 400),
        (format!(r#"{{"id":"digits","value":0.{digits}}}"#), 400),
        (r#"{"id":"digits","value":1e-999999999999}"#.into(), 400),
        (r#"{"id":"digits","value":1e999999999999}"#.into(), 400),
        (" ".repeat(MAX), 400),
        ("\0".repeat(MAX), 400),
    ] {
        assert!(body.len() <= MAX, "{}", body.len());
        let start = Instant::now();
        let reply = post(service.http, "", &body);
        assert_eq!(reply.status, status, "{:.80}: {}", body, reply.text());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?} for {body:.80}");
    }
    service.settled();
}
