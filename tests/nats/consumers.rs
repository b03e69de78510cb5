//! The examples that read the stream with a durable consumer, killed in the
//! middle and started again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::harness::{Client, PATIENCE, order};
use crate::servers::NatsServer;

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

#[test]
fn the_rust_example_goes_on_after_a_kill() {
    let tests = std::env::current_exe().unwrap();
    let program = tests
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/nats_consumer");
    if !program.exists() {
        // Only a run of all tests builds the examples.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--example", "nats_consumer"]);
        assert!(cargo.status().unwrap().success());
    }
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
