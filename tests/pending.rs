//! What a drain keeps: whoever was told that an order is queued finds it queued
//! after the next start, and it gets one outcome. Shown on the real process;
//! what only a simulated disk can show is tested beside the code.

mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::{
    Client, Directory, Ended, Figures, PATIENCE, Service, eventually, get, order, post, submit,
    until,
};
use rustix::process::Signal;

/// A processor that doesn't come back.
const STUCK: [&str; 8] = [
    "--processor",
    "simulate",
    "--simulate",
    "10m..10m",
    "--workers",
    "2",
    "--drain-timeout",
    "200ms",
];

fn file(directory: &Directory) -> PathBuf {
    directory.0.join("pending")
}

/// How many orders the file holds, by its header.
fn kept_in(directory: &Directory) -> u64 {
    let bytes = fs::read(file(directory)).expect("orders are kept");
    u64::from_le_bytes(bytes[40..48].try_into().unwrap())
}

fn holds(directory: &Directory, id: &str) -> bool {
    let bytes = fs::read(file(directory)).expect("orders are kept");
    String::from_utf8_lossy(&bytes).contains(&format!(r#""id":"{id}""#))
}

/// SIGTERM, and the deadline passes.
#[track_caller]
fn late(service: Service, kept: u64) -> Ended {
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!(ended.logged("kept"), kept, "{}", ended.log);
    assert_eq!(ended.logged("lost"), 0, "{}", ended.log);
    ended
}

/// Has an order taken and is told that it is queued.
#[track_caller]
fn told(service: &Service, id: &str) {
    let body = format!(r#"{{"id":"{id}","value":1}}"#);
    let reply = post(service.http, "Prefer: respond-async\r\n", &body);
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// All have one outcome, under the sequences from 1 on, and nobody else has
/// one.
#[track_caller]
fn one_outcome_each(service: &Service, ids: &[String]) {
    let mut client = Client::to(service.http);
    let mut seqs: Vec<u64> = ids
        .iter()
        .map(|id| {
            eventually(&format!("the outcome of {id}"), || {
                let asked = format!("GET /orders/{id} HTTP/1.1\r\nHost: o\r\n\r\n");
                let reply = client.ask(asked);
                assert_eq!(reply.status, 200, "{id}: {reply:?}");
                reply.json()["seq"].as_u64()
            })
        })
        .collect();
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(1..=ids.len() as u64), "{seqs:?}");
    let next = post(service.http, "", r#"{"id":"the-next-one","value":1}"#);
    assert_eq!(next.json()["seq"], ids.len() as u64 + 1, "no one had two");
}

/// strace on the committer alone, doing something to one kind of system call.
struct Injected(Child);

impl Injected {
    fn into_committer(service: &Service, what: &str) -> Self {
        // A thread gives itself its name, a moment after it has begun.
        let task = eventually("the committer", || {
            let tasks = fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap();
            let mut tasks = tasks.map(|task| task.unwrap().path());
            let name = if service.log().contains("(which commits, too)") {
                "worker-0\n"
            } else {
                "committer\n"
            };
            tasks.find(|task| fs::read_to_string(task.join("comm")).unwrap() == name)
        });
        let syscall = what.split(':').next().unwrap();
        let child = Command::new("strace")
            .args(["-qq", "-p", task.file_name().unwrap().to_str().unwrap()])
            .args(["-e", &format!("trace={syscall}"), "-e"])
            .arg(format!("inject={what}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is there");
        until("traced", || {
            let status = fs::read_to_string(task.join("status")).unwrap();
            !status.contains("TracerPid:\t0\n")
        });
        Self(child)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it ends with what it traces
        let _ = self.0.wait();
    }
}

#[test]
fn who_was_told_is_kept_and_who_waits_is_not() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    let mut ids: Vec<String> = Vec::new();
    // Asked for: two with the workers, the others in the queue.
    for number in 0..5 {
        told(&service, &format!("async-{number}"));
        ids.push(format!("async-{number}"));
    }
    // Not in time.
    let body = |id: &str| format!(r#"{{"id":"{id}","value":1}}"#);
    let patient = submit("Prefer: wait=1\r\n", &body("timed-out"));
    assert_eq!(Client::to(service.http).ask(patient).status, 202);
    ids.push("timed-out".into());
    // Somebody waits, and a duplicate is told.
    let mut first = Client::to(service.http);
    first.send(order("twice"));
    until("inside", || service.figures().inside() == 7);
    let again = post(service.http, "Prefer: respond-async\r\n", &body("twice"));
    assert_eq!(again.status, 202);
    ids.push("twice".into());
    // Nobody is told.
    let mut waiting: Vec<Client> = (0..4).map(|_| Client::to(service.http)).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        client.send(order(&format!("waits-{number}")));
    }
    until("all inside", || service.figures().inside() == 11);

    late(service, 7);
    for client in waiting.iter_mut().chain([&mut first]) {
        assert_eq!(client.reply().problem(503)["retry_safe"], true);
    }
    assert_eq!(kept_in(&directory), 7);
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
fn kept_orders_are_queued_from_the_start_on_and_kept_again() {
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
    // Others get the other half of the queue, and are kept with them.
    for number in 0..2 {
        let id = format!("new-{number}");
        told(&service, &id);
        ids.push(id);
    }
    let refused = post(service.http, "", r#"{"id":"no-room","value":1}"#);
    assert_eq!(refused.status, 503);
    late(service, 52);

    // Not an order is gone, and none runs twice.
    let service = directory.start(&["--queue-capacity", "1"]);
    assert_eq!(service.settled().orders(), (52, 52, 0));
    until("removed", || !file(&directory).exists());
    one_outcome_each(&service, &ids);
    service.drain();
}

#[test]
fn a_drain_in_time_finishes_what_was_kept() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    let ids: Vec<String> = (0..20).map(|number| format!("o-{number}")).collect();
    ids.iter().for_each(|id| told(&service, id));
    late(service, 20);
    let slow = ["--processor", "simulate", "--simulate", "50ms..50ms"];
    let service = directory.start(&[&slow[..], &["--queue-capacity", "2"]].concat());
    assert!(file(&directory).exists());
    let ended = service.drain();
    assert_eq!(ended.logged("kept"), 0);
    assert!(ended.logged("drained") > 5, "{}", ended.log);
    assert!(!file(&directory).exists());
    let service = directory.start(&[]);
    one_outcome_each(&service, &ids);
    service.drain();
}

/// Ends the process again and again while it works on what was kept: by kill -9
/// and by drains that are too short, with a window that forgets at once; all
/// over again until there were enough of both.
#[test]
fn whatever_ends_it_meanwhile_each_has_one_outcome() {
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
    for round in 0..8 {
        let service = directory.start(&flags);
        let mut client = Client::to(service.http);
        for number in 0..100 {
            let id = format!("o-{round}-{number}");
            assert_eq!(client.ask(order(&id)).status, 202);
            ids.push(id);
        }
        drop(client);
        service.terminate();
        until("they are on disk", || {
            service.log().contains("are in the pending file")
        });
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

/// Whoever is told during a drain that an order is queued, since it has waited
/// long enough, hears so when the order is on disk.
#[test]
fn who_is_told_in_a_drain_is_on_disk_then() {
    let directory = Directory::new();
    let flags = [&STUCK[..6], &["--drain-timeout", "1h"]].concat();
    let service = directory.start(&flags);
    told(&service, "before");
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
    assert_eq!(kept_in(&directory), 6);
    let service = directory.start(&[]);
    assert_eq!(service.settled().orders(), (6, 6, 0));
    assert_eq!(get(service.http, "/orders/patient").status, 404);
    service.drain();
}

/// All in time: nothing is left of the file.
#[test]
fn a_drain_in_time_leaves_no_file() {
    let directory = Directory::new();
    let slow = ["--processor", "simulate", "--simulate", "100ms..100ms"];
    let flags = [&slow[..], &["--workers", "1", "--ack", "queued"]].concat();
    let service = directory.start(&flags);
    let mut client = Client::to(service.http);
    for number in 0..10 {
        let reply = client.ask(order(&format!("o-{number}")));
        assert_eq!(reply.status, 202);
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

/// The journal has no space and the orders with it: they are saved all the same,
/// if there is space for the file.
#[test]
fn a_kill_loses_none_that_wait_for_space() {
    let directory = Directory::new();
    let service = directory.start(&["--drain-timeout", "1h"]);
    let full = Injected::into_committer(&service, "pwrite64:error=ENOSPC");
    let ids: Vec<String> = (0..3).map(|number| format!("o-{number}")).collect();
    told(&service, &ids[0]);
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

#[test]
fn what_can_not_be_taken_up_refuses_the_start() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    let ids: Vec<String> = (0..3).map(|number| format!("o-{number}")).collect();
    ids.iter().for_each(|id| told(&service, id));
    late(service, 3);
    let refuses = |flags: &[&str], why: &str| {
        let output = directory.command(flags).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(why), "{text}");
    };
    let whole = fs::read(file(&directory)).unwrap();
    let damaged =
        "pending holds orders that were acknowledged as queued, and it is damaged: restore it";
    for at in [0, 40, 70, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(file(&directory), bytes).unwrap();
        refuses(&[], damaged);
    }
    fs::write(file(&directory), &whole[..whole.len() - 1]).unwrap();
    refuses(&[], "it was cut or added to");
    fs::write(file(&directory), &whole).unwrap();
    refuses(
        &["--queue-bytes", "1KiB", "--max-body", "512"],
        "3 pending orders don't fit: raise --queue-bytes to 16",
    );
    // Of another ledger.
    let other = Directory::new();
    other.start(&[]).drain();
    fs::copy(file(&directory), file(&other)).unwrap();
    let output = other.command(&[]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("pending belongs to ledger"), "{text}");

    let service = directory.start(&[]);
    service.settled();
    one_outcome_each(&service, &ids);
    service.drain();
}

#[test]
fn what_can_not_be_kept_is_said() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    (0..3).for_each(|number| told(&service, &format!("o-{number}")));
    late(service, 3);
    let before = fs::read(file(&directory)).unwrap();
    let service = directory.start(&STUCK);
    (0..2).for_each(|number| told(&service, &format!("new-{number}")));
    fs::create_dir(directory.0.join("pending.new")).unwrap();
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert!(
        ended.log.contains("can't make pending.new"),
        "{}",
        ended.log
    );
    // Those of the last time are still there.
    assert_eq!((ended.logged("kept"), ended.logged("lost")), (3, 2));
    assert_eq!(fs::read(file(&directory)).unwrap(), before);
    fs::remove_dir(directory.0.join("pending.new")).unwrap();
    let service = directory.start(&[]);
    let ids: Vec<String> = (0..3).map(|number| format!("o-{number}")).collect();
    service.settled();
    one_outcome_each(&service, &ids);
    service.drain();
}

/// A real file system without space; needs root to make one.
#[test]
fn a_full_disk_is_said() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: mounting a small file system takes root");
        return;
    }
    struct Mounted(PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=100m", "orders-test"])
        .arg(&directory.0)
        .output()
        .unwrap();
    if !mount.status.success() {
        eprintln!("left out: {}", String::from_utf8_lossy(&mount.stderr));
        return;
    }
    let _mounted = Mounted(directory.0.clone());
    let service = directory.start(&STUCK);
    told(&service, "a");
    let filler = fs::File::create(directory.0.join("filler")).unwrap();
    let full = std::io::copy(&mut std::io::repeat(1), &mut &filler).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert!(ended.log.contains("write pending.new"), "{}", ended.log);
    assert_eq!(ended.logged("lost"), 1);
}

/// The ledger has the orders, and no space for them: it gives them back.
#[test]
fn what_the_ledger_could_not_write_is_kept() {
    let directory = Directory::new();
    let service = directory.start(&["--drain-timeout", "300ms"]);
    let _full = Injected::into_committer(&service, "pwrite64:error=ENOSPC");
    let ids: Vec<String> = (0..5).map(|number| format!("o-{number}")).collect();
    told(&service, &ids[0]);
    until("no space", || {
        service.log().contains("orders are refused until it works")
    });
    assert_eq!(service.figures().inside(), 1);
    late(service, 1);
    let service = directory.start(&[]);
    service.settled();
    one_outcome_each(&service, &ids[..1]);
    service.drain();
}

/// The ledger has an order and doesn't come back: it is not waited for without
/// end, and nobody is left in the belief that it is queued.
#[test]
fn what_the_ledger_does_not_give_back_is_said() {
    let directory = Directory::new();
    let service = directory.start(&["--drain-timeout", "300ms"]);
    let hung = Injected::into_committer(&service, "fdatasync:delay_enter=20000000");
    told(&service, "told");
    let mut waits = Client::to(service.http);
    until("with the ledger", || {
        let figures = service.figures();
        let queued = figures.get("queue_depth") + figures.get("commit_queue_depth");
        figures.inside() == 1 && queued == 0.0
    });
    waits.send(order("told"));
    until("waits", || service.figures().count("orders_duplicate") == 1);
    service.terminate();
    assert_eq!(waits.reply().problem(503)["type"], "/problems/ledger-down");
    until("it has given up", || service.log().contains("lost=1"));
    drop(hung); // a process isn't gone while one of its threads is traced
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert_eq!(ended.logged("lost"), 1, "{}", ended.log);
}

/// Submissions, some of them told, while the deadline passes: whoever was told
/// has an outcome after the next start, and whoever was refused is not kept.
#[test]
fn told_at_the_very_deadline() {
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
            assert_eq!(found.status, 200, "{id} was told queued, round {round}");
        }
        for id in &with(503) {
            let found = get(service.http, &format!("/orders/{id}"));
            assert_eq!(found.status, 404, "{id} was refused, round {round}");
        }
        service.drain();
    }
}
