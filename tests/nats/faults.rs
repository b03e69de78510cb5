//! One server that is killed, stopped, full, or loses the stream.

use std::collections::HashMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Client, Directory, PATIENCE, Service, get, order, post, until};
use crate::load::{Persistent, Told, agrees, end_alike, factor, feed};
use crate::proxy::Proxy;
use crate::servers::{NatsServer, instance};

#[test]
fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let mut server = NatsServer::start("");
    let flags = ["--ack-timeout", "5s"];
    let (one, two) = (server.instance(&flags), server.instance(&flags));
    let clients = Persistent::start(&[one.http, two.http], 8);
    for _ in 0..3 * factor() {
        clients.more(100, "orders are acknowledged");
        server.kill();
        until("not ready", || get(one.admin, "/readyz").status == 503);
        server.run();
        until("ready again", || {
            [one.admin, two.admin]
                .iter()
                .all(|admin| get(*admin, "/readyz").status == 200)
        });
    }
    clients.more(100, "orders are acknowledged");
    end_alike(clients, [one, two]);
}

/// A server that hangs for longer than the ack timeout: those who wait hear that
/// nothing is known and that a retry is safe, and it is.
#[test]
fn a_server_that_hangs_is_a_503_and_a_retry_finds_out() {
    let server = NatsServer::start("");
    let service = server.instance(&["--ack-timeout", "1s"]);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    server.signal(Signal::STOP);
    let problem = post(service.http, "", r#"{"id":"b","value":1}"#).problem(503);
    assert_eq!(problem["retry_safe"], true, "{problem}");
    until("not ready", || {
        // Something has to be in flight for a stall to be noticed.
        let reply = post(service.http, "", r#"{"id":"c","value":1}"#);
        reply.problem(503);
        get(service.admin, "/readyz").status == 503
    });
    assert_eq!(get(service.admin, "/healthz").status, 200);
    server.signal(Signal::CONT);
    until("ready again", || {
        get(service.admin, "/readyz").status == 200
    });
    for id in ["b", "c", "d"] {
        let order = format!(r#"{{"id":"{id}","value":1}}"#);
        until("an outcome", || {
            [200, 201].contains(&post(service.http, "", &order).status)
        });
        let other = format!(r#"{{"id":"{id}","value":2}}"#);
        post(service.http, "", &other).problem(409);
    }
    let feed = feed(service.http);
    assert_eq!(feed.len(), 4);
    assert_eq!(server.state()["messages"], 4);
    let figures = service.settled();
    assert!(figures.count("orders_withdrawn{reason=\"ledger\"}") >= 1);
    service.drain();
}

#[test]
fn a_drain_does_not_wait_for_a_server_past_its_deadline() {
    let server = NatsServer::start("");
    let service = server.instance(&["--drain-timeout", "1s"]);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    server.signal(Signal::STOP);
    let http = service.http;
    let waiting = std::thread::spawn(move || post(http, "", r#"{"id":"b","value":1}"#));
    until("in flight", || get(service.http, "/orders/b").status == 200);
    service.terminate();
    let problem = waiting.join().unwrap().problem(503);
    assert_eq!(problem["retry_safe"], true);
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!((ended.logged("kept"), ended.logged("lost")), (0, 0));
    server.signal(Signal::CONT);
}

#[test]
fn a_full_stream_sheds_orders_until_there_is_space() {
    let server = NatsServer::start("");
    // The stream as an instance makes it, but small.
    server.instance(&[]).drain();
    let mut config = server.api("STREAM.INFO.ORDERS", &json!({}))["config"].clone();
    config["max_msgs"] = json!(3);
    let updated = server.api("STREAM.UPDATE.ORDERS", &config);
    assert!(updated["error"].is_null(), "{updated}");
    let service = server.instance(&["--ack-timeout", "1s"]);
    for id in ["a", "b", "c"] {
        let order = format!(r#"{{"id":"{id}","value":1}}"#);
        assert_eq!(post(service.http, "", &order).status, 201);
    }
    let problem = post(service.http, "", r#"{"id":"d","value":1}"#).problem(503);
    assert_eq!(problem["retry_safe"], true);
    // Not ready for some seconds after each refusal.
    until("not ready, and refused at once", || {
        post(service.http, "", r#"{"id":"d","value":1}"#).problem(503);
        get(service.admin, "/readyz").status == 503
            && post(service.http, "", r#"{"id":"a","value":1}"#).status == 503
    });
    // What is known is known.
    assert_eq!(get(service.http, "/orders/a").status, 200);
    config["max_msgs"] = json!(-1);
    server.api("STREAM.UPDATE.ORDERS", &config);
    until("taken again", || {
        post(service.http, "", r#"{"id":"d","value":1}"#).status / 100 == 2
    });
    until("ready", || get(service.admin, "/readyz").status == 200);
    assert_eq!(server.state()["messages"], 4);
    let ended = service.drain();
    assert!(ended.log.contains("the stream is full"), "{}", ended.log);
}

/// A stream that is deleted has forgotten all ids: there is no going on.
#[test]
fn a_deleted_stream_ends_the_process() {
    for again in [false, true] {
        let server = NatsServer::start("");
        let service = server.instance(&["--ack-timeout", "20s"]);
        assert_eq!(
            post(service.http, "", r#"{"id":"a","value":1}"#).status,
            201
        );
        let config = server.api("STREAM.INFO.ORDERS", &json!({}))["config"].clone();
        server.api("STREAM.DELETE.ORDERS", &json!({}));
        if again {
            let created = server.api("STREAM.CREATE.ORDERS", &config);
            assert!(created["error"].is_null(), "{created}");
        }
        // Another order makes it notice at once.
        let replied = Client::try_to(service.http).ok().and_then(|mut client| {
            client.try_send(order("b")).ok()?;
            client.try_reply()
        });
        // It may have noticed by itself.
        let said = replied.map(|reply| reply.status);
        assert!(
            said.is_none_or(|status| status == 503),
            "no false yes: {said:?}"
        );
        let ended = service.wait(PATIENCE + Duration::from_secs(10));
        assert_eq!(ended.code, Some(4), "{}", ended.log);
        assert!(ended.log.contains("has forgotten ids"), "{}", ended.log);
    }
}

/// An instance that is cut off from the server: it says so, the other one goes
/// on, and when the network is whole again both say the same.
#[test]
fn an_instance_that_is_cut_off_does_no_harm() {
    let server = NatsServer::start("");
    let proxy = Proxy::to(server.address());
    let flags = ["--ack-timeout", "1s"];
    let one = Service::launch(instance(&proxy.address.to_string(), &flags));
    let two = server.instance(&flags);
    let clients = Persistent::start(&[one.http, two.http], 6);
    for _ in 0..2 * factor() {
        clients.more(50, "orders are acknowledged");
        proxy.cut();
        until("not ready", || get(one.admin, "/readyz").status == 503);
        clients.more(50, "the other one goes on");
        proxy.heal();
        until("ready again", || get(one.admin, "/readyz").status == 200);
    }
    end_alike(clients, [one, two]);
}

/// An instance that is killed has lost nothing that it told anyone.
#[test]
fn a_killed_instance_loses_nothing_that_it_acknowledged() {
    let server = NatsServer::start("");
    let two = server.instance(&[]);
    let mut told = HashMap::new();
    for _ in 0..2 * factor() {
        let one = server.instance(&[]);
        let clients = Persistent::named(&format!("k{}-", told.len()), &[one.http], 8);
        clients.more(200, "orders are acknowledged");
        one.signal(Signal::KILL);
        drop(one);
        told.extend(clients.end());
    }
    let feed = feed(two.http);
    agrees(&told, &feed);
    // Another instance answers for it: at most 8 orders were not told.
    for (id, answer) in told.iter().take(20) {
        let order = format!(r#"{{"id":"{id}","value":1}}"#);
        let reply = post(two.http, "", &order);
        assert_eq!(
            (reply.status, Told::of(&reply).as_ref()),
            (200, Some(answer))
        );
    }
    assert!(feed.len() <= told.len() + 16 * factor());
    two.drain();
}

#[test]
fn a_user_without_the_permission_to_publish_is_a_503() {
    let server = NatsServer::start(
        "authorization { users: [\n\
         { user: all, password: p }\n\
         { user: reader, password: p, permissions: { publish: { deny: \"orders.*\" } } }\n\
         ] }\n",
    );
    let directory = Directory::new();
    std::fs::create_dir(&directory.0).unwrap();
    let file = directory.0.join("password");
    std::fs::write(&file, "p").unwrap();
    let file = file.to_str().unwrap();
    let flags = [
        "--ack-timeout",
        "1s",
        "--nats-password-file",
        file,
        "--nats-user",
        "reader",
    ];
    let service = server.instance(&flags);
    let problem = post(service.http, "", r#"{"id":"a","value":1}"#).problem(503);
    assert_eq!(problem["retry_safe"], true);
    until("given up", || get(service.http, "/orders/a").status == 404);
    let log = service.drain().log;
    assert!(
        log.to_lowercase().contains("permissions violation"),
        "{log}"
    );
}
