//! Signals at any moment: SIGHUP ends nothing, SIGTERM ends a recovery, and a
//! second one everything.

mod harness;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use harness::{
    BASE_FLAGS, Client, Directory, PATIENCE, Service, get, on_both_engines, order, post, until,
};
use rustix::process::{Pid, Signal, kill_process};

on_both_engines!(a_hang_up_ends_nothing);

/// SIGHUP again and again, which is sent to a service whose terminal is closed:
/// orders acknowledged as queued get their outcome.
fn a_hang_up_ends_nothing(engine: &str) {
    let service = Service::slow(engine, "2", "20ms", &["--ack", "queued"]);
    for number in 0..12 {
        let reply = Client::to(service.http).ask(order(&format!("q-{number}")));
        assert_eq!(reply.status, 202);
        service.signal(Signal::HUP);
    }
    until("logged", || service.log().contains("SIGHUP"));
    assert_eq!(service.settled().orders(), (12, 12, 0));
    service.signal(Signal::HUP);
    service.drain();
}

#[test]
fn a_hang_up_ends_no_start_and_no_drain() {
    let directory = Directory::new();
    let (recovering, tracer) = hung_in(&directory, "flock");
    let hung = Instant::now();
    recovering.signal(Signal::HUP);
    until("logged", || recovering.log().contains("SIGHUP"));
    let hung = hung.elapsed();
    drop(tracer);
    until("ready", || get(recovering.admin, "/readyz").status == 200);
    let log = recovering.drain().log;
    let recovered = log.lines().find(|line| line.contains(" recovered "));
    let took = recovered.and_then(|line| line.split("took_ms=").nth(1));
    let took: u128 = took.and_then(|took| took.trim().parse().ok()).expect(&log);
    assert!(
        took >= hung.as_millis(),
        "the wait for the lock counts: {took}"
    );
    let service = Service::slow("native", "2", "4s", &[]);
    let mut waits = Client::to(service.http);
    waits.send(order("a"));
    until("inside", || service.figures().inside() == 1);
    service.terminate();
    until("draining", || get(service.admin, "/readyz").status == 503);
    service.signal(Signal::HUP);
    assert_eq!(waits.reply().status, 201);
    assert_eq!(service.wait(PATIENCE).code, Some(0));
}

/// A service whose recovery hangs in the first system call of one of these
/// names that is for a file of the data directory, by strace(1).
#[track_caller]
fn hung_in(directory: &Directory, calls: &str) -> (Service, Tracer) {
    let segment = |number| format!("journal-{number:010}.seg");
    let files = ["lock", "ledger", &segment(1), &segment(2)];
    let service = directory.command(&[]);
    // `-D`: the service is our child, and strace its own.
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
    command.arg(format!("--trace={calls}"));
    command.arg(format!("--inject={calls}:delay_enter=600000000"));
    for file in files {
        command.arg("-P").arg(directory.0.join(file)); // the loader reads, too
    }
    command.arg("-P").arg(&directory.0);
    let command = Service::wrapped(command, &service);
    let service = Service::listening(command, &["http", "admin"]);
    let tracer = Tracer::of(&service);
    until("it hangs", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", service.pid()));
        tasks.expect("it runs").flatten().any(|task| {
            let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            read("comm") == "recovery\n" && read("status").contains("State:\tt")
        })
    });
    (service, tracer)
}

/// strace. To be dropped before the service is waited for: a process isn't gone
/// while one of its threads is traced.
struct Tracer(Pid);

impl Tracer {
    #[track_caller]
    fn of(service: &Service) -> Self {
        let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
        let pid = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        let pid = pid.and_then(|pid| Pid::from_raw(pid.trim().parse().ok()?));
        Self(pid.expect("it is traced"))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL); // it may have ended
    }
}

/// Whatever the recovery waits for.
#[test]
fn a_recovery_is_not_waited_for() {
    let directory = Directory::new();
    let stuck = ["--processor", "simulate", "--simulate", "10m..10m"];
    let stuck = [&stuck[..], &["--drain-timeout", "100ms"]].concat();
    let service = directory.start(&stuck);
    post(
        service.http,
        "Prefer: respond-async\r\n",
        r#"{"id":"a","value":1}"#,
    );
    service.terminate();
    assert_eq!(service.wait(PATIENCE).code, Some(3));

    for (calls, why) in [
        ("flock", "takes the lock"),
        ("pread64", "reads"),
        ("fdatasync,fsync", "makes durable what it found"),
    ] {
        let (service, tracer) = hung_in(&directory, calls);
        let mut open = Client::to(service.http);
        let recovering = open.ask(order("b"));
        assert_eq!(recovering.problem(503)["type"], "/problems/recovering");
        let figures = service.figures();
        let rejected = |reason| figures.rejected(reason);
        assert_eq!((rejected("starting"), rejected("draining")), (1, 0));
        service.terminate();
        until(why, || service.log().contains("drained"));
        drop(tracer);
        open.ends();
        let ended = service.wait(PATIENCE);
        assert_eq!(ended.code, Some(0), "{why}: {}", ended.log);
        assert_eq!(ended.logged("kept"), 0);
        // Much less on a machine that has nothing else to do.
        assert!(ended.logged("took_ms") < 10_000, "{}", ended.log);
    }
    let service = directory.start(&[]);
    assert_eq!(service.settled().orders(), (1, 1, 0));
    service.drain();
}

/// timeout(1) signals the process that it has started and the group that both
/// are in: that is one request to drain.
#[test]
fn what_signals_the_group_too_lets_it_drain() {
    let mut timeout = Command::new("timeout");
    timeout.args(["--signal=TERM", "1000"]);
    let flags = ["--processor", "simulate", "--simulate", "3s..3s"];
    let mut command = Service::command();
    command.args(BASE_FLAGS).args(flags);
    let mut command = Service::wrapped(timeout, &command);
    command.process_group(0);
    let service = Service::launch(command);
    let mut waits = Client::to(service.http);
    waits.send(order("a"));
    until("inside", || service.figures().inside() == 1);
    // To timeout(1), which passes it on to its child and to the group: at once,
    // or as one.
    service.terminate();
    assert_eq!(waits.reply().status, 201);
    let ended = service.wait(PATIENCE);
    assert!(ended.log.contains("drained=1"), "{}", ended.log);
}

/// The second signal comes while the first is being handled, in a recovery.
#[test]
fn two_signals_end_a_recovery() {
    let directory = Directory::new();
    let (service, tracer) = hung_in(&directory, "flock");
    service.signal(Signal::INT);
    service.terminate();
    let ends = ["second signal", "drained"];
    until("it ends", || {
        ends.iter().any(|end| service.log().contains(end))
    });
    drop(tracer);
    let ended = service.wait(PATIENCE);
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.log);
}
