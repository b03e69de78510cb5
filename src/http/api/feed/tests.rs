//! Pages over a real ledger, and readers whose archive is in trouble, without sockets.

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::admission::Admission;
use crate::config::Config;
use crate::cpu::plan::Plan;
use crate::http::api::feed::long_poll::{LongPoll, PAUSE, feed};
use crate::http::api::feed::page::{PageRead, Unread};
use crate::http::api::feed::pages::{BUDGET_BYTES, Pages};
use crate::http::api::feed::query::LIMIT_MAX;
use crate::http::api::handled::Handled;
use crate::http::api::limits::Limits;
use crate::http::api::observer::Observer;
use crate::http::api::service::Service;
use crate::http::wire::reply::Reply;
use crate::ledger::{Archive, Item, Ledger, LedgerId, Read, ReadError, ReadRange, Status, memory};
use crate::order::{HashKey, Order, decode};
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::Rules;
use crate::pipeline::{Pipeline, Settings, Threads};
use crate::sync::memory_budget::MemoryBudget;

struct Plain(Order);

impl Item for Plain {
    fn order(&self) -> &Order {
        &self.0
    }
    fn accepted_at(&self) -> u64 {
        5
    }
    fn status(&self) -> Status {
        Status::Processed
    }
    fn reason(&self) -> Option<&Arc<str>> {
        None
    }
}

/// An archive of orders with so many bytes in a member.
fn archive(padding: &[usize]) -> impl Archive + use<> {
    let (mut ledger, archive) = memory::open(1 << 20);
    let key = HashKey::from_bytes([1; 16]);
    let mut batch = padding
        .iter()
        .map(|bytes| {
            let json = format!(r#"{{"id":"a","value":1,"x":"{}"}}"#, "x".repeat(*bytes));
            Plain(decode(json.as_bytes(), &key).unwrap())
        })
        .collect();
    ledger.append(&mut batch);
    archive
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::new(&Settings {
        queue_orders: 1,
        queue_bytes: 1 << 10,
        window: 1,
        plan: Plan::unpinned(1),
        window_reach: Duration::ZERO,
    })
}

/// What reads pages.
struct Feed {
    pages: Arc<Pages>,
    admission: Admission,
}

impl Feed {
    fn new(page_bytes: usize, archive: impl Archive + 'static) -> Self {
        let pipeline = pipeline();
        pipeline.set_archive(Arc::new(archive));
        Self {
            pages: Pages::new(page_bytes),
            admission: Admission::new(pipeline, HashKey::from_bytes([1; 16])),
        }
    }

    fn read(&self, after: u64, limit: usize) -> Arc<PageRead> {
        self.pages
            .read(&self.admission, after, limit, Waker::noop())
    }

    /// The sequences on a page.
    fn seqs(&self, after: u64, limit: usize) -> Vec<u64> {
        seqs(&self.read(after, limit), after, limit)
    }
}

fn seqs(read: &Arc<PageRead>, after: u64, limit: usize) -> Vec<u64> {
    let text = read.lines(after, limit).unwrap().unwrap();
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| {
            let json: serde_json::Value = serde_json::from_slice(line).unwrap();
            json["seq"].as_u64().unwrap()
        })
        .collect()
}

#[test]
fn a_page_ends_at_its_limits_and_holds_one_line_at_least() {
    let line = Feed::new(0, archive(&[0])).read(0, 1);
    let line = line.lines(0, 1).unwrap().unwrap().len();
    assert!((150..200).contains(&line), "{line} bytes");
    let feed = Feed::new(4 * line, archive(&[0, 0, 0, 0, 0, 5 * line, 0]));
    assert_eq!(feed.seqs(0, 10), [1, 2, 3, 4]);
    assert_eq!(feed.seqs(0, 3), [1, 2, 3]);
    assert_eq!(feed.seqs(3, 10), [4, 5], "the next doesn't fit");
    assert_eq!(feed.seqs(5, 10), [6], "longer than a page");
    assert_eq!(feed.seqs(6, 1), [7]);
    assert_eq!(feed.seqs(7, 1), [0; 0]);
    assert_eq!(feed.pages.bytes_used(), 0);
}

#[test]
fn a_page_is_read_once_while_somebody_holds_it() {
    let feed = Feed::new(1 << 20, archive(&[0; 10]));
    let held = feed.read(2, 5);
    let used = feed.pages.bytes_used();
    let same = |after, limit| Arc::ptr_eq(&feed.read(after, limit), &held);
    assert!(same(2, 5) && same(2, 1) && same(4, 5) && same(6, 2));
    assert!(!same(7, 1), "it ends there");
    assert!(!same(1, 5), "it begins there");
    assert!(!same(2, 6), "a reader that wants more gets more");
    assert_eq!(seqs(&held, 2, 5), [3, 4, 5, 6, 7]);
    assert_eq!(seqs(&held, 4, 1), [5]);
    assert_eq!(seqs(&held, 6, 5), [7]);
    assert_eq!(seqs(&held, 7, 5), [0; 0]);
    assert_eq!(feed.pages.bytes_used(), used, "one copy");
    let part = held.lines(4, 1).unwrap().unwrap();
    let read = Arc::as_ptr(&held);
    drop(held);
    assert_eq!(feed.pages.bytes_used(), used, "a part keeps the whole");
    assert_eq!(Arc::as_ptr(&feed.read(2, 5)), read, "for others, too");
    drop(part);
    assert_eq!(feed.pages.bytes_used(), 0);
}

#[test]
fn pages_past_the_budget_are_refused_until_others_are_sent() {
    let feed = Feed::new(1 << 20, archive(&[22 << 20; 3]));
    let mut held: Vec<_> = (0..2).map(|after| feed.read(after, 1)).collect();
    assert!(feed.pages.bytes_used() <= BUDGET_BYTES);
    let refused = feed.read(2, 1);
    assert_eq!(refused.lines(2, 1), Some(Err(&Unread::Full)));
    held.pop();
    assert_eq!(feed.seqs(2, 1), [3]);
    drop((held, refused));
    assert_eq!(feed.pages.bytes_used(), 0);
}

#[test]
fn a_page_that_is_larger_than_the_budget_goes_alone() {
    let feed = Feed::new(1 << 20, archive(&[BUDGET_BYTES, 0]));
    let huge = feed.read(0, 1);
    assert!(huge.lines(0, 1).unwrap().is_ok());
    assert_eq!(feed.read(1, 1).lines(1, 1), Some(Err(&Unread::Full)));
    drop(huge);
    assert_eq!(feed.pages.bytes_used(), 0);
    assert_eq!(feed.seqs(1, 1), [2]);
}

#[test]
fn what_is_pruned_meanwhile_is_gone() {
    let (mut ledger, archive) = memory::open(1);
    let key = HashKey::from_bytes([1; 16]);
    let order = || Plain(decode(br#"{"id":"a","value":1}"#, &key).unwrap());
    ledger.append(&mut (0..3000).map(|_| order()).collect());
    let oldest = archive.oldest_seq();
    assert!(oldest > 1);
    let feed = Feed::new(1 << 20, archive);
    let gone = ReadError::Gone { seq: 1, oldest };
    let unread = Unread::Archive(gone);
    assert_eq!(feed.read(0, 1).lines(0, 1), Some(Err(&unread)));
    assert_eq!(feed.seqs(oldest - 1, 1), [oldest]);
}

#[test]
fn only_so_many_reads_are_remembered() {
    let feed = Feed::new(1 << 20, archive(&[0; 200]));
    let held: Vec<_> = (0..100).map(|after| feed.read(after, 1)).collect();
    assert!(Arc::ptr_eq(&feed.read(99, 1), &held[99]));
    assert!(!Arc::ptr_eq(&feed.read(0, 1), &held[0]));
    assert!(feed.pages.remembered() <= 32);
}

#[test]
fn no_page_has_more_lines_than_were_asked_for() {
    let feed = Feed::new(1 << 20, archive(&[0; 3000]));
    assert_eq!(feed.seqs(0, 1000).len(), 1000);
    assert_eq!(feed.seqs(0, LIMIT_MAX as usize).len(), 3000);
}

/// An archive that fails some reads first, as one does that is busy or being pruned: neither
/// can be brought about at will.
struct Failing<A> {
    archive: A,
    failures: Mutex<Vec<ReadError>>,
}

impl<A: Archive> Archive for Failing<A> {
    fn read(&self, seq: u64, reply: Box<dyn FnOnce(Read) + Send>) {
        self.archive.read(seq, reply);
    }

    fn read_range(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: Box<dyn FnOnce(ReadRange) + Send>,
    ) {
        let failure = self.failures.lock().unwrap().pop();
        match failure {
            Some(why) => reply(Err(why)),
            None => self.archive.read_range(after, limit, bytes_max, reply),
        }
    }

    fn last_seq(&self) -> u64 {
        self.archive.last_seq()
    }

    fn oldest_seq(&self) -> u64 {
        self.archive.oldest_seq()
    }

    fn ledger_id(&self) -> LedgerId {
        self.archive.ledger_id()
    }

    fn kind(&self) -> &'static str {
        self.archive.kind()
    }
}

/// A service whose ledger is not open yet.
fn service() -> Arc<Service> {
    let pipeline = pipeline();
    pipeline.wake_queues.register(Vec::new());
    let observer = Observer::start(&pipeline).unwrap();
    let config = Config::parse_from(["order-processor"], [("", ""); 0]).unwrap();
    let admission = Admission::new(pipeline, HashKey::from_bytes([1; 16]));
    let bodies = MemoryBudget::new(config.body_bytes);
    Service::new(Arc::new(admission), Limits::of(&config), bodies, observer)
}

/// Opens its ledger; three outcomes are in it.
fn open(service: &Service, failures: Vec<ReadError>) -> Threads {
    let (ledger, _) = memory::open(10);
    let archive = Failing {
        archive: archive(&[0; 3]),
        failures: Mutex::new(failures),
    };
    let (rules, ledger) = (Arc::new(Rules::default()), Box::new(ledger));
    let pipeline = service.admission.pipeline();
    pipeline
        .start(
            &Plan::unpinned(1),
            rules,
            ledger,
            Arc::new(archive),
            Arc::new(|_| ()),
        )
        .unwrap()
}

#[track_caller]
fn reply(service: &Service, query: &str) -> Reply {
    match feed(service, query, Waker::noop()) {
        Handled::Reply(reply) => reply,
        Handled::Wait(_) => panic!("it waits"),
    }
}

#[track_caller]
fn wait(service: &Service, query: &str) -> LongPoll {
    match feed(service, query, Waker::noop()) {
        Handled::Wait(wait) => wait,
        Handled::Reply(reply) => panic!("{reply:?}"),
    }
}

#[test]
fn before_the_ledger_is_open() {
    let service = service();
    let reply = reply(&service, "wait=60");
    assert_eq!((reply.status, reply.retry_after), (503, Some(1)));
    let body = String::from_utf8_lossy(reply.body.as_slice());
    assert!(body.contains("/problems/recovering"), "{body}");
    assert!(reply.extra.is_empty(), "no ledger, no id");
}

#[test]
fn a_busy_archive_is_asked_again_by_a_reader_that_may_wait() {
    let service = service();
    let _threads = open(&service, vec![ReadError::Busy; 4]);
    assert_eq!(reply(&service, "after=1").status, 503);
    let begun = Instant::now();
    let mut wait = wait(&service, "after=1&wait=60");
    let mut pauses = 0;
    let reply = loop {
        let until = wait.until().expect("a pause");
        assert!(until <= Instant::now() + PAUSE);
        // A pause has no other event.
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        pauses += 1;
        if let Some(reply) = wait.poll(&service) {
            break reply;
        }
    };
    assert_eq!((reply.status, pauses), (200, 3));
    assert!(begun.elapsed() >= 3 * PAUSE);
    service.admission.pipeline().close();
}

#[test]
fn what_is_pruned_after_the_check_is_gone_and_a_failure_is_reported() {
    let service = service();
    let failed = ReadError::Failed("no such file".into());
    let gone = ReadError::Gone { seq: 2, oldest: 9 };
    let _threads = open(&service, vec![failed, gone]);
    let pruned = reply(&service, "after=1&wait=60");
    assert_eq!(pruned.status, 410);
    let body = String::from_utf8_lossy(pruned.body.as_slice());
    assert!(body.contains(r#""oldest_seq":9"#), "{body}");
    assert_eq!(reply(&service, "after=1&wait=60").status, 503);
    assert_eq!(reply(&service, "after=1&wait=60").status, 200);
    service.admission.pipeline().close();
}

#[test]
fn a_wait_ends_in_time_with_the_drain_or_with_the_client() {
    let service = service();
    let pipeline = service.admission.pipeline();
    let _threads = open(&service, Vec::new());
    let empty = |reply: Reply| reply.status == 200 && reply.body.as_slice().is_empty();
    assert!(empty(reply(&service, "after=3")));
    let mut waits = wait(&service, "after=3&wait=60");
    let left = waits.until().unwrap() - Instant::now();
    assert!(left > Duration::from_secs(50));
    assert_eq!(waits.poll(&service), None);
    assert!(waits.give_up(&service).is_some_and(empty));
    pipeline.gate.close(GateState::Draining);
    assert!(waits.poll(&service).is_some_and(empty));
    assert!(empty(reply(&service, "after=3&wait=60")));
    assert_eq!(
        reply(&service, "after=2&wait=60").status,
        200,
        "what is there is sent"
    );
    pipeline.close();
}
