//! `Verdict::Retry`: who was told that an order is queued was promised an
//! outcome, so the order goes round again; who waits is told to send it again.

mod harness;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use harness::{Client, Directory, Figures, get, order, post, submit, until};
use order_processor::{Config, Drained, Order, Processor, Server, Verdict};

/// Returns orders while it is in trouble.
#[derive(Default)]
struct Moody {
    well: AtomicBool,
    tries: AtomicU64,
    /// Whether the thread that commits runs it, too.
    quick: bool,
}

impl Processor for Moody {
    fn process(&self, _: &Order) -> Verdict {
        self.tries.fetch_add(1, Ordering::SeqCst);
        if self.well.load(Ordering::SeqCst) {
            Verdict::Processed
        } else {
            Verdict::retry("not today")
        }
    }

    fn is_quick(&self) -> bool {
        self.quick
    }
}

struct Running {
    server: Server,
    http: SocketAddr,
    admin: SocketAddr,
    processor: Arc<Moody>,
}

fn start(quick: bool, flags: &[&str]) -> Running {
    let base = ["order-processor", "--listen", "127.0.0.1:0", "--workers"];
    let workers = if quick { "1" } else { "2" };
    let ports = [workers, "--admin-listen", "127.0.0.1:0"];
    let others = ["--grpc-listen", "off", "--allowed-hosts", "orders"];
    let ports = [&ports[..], &others].concat();
    let all = [&base[..], &ports, flags].concat();
    let config = Config::parse_from(all, [("", ""); 0]).unwrap();
    let processor = Arc::new(Moody {
        quick,
        ..Moody::default()
    });
    let on_fault = |fault| panic!("{fault}");
    let mut server = Server::start_with(&config, processor.clone(), on_fault).unwrap();
    server.open().unwrap();
    Running {
        http: server.http(),
        admin: server.admin().unwrap(),
        server,
        processor,
    }
}

impl Running {
    #[track_caller]
    fn acknowledged(&self, prefer: &str, id: &str) {
        let body = format!(r#"{{"id":"{id}","value":1}}"#);
        until("acknowledged", || {
            let reply = Client::to(self.http).ask(submit(prefer, &body));
            // The processor may be faster to return it.
            assert!(matches!(reply.status, 202 | 503), "{id}: {reply:?}");
            reply.status == 202
        });
    }

    #[track_caller]
    fn looks_up(&self, id: &str, status: &str) {
        let found = get(self.http, &format!("/orders/{id}"));
        assert_eq!(found.json()["status"], status, "{id}: {found:?}");
    }

    fn drain(self) -> Drained {
        self.server.drain(Duration::from_secs(60))
    }
}

#[test]
fn acknowledged_orders_go_round_until_they_have_an_outcome() {
    for quick in [true, false] {
        let running = start(quick, &["--ledger", "memory"]);
        running.acknowledged("Prefer: respond-async\r\n", "asked");
        // Nobody is told of these.
        for number in 0..3 {
            let id = format!("waits-{number}");
            let problem = Client::to(running.http).ask(order(&id)).problem(503);
            assert_eq!(problem["retry_safe"], true);
            assert_eq!(get(running.http, &format!("/orders/{id}")).status, 404);
        }
        // A duplicate waits, and is told.
        running.acknowledged("Prefer: wait=1\r\n", "asked");
        let tries = &running.processor.tries;
        let before = tries.load(Ordering::SeqCst);
        until("again", || tries.load(Ordering::SeqCst) > before);
        running.looks_up("asked", "queued");
        let other = post(running.http, "", r#"{"id":"asked","value":2}"#);
        assert_eq!(other.problem(409)["retry_safe"], true);
        let figures = Figures::read(running.admin);
        assert_eq!(figures.inside(), 1);

        running.processor.well.store(true, Ordering::SeqCst);
        // Waits for the same outcome.
        let reply = Client::to(running.http).ask(order("asked"));
        assert_eq!((reply.status, &reply.json()["seq"]), (200, &1.into()));
        running.looks_up("asked", "processed");
        let figures = Figures::settled(running.admin);
        assert_eq!(figures.orders().1, 1);
        let drained = running.drain();
        assert!(drained.in_time && drained.kept == 0 && drained.lost == 0);
    }
}

/// Many at once, and new ones meanwhile.
#[test]
fn they_catch_up_when_the_trouble_is_over() {
    let running = start(true, &["--ledger", "memory", "--ack", "queued"]);
    let mut client = Client::to(running.http);
    let ids: Vec<_> = (0..2000).map(|number| format!("q-{number}")).collect();
    let acknowledged = ids.iter().filter(|id| {
        // One that the processor is faster to return than we to acknowledge.
        let status = client.ask(order(id)).status;
        assert!(status == 202 || status == 503, "{status}");
        status == 202
    });
    let acknowledged = acknowledged.count();
    assert!(acknowledged > 0);
    running.processor.well.store(true, Ordering::SeqCst);
    until("all have their outcome", || {
        Figures::read(running.admin).orders().1 as usize == acknowledged
    });
    assert!(running.drain().in_time);
}

/// With the journal, a drain doesn't wait for the trouble to pass.
#[test]
fn a_drain_keeps_them_and_the_next_start_tries_again() {
    for quick in [true, false] {
        let directory = Directory::new();
        let data = directory.0.display().to_string();
        let flags = ["--data-dir", data.as_str()];
        let running = start(quick, &flags);
        for number in 0..3 {
            running.acknowledged("Prefer: respond-async\r\n", &format!("o-{number}"));
        }
        let drained = running.drain();
        assert!(drained.in_time, "{drained:?}");
        assert_eq!((drained.kept, drained.lost), (3, 0), "{drained:?}");
        assert!(directory.0.join("pending").exists());
        // The same again with orders that came from the file.
        let running = start(quick, &flags);
        running.looks_up("o-0", "queued");
        running.acknowledged("Prefer: respond-async\r\n", "o-3");
        let drained = running.drain();
        assert_eq!((drained.kept, drained.lost), (4, 0), "{drained:?}");

        let running = start(quick, &flags);
        running.processor.well.store(true, Ordering::SeqCst);
        for number in 0..4 {
            let id = format!("o-{number}");
            until("processed", || {
                get(running.http, &format!("/orders/{id}")).json()["status"] == "processed"
            });
        }
        let figures = Figures::settled(running.admin);
        assert_eq!(figures.orders(), (4, 4, 0));
        let drained = running.drain();
        assert!(drained.in_time && drained.kept == 0, "{drained:?}");
        assert!(!directory.0.join("pending").exists());
    }
}

/// The memory ledger keeps nothing, so they are tried until the deadline.
#[test]
fn without_a_file_they_are_tried_until_the_deadline() {
    let running = start(false, &["--ledger", "memory"]);
    running.acknowledged("Prefer: respond-async\r\n", "a");
    let processor = running.processor.clone();
    let tries = processor.tries.load(Ordering::SeqCst);
    let draining = std::thread::spawn(move || running.drain());
    until("again", || processor.tries.load(Ordering::SeqCst) > tries);
    processor.well.store(true, Ordering::SeqCst);
    let drained = draining.join().unwrap();
    assert!(drained.in_time && drained.lost == 0, "{drained:?}");
}
