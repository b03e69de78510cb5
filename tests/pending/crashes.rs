//! Ends of the process that nobody planned, in a drain and at work on pending
//! orders.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Client, Directory, Injected, PATIENCE, get, order, submit, until};
use crate::{STUCK, acknowledged, file, holds, late, one_outcome_each, pending_in};

/// Ends the process again and again while it works on pending orders: by kill -9
/// and by drains that are too short, with a window that forgets at once; all
/// over again until there were enough of both.
#[test]
fn kills_and_short_drains_leave_one_outcome_each() {
    let (mut kills, mut drains, mut times) = (0, 0, 0);
    while kills < 3 || drains < 2 {
        let (killed, drained) = ended_again_and_again();
        (kills, drains, times) = (kills + killed, drains + drained, times + 1);
        assert!(times < 20, "{kills} kills, {drains} drains");
    }
}

/// Returns how often it was killed, and drained too shortly.
fn ended_again_and_again() -> (u32, u32) {
    let directory = Directory::new();
    let service = directory.start(&[&STUCK[..], &["--ack", "queued"]].concat());
    let ids: Vec<String> = (0..400).map(|number| format!("o-{number}")).collect();
    let mut client = Client::to(service.http);
    for id in &ids {
        assert_eq!(client.ask(order(id)).status, 202);
    }
    drop(client);
    late(service, 400);
    let flags = [
        "--processor",
        "simulate",
        "--simulate",
        "1ms..4ms",
        "--workers",
        "2",
        "--queue-capacity",
        "16",
        "--dedupe-window",
        "4",
        "--drain-timeout",
        "1ms",
    ];
    let (mut left, mut kills, mut drains) = (400, 0, 0);
    for round in 0.. {
        let service = directory.start(&flags);
        let accepted = service.figures().orders().0;
        assert!(accepted <= left, "{accepted} of {left}");
        left = accepted;
        let some = (left * 3 / 4).saturating_sub(20);
        until("some are done", || {
            service.figures().inside() as u64 <= some
        });
        if round % 2 == 0 {
            service.signal(Signal::KILL);
            service.wait(PATIENCE);
            kills += 1;
        } else {
            service.terminate();
            let ended = service.wait(PATIENCE);
            drains += u32::from(ended.code == Some(3));
            assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.log);
            assert_eq!(ended.logged("kept") > 0, file(&directory).exists());
            left -= ended.logged("drained").min(left);
        }
        if left == 0 || some == 0 {
            break;
        }
    }
    let service = directory.start(&[]);
    service.settled();
    until("removed", || !file(&directory).exists());
    one_outcome_each(&service, &ids);
    service.drain();
    (kills, drains)
}

/// Kill -9 at any moment of a drain, again and again, from when it has said that
/// acknowledged orders are on disk.
#[test]
fn a_kill_in_a_drain_loses_none() {
    let slow = ["--processor", "simulate", "--simulate", "1ms..6ms"];
    let flags = [
        &slow[..],
        &["--workers", "2", "--dedupe-window", "16"],
        &["--ack", "queued", "--drain-timeout", "1h"],
    ]
    .concat();
    let directory = Directory::new();
    let mut ids: Vec<String> = Vec::new();
    let mut random = std::process::id() as usize;
    println!("seed {random}");
    let (mut saved, mut rounds) = (0, 0);
    while saved < 8 {
        assert!(rounds < 40, "{saved} drains of {rounds} saved orders");
        let service = directory.start(&flags);
        let new: Vec<String> = (0..100).map(|n| format!("o-{rounds}-{n}")).collect();
        rounds += 1;
        let mut client = Client::to(service.http);
        // At once: the workers fall behind.
        client.send(new.iter().map(|id| order(id)).collect::<String>());
        for _ in &new {
            assert_eq!(client.reply().status, 202);
        }
        ids.extend(new);
        drop(client);
        service.terminate();
        // Or all of them were done before it began.
        until("they are on disk", || {
            let log = service.log();
            log.contains("are in the pending file") || log.contains("drained")
        });
        saved += u32::from(service.log().contains("are in the pending file"));
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Some of them are done by then, or all; it waits for nothing.
        std::thread::sleep(Duration::from_millis((random >> 33) as u64 % 300));
        service.signal(Signal::KILL);
        service.wait(PATIENCE);
    }
    let service = directory.start(&[]);
    service.settled();
    until("removed", || !file(&directory).exists());
    one_outcome_each(&service, &ids);
    service.drain();
}

/// An order that is acknowledged during a drain, since its client has waited
/// long enough, is on disk before the reply.
#[test]
fn an_acknowledgement_in_a_drain_follows_the_file() {
    let directory = Directory::new();
    let flags = [&STUCK[..6], &["--drain-timeout", "1h"]].concat();
    let service = directory.start(&flags);
    acknowledged(&service, "before");
    let body = |id: &str| format!(r#"{{"id":"{id}","value":1}}"#);
    let mut waiting: Vec<Client> = Vec::new();
    for number in 0..5 {
        let mut client = Client::to(service.http);
        client.send(submit("Prefer: wait=2\r\n", &body(&format!("o-{number}"))));
        waiting.push(client);
    }
    let mut patient = Client::to(service.http);
    patient.send(order("patient"));
    until("inside", || service.figures().inside() == 7);
    service.terminate();
    until("on disk", || file(&directory).exists());
    assert!(!holds(&directory, "patient"));
    for (number, mut client) in waiting.into_iter().enumerate() {
        assert_eq!(client.reply().status, 202);
        assert!(holds(&directory, &format!("o-{number}")));
    }
    service.signal(Signal::KILL);
    service.wait(PATIENCE);
    assert_eq!(pending_in(&directory), 6);
    let service = directory.start(&[]);
    assert_eq!(service.settled().orders(), (6, 6, 0));
    assert_eq!(get(service.http, "/orders/patient").status, 404);
    service.drain();
}

/// The journal has no space and the orders with it: they are saved all the same,
/// if there is space for the file.
#[test]
fn a_kill_loses_none_that_wait_for_space() {
    let directory = Directory::new();
    let service = directory.start(&["--drain-timeout", "1h"]);
    let full = Injected::into_committer(&service, "pwrite64", "error=ENOSPC");
    let ids: Vec<String> = (0..3).map(|number| format!("o-{number}")).collect();
    acknowledged(&service, &ids[0]);
    until("no space", || {
        service.log().contains("orders are refused until it works")
    });
    service.terminate();
    until("on disk", || {
        file(&directory).exists() && holds(&directory, &ids[0])
    });
    service.signal(Signal::KILL);
    drop(full); // a process isn't gone while one of its threads is traced
    service.wait(PATIENCE);
    let service = directory.start(&[]);
    assert_eq!(service.settled().orders(), (1, 1, 0));
    one_outcome_each(&service, &ids[..1]);
    service.drain();
}
