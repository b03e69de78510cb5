//! The examples on a stream: those that read it with a durable consumer, killed
//! in the middle and started again, and a program with a processor of its own.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::harness::{Client, PATIENCE, Service, order, post};
use crate::reading::publish;
use crate::servers::{NatsServer, instance};

const ORDERS: u64 = 60;

/// A consumer, and the sequences that it prints.
struct Consumer {
    child: Child,
    sequences: mpsc::Receiver<u64>,
}

impl Consumer {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it is there");
        let lines = BufReader::new(child.stdout.take().expect("piped, above")).lines();
        let (sender, sequences) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let first = line.split(' ').next().and_then(|first| first.parse().ok());
                let _ = sender.send(first.expect("a line begins with its sequence"));
            }
        });
        Self { child, sequences }
    }

    #[track_caller]
    fn next(&self) -> u64 {
        let next = self.sequences.recv_timeout(PATIENCE);
        next.expect("there is one more to read")
    }

    /// Kills it, and returns what it printed, and may have acknowledged, but
    /// was not read yet.
    fn kill(mut self) -> Vec<u64> {
        self.child.kill().expect("it runs");
        let mut rest = Vec::new();
        // Its standard output ends with it, and then the channel does.
        while let Ok(sequence) = self.sequences.recv_timeout(PATIENCE) {
            rest.push(sequence);
        }
        rest
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn goes_on_after_a_kill(command: impl Fn(&str) -> Command) {
    let server = NatsServer::start("");
    let service = server.instance(&[]);
    let mut client = Client::to(service.http);
    for number in 0..ORDERS {
        assert_eq!(client.ask(order(&format!("o-{number}"))).status, 201);
    }
    let address = format!("nats://{}", server.address());
    let first = Consumer::start(command(&address));
    let mut read: BTreeSet<u64> = (0..20).map(|_| first.next()).collect();
    read.extend(first.kill());
    assert_eq!(client.ask(order("late")).status, 201);
    let second = Consumer::start(command(&address));
    let began = second.next();
    assert!(began > 1, "what was acknowledged doesn't come again");
    read.insert(began);
    // Those that were not acknowledged come again, in a while.
    while (read.len() as u64) < ORDERS + 1 {
        read.insert(second.next());
    }
    service.drain();
}

/// The example's program. A run of all tests has built it; a run of this one
/// may find an old one.
fn example(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", name]);
    assert!(cargo.status().unwrap().success());
    let tests = std::env::current_exe().unwrap();
    let target = tests.ancestors().nth(2).expect("target/debug/deps/…");
    target.join("examples").join(name)
}

/// It reads what all instances have committed by its start, also where the
/// stream's last message is no outcome.
#[test]
fn a_desk_knows_what_other_instances_have_committed() {
    let server = NatsServer::start("");
    let other = server.instance(&[]);
    let submit = |service: &Service, id: &str, value: u32| {
        let body = format!(r#"{{"id":"{id}","value":{value},"account":"alice"}}"#);
        post(service.http, "", &body).status
    };
    assert_eq!(submit(&other, "a-1", 600), 201);
    publish(&server.address(), "orders.x", "no outcome");

    let command = instance(&server.address(), &[]);
    let desk = Service::of_program(&example("own_processor"), &command);
    let desk = Service::launch(desk);
    assert_eq!(submit(&desk, "a-2", 401), 422);
    assert_eq!(submit(&desk, "a-3", 400), 201);
    desk.drain();
    other.drain();
}

#[test]
fn the_rust_example_goes_on_after_a_kill() {
    let program = example("nats_consumer");
    goes_on_after_a_kill(|server| {
        let mut command = Command::new(&program);
        command.args([server, "rust"]);
        command
    });
}

#[test]
fn the_python_example_goes_on_after_a_kill() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    goes_on_after_a_kill(|server| {
        let mut command = Command::new(root.join("target/test-python/bin/python"));
        command.arg(root.join("examples/nats_consumer.py"));
        command.args([server, "python"]);
        command
    });
}
