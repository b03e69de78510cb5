//! Readers whose archive is in trouble, and how their waits end.

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::access::Access;
use crate::admission::Admission;
use crate::config::Config;
use crate::cpu::plan::Plan;
use crate::http::api::feed::long_poll::{LongPoll, PAUSE, feed};
use crate::http::api::feed::tests::{archive, pipeline};
use crate::http::api::handled::Handled;
use crate::http::api::limits::Limits;
use crate::http::api::observer::Observer;
use crate::http::api::service::Service;
use crate::http::api::site::Sites;
use crate::http::wire::reply::Reply;
use crate::ledger::{Archive, LedgerId, Read, ReadError, ReadRange, memory};
use crate::order::HashKey;
use crate::peer::Proxies;
use crate::pipeline::Threads;
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::Rules;
use crate::sync::memory_budget::MemoryBudget;

/// An archive that fails some reads first, as one does that is busy or being
/// pruned: neither can be brought about at will.
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
pub(super) fn service() -> Arc<Service> {
    let pipeline = pipeline();
    pipeline.wake_queues.register(Vec::new());
    let config = Config::parse_from(["order-processor"], [("", ""); 0]).unwrap();
    let access = Arc::new(Access::new(&config).unwrap());
    let observer = Observer::start(&pipeline, access.clone(), None).unwrap();
    let admission = Admission::new(pipeline, HashKey::from_bytes([1; 16]));
    let bodies = MemoryBudget::new(config.body_bytes);
    Service::new(
        Arc::new(admission),
        Limits::of(&config),
        Sites::of(&config),
        access,
        Proxies::default(),
        bodies,
        observer,
    )
}

/// Opens its ledger; three outcomes are in it.
fn open(service: &Service, failures: Vec<ReadError>) -> Threads {
    let archive = Failing {
        archive: archive(&[0; 3]),
        failures: Mutex::new(failures),
    };
    open_with(service, Arc::new(archive))
}

/// Opens its ledger, with this archive.
pub(super) fn open_with(service: &Service, archive: Arc<dyn Archive>) -> Threads {
    let (ledger, _) = memory::open(10);
    let (rules, ledger) = (Arc::new(Rules::default()), Box::new(ledger));
    let pipeline = service.admission.pipeline();
    pipeline
        .start(&Plan::unpinned(1), rules, ledger, archive, Arc::new(|_| ()))
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
pub(super) fn wait(service: &Service, query: &str) -> LongPoll {
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
