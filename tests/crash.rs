//! A thread of the service that panics ends the process with exit code 1, and
//! the next start has every order that was acknowledged as committed.

mod harness;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use harness::{BASE_FLAGS, Client, Directory, get, order, until};
use order_processor::{Config, Order, Processor, Server, Verdict};

/// Names the data directory to the process that is to crash.
const DATA_DIR: &str = "ORDERS_TEST_CRASH_DATA_DIR";
const CLIENTS: usize = 4;

/// The first worker processes orders. The second panics outside of the work for
/// an order when a line comes in on standard input.
struct Unsound;

impl Processor for Unsound {
    fn process(&self, _: &Order) -> Verdict {
        Verdict::Processed
    }

    fn is_quick(&self) -> bool {
        if std::thread::current().name() == Some("worker-1") {
            std::io::stdin().read_line(&mut String::new()).unwrap();
            panic!("as the test asked for");
        }
        true
    }
}

/// The process that crashes; run by the test below.
#[test]
#[ignore = "run by another test, as a process of its own"]
fn process_that_crashes() {
    let data = env::var(DATA_DIR).expect("run by the test below");
    let base = BASE_FLAGS.map(|flag| if flag == "memory" { "journal" } else { flag });
    let flags = ["order-processor"].into_iter().chain(base);
    let flags = flags.chain(["--workers", "2", "--data-dir", &data]);
    let config = Config::parse_from(flags, [("ORDERS_ALLOWED_HOSTS", "orders")]).unwrap();
    let on_fault = |fault| panic!("{fault}");
    let mut server = Server::start_with(&config, Arc::new(Unsound), on_fault).unwrap();
    server.open().unwrap();
    println!("\nlistening {}", server.http());
    loop {
        std::thread::park();
    }
}

/// Starts the process above; it serves on the address returned.
fn start(directory: &Directory) -> (Child, SocketAddr) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "process_that_crashes",
            "--ignored",
            "--nocapture",
        ])
        .env(DATA_DIR, &directory.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening ")?.parse().ok());
    (child, address.expect("it says where it serves"))
}

#[test]
fn a_panic_ends_the_process_and_loses_no_committed_order() {
    let directory = Directory::new();
    let (mut child, http) = start(&directory);
    let committed = Mutex::new(Vec::new());
    let status = std::thread::scope(|scope| {
        for me in 0..CLIENTS {
            let committed = &committed;
            scope.spawn(move || {
                let mut client = Client::to(http);
                for number in 0.. {
                    let id = format!("o-{me}-{number}");
                    // Until the process is gone.
                    if client.try_send(order(&id)).is_err() {
                        break;
                    }
                    let Some(reply) = client.try_reply() else {
                        break;
                    };
                    assert_eq!(reply.status, 201);
                    committed.lock().unwrap().push(id);
                }
            });
        }
        until("orders come in", || committed.lock().unwrap().len() > 200);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"panic\n").unwrap();
        let mut status = None;
        until("the process has ended", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status
    });
    assert_eq!(status.and_then(|status| status.code()), Some(1));

    let service = directory.start(&[]);
    let committed = committed.into_inner().unwrap();
    for id in &committed {
        let outcome = get(service.http, &format!("/orders/{id}")).json();
        assert_eq!(outcome["status"], "processed", "{id}: {outcome}");
    }
    assert!(committed.len() > 200);
    service.drain();
}
