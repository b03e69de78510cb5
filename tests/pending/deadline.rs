//! Drains that end in time, and drains at whose deadline orders are left.

use std::collections::BTreeSet;

use crate::harness::{Client, Directory, Figures, PATIENCE, get, order, post, submit, until};
use crate::{STUCK, acknowledged, file, holds, late, one_outcome_each, pending_in};

#[test]
fn acknowledged_orders_are_kept_and_others_are_not() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    let mut ids: Vec<String> = Vec::new();
    // Asked for: two with the workers, the others in the queue.
    for number in 0..5 {
        acknowledged(&service, &format!("async-{number}"));
        ids.push(format!("async-{number}"));
    }
    // Not in time.
    let body = |id: &str| format!(r#"{{"id":"{id}","value":1}}"#);
    let patient = submit("Prefer: wait=1\r\n", &body("timed-out"));
    assert_eq!(Client::to(service.http).ask(patient).status, 202);
    ids.push("timed-out".into());
    // One client waits, and its duplicate is acknowledged.
    let mut first = Client::to(service.http);
    first.send(order("twice"));
    until("inside", || service.figures().inside() == 7);
    let again = post(service.http, "Prefer: respond-async\r\n", &body("twice"));
    assert_eq!(again.status, 202);
    ids.push("twice".into());
    // None of these is acknowledged.
    let mut waiting: Vec<Client> = (0..4).map(|_| Client::to(service.http)).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        client.send(order(&format!("waits-{number}")));
    }
    until("all inside", || service.figures().inside() == 11);

    late(service, 7);
    for client in waiting.iter_mut().chain([&mut first]) {
        assert_eq!(client.reply().problem(503)["retry_safe"], true);
    }
    assert_eq!(pending_in(&directory), 7);
    for id in &ids {
        assert!(holds(&directory, id), "{id}");
    }
    assert!(!(0..4).any(|number| holds(&directory, &format!("waits-{number}"))));

    let next = directory.start(&[]);
    let figures = next.settled();
    assert_eq!(figures.orders(), (7, 7, 0));
    until("removed", || !file(&directory).exists());
    let unknown = get(next.http, "/orders/waits-0");
    assert_eq!(unknown.status, 404);
    one_outcome_each(&next, &ids);
    next.drain();
    assert!(!file(&directory).exists());
}

#[test]
fn pending_orders_are_queued_from_the_start_and_saved_again() {
    let directory = Directory::new();
    let flags = [&STUCK[..], &["--ack", "queued"]].concat();
    let service = directory.start(&flags);
    let mut ids: Vec<String> = (0..50).map(|number| format!("q-{number}")).collect();
    for id in &ids {
        assert_eq!(Client::to(service.http).ask(order(id)).status, 202);
    }
    late(service, 50);

    // A queue that is much smaller, and nobody comes to an end.
    let flags = [&STUCK[..], &["--queue-capacity", "4"]].concat();
    let service = directory.start(&flags);
    for id in &ids {
        assert_eq!(
            get(service.http, &format!("/orders/{id}")).json()["status"],
            "queued"
        );
    }
    let figures = service.figures();
    assert_eq!((figures.orders(), figures.inside()), ((50, 0, 0), 50));
    assert!(figures.get("queue_bytes") > 50.0 * 512.0);
    until("half of the queue and the workers are fed", || {
        service.figures().get("queue_depth") == 2.0
    });
    // The ids are taken.
    let same = post(
        service.http,
        "Prefer: wait=1\r\n",
        r#"{"value":1.0,"id":"q-49"}"#,
    );
    assert_eq!(same.status, 202);
    let other = post(service.http, "", r#"{"id":"q-49","value":2}"#);
    assert_eq!(other.problem(409)["retry_safe"], true);
    assert_eq!(service.figures().count("orders_duplicate"), 1);
    // Other orders get the other half of the queue, and are saved with them.
    for number in 0..2 {
        let id = format!("new-{number}");
        acknowledged(&service, &id);
        ids.push(id);
    }
    let refused = post(service.http, "", r#"{"id":"no-space","value":1}"#);
    assert_eq!(refused.status, 503);
    late(service, 52);

    // No order is lost, and none has two outcomes.
    let service = directory.start(&["--queue-capacity", "1"]);
    assert_eq!(service.settled().orders(), (52, 52, 0));
    until("removed", || !file(&directory).exists());
    one_outcome_each(&service, &ids);
    service.drain();
}

#[test]
fn a_drain_in_time_finishes_pending_orders() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    let ids: Vec<String> = (0..20).map(|number| format!("o-{number}")).collect();
    ids.iter().for_each(|id| acknowledged(&service, id));
    late(service, 20);
    let slow = ["--processor", "simulate", "--simulate", "300ms..300ms"];
    let flags = ["--workers", "2", "--queue-capacity", "2"];
    let service = directory.start(&[&slow[..], &flags].concat());
    assert!(file(&directory).exists());
    let ended = service.drain();
    assert_eq!(ended.logged("kept"), 0);
    // More than the queue and the workers hold.
    assert!(ended.logged("drained") > 5, "{}", ended.log);
    assert!(!file(&directory).exists());
    let service = directory.start(&[]);
    one_outcome_each(&service, &ids);
    service.drain();
}

/// All in time: nothing is left of the file.
#[test]
fn a_drain_in_time_leaves_no_file() {
    let directory = Directory::new();
    let slow = ["--processor", "simulate", "--simulate", "300ms..300ms"];
    let flags = [&slow[..], &["--workers", "1", "--ack", "queued"]].concat();
    let service = directory.start(&flags);
    let mut client = Client::to(service.http);
    // At once: the worker falls behind.
    let orders = (0..10).map(|number| order(&format!("o-{number}")));
    client.send(orders.collect::<String>());
    for _ in 0..10 {
        assert_eq!(client.reply().status, 202);
    }
    let ended = service.drain();
    assert!(
        ended.log.contains("are in the pending file"),
        "{}",
        ended.log
    );
    assert_eq!(ended.logged("kept"), 0);
    assert!(!file(&directory).exists());
    let service = directory.start(&[]);
    assert!(!service.log().contains("pending orders"));
    service.drain();
}

/// Submissions while the deadline passes: those acknowledged have an outcome
/// after the next start, and those refused are not saved.
#[test]
fn acknowledged_while_the_deadline_passes() {
    for round in 0..4 {
        let directory = Directory::new();
        let service = directory.start(&[
            "--processor",
            "simulate",
            "--simulate",
            "1ms..30ms",
            "--drain-timeout",
            "60ms",
            "--ack-timeout",
            ["20ms", "40ms", "60ms", "80ms"][round],
        ]);
        let address = service.http;
        let crowd: Vec<_> = (0..16)
            .map(|me| {
                std::thread::spawn(move || {
                    let mut replies = Vec::new();
                    let Ok(mut client) = Client::try_to(address) else {
                        return replies;
                    };
                    for number in 0.. {
                        let id = format!("o-{me}-{number}");
                        if client.try_send(order(&id)).is_err() {
                            break;
                        }
                        let Some(reply) = client.try_reply() else {
                            break;
                        };
                        replies.push((id, reply.status));
                        if reply.header("connection") == Some("close") {
                            break;
                        }
                    }
                    replies
                })
            })
            .collect();
        until("under load", || service.figures().orders().1 > 20);
        service.terminate();
        let ended = service.wait(PATIENCE);
        assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.log);
        let replies: Vec<_> = crowd
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect();
        let with = |status: u16| -> BTreeSet<&str> {
            let of = replies.iter().filter(|(_, other)| *other == status);
            of.map(|(id, _)| id.as_str()).collect()
        };
        let service = directory.start(&[]);
        let kept = Figures::read(service.admin).orders().0;
        assert_eq!(kept, ended.logged("kept"));
        service.settled();
        for id in &with(202) {
            let found = get(service.http, &format!("/orders/{id}"));
            assert_eq!(found.status, 200, "{id} was acknowledged, round {round}");
        }
        for id in &with(503) {
            let found = get(service.http, &format!("/orders/{id}"));
            assert_eq!(found.status, 404, "{id} was refused, round {round}");
        }
        service.drain();
    }
}
