//! Readers of a shared ledger whose last message is no outcome: the archive
//! says that there is more, and a read brings nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::http::api::feed::long_poll::LongPoll;
use crate::http::api::feed::tests::archive;
use crate::http::api::feed::tests::long_poll::{open_with, service, wait};
use crate::http::api::service::Service;
use crate::ledger::{Archive, LedgerId, Read, ReadError, ReadRange};
use crate::pipeline::Threads;

type Reply = Box<dyn FnOnce(ReadRange) + Send>;

/// Answers reads when the test says so.
#[derive(Default)]
struct Scripted {
    last_seq: AtomicU64,
    /// Those under way, and how many have begun.
    reads: Mutex<Vec<Reply>>,
    begun: AtomicU64,
    /// Refuses reads at once.
    busy: Mutex<bool>,
}

impl Scripted {
    fn reaches(&self, seq: u64) {
        self.last_seq.store(seq, Relaxed);
    }

    fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Answers the only read.
    #[track_caller]
    fn answer(&self, range: ReadRange) {
        let mut reads = std::mem::take(&mut *self.reads.lock().unwrap());
        let reply = reads.pop().expect("a read is under way");
        assert!(reads.is_empty(), "one read");
        reply(range);
    }
}

impl Archive for Scripted {
    fn read(&self, _: u64, _: Box<dyn FnOnce(Read) + Send>) {
        unreachable!("readers of the feed read ranges");
    }

    fn read_range(&self, _: u64, _: usize, _: usize, reply: Reply) {
        self.begun.fetch_add(1, Relaxed);
        if *self.busy.lock().unwrap() {
            return reply(Err(ReadError::Busy));
        }
        self.reads.lock().unwrap().push(reply);
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn last_seq(&self) -> u64 {
        self.last_seq.load(Relaxed)
    }

    fn oldest_seq(&self) -> u64 {
        1
    }

    fn ledger_id(&self) -> LedgerId {
        archive(&[]).ledger_id()
    }

    fn kind(&self) -> &'static str {
        "scripted"
    }
}

/// A service on a ledger whose last outcome is 3 and whose last message is 4.
fn start() -> (Arc<Service>, Arc<Scripted>, Threads) {
    let (service, archive) = (service(), Arc::new(Scripted::default()));
    archive.reaches(4);
    let threads = open_with(&service, archive.clone());
    (service, archive, threads)
}

/// The outcome with sequence 5.
fn fifth() -> ReadRange {
    let (records, found) = std::sync::mpsc::channel();
    archive(&[0; 5]).read_range(4, 1, 1, Box::new(move |range| records.send(range).unwrap()));
    found.recv().unwrap()
}

#[track_caller]
fn waits(reader: &mut LongPoll, service: &Service) {
    assert_eq!(reader.poll(service), None);
}

/// Its reply has the outcome with sequence 5.
#[track_caller]
fn has_fifth(reader: &mut LongPoll, service: &Service) {
    let reply = reader.poll(service).expect("a reply");
    let text = String::from_utf8_lossy(reply.body.as_slice()).into_owned();
    assert!(text.contains(r#""seq":5"#), "{text}");
}

#[test]
fn the_end_is_read_once_until_there_is_more() {
    let (service, archive, _threads) = start();
    let mut reader = wait(&service, "after=3&wait=60");
    archive.answer(Ok(Vec::new()));
    for _ in 0..3 {
        waits(&mut reader, &service);
    }
    assert_eq!(archive.begun(), 1);
    assert!(reader.until().is_some(), "it watches");
    archive.reaches(5);
    waits(&mut reader, &service);
    archive.answer(fifth());
    has_fifth(&mut reader, &service);
    assert_eq!(archive.begun(), 2);
    service.admission.pipeline().close();
}

#[test]
fn what_is_committed_during_a_read_that_brings_nothing_is_read() {
    let (service, archive, _threads) = start();
    let mut first = wait(&service, "after=3&wait=60");
    archive.reaches(5);
    // The second one joins the read, which began before.
    let mut second = wait(&service, "after=3&wait=60");
    assert_eq!(archive.begun(), 1);
    archive.answer(Ok(Vec::new()));
    waits(&mut second, &service);
    waits(&mut first, &service);
    assert_eq!(archive.begun(), 2);
    archive.answer(fifth());
    has_fifth(&mut second, &service);
    has_fifth(&mut first, &service);
    service.admission.pipeline().close();
}

/// Such an answer calls no waker, so it has to be seen at once.
#[test]
fn a_second_read_that_is_refused_at_once_is_tried_again() {
    let (service, archive, _threads) = start();
    let mut reader = wait(&service, "after=3&wait=60");
    archive.reaches(5);
    *archive.busy.lock().unwrap() = true;
    archive.answer(Ok(Vec::new()));
    waits(&mut reader, &service);
    assert_eq!(archive.begun(), 2);
    assert!(reader.until().is_some(), "it pauses");
    service.admission.pipeline().close();
}
