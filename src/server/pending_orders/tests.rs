//! A committer that panics in a drain: whoever was told that an order is queued
//! finds it committed or kept after the next start, and once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::admission::{Admission, Admitted, Ticket};
use crate::cpu::plan::Plan;
use crate::dedupe::claims::Claimed;
use crate::ledger::journal::{JournalLedger, Options};
use crate::ledger::{Completion, Ledger, LedgerFailed, journal};
use crate::pipeline::answer::Waiter;
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::Rules;
use crate::pipeline::{Evaluated, InFlight, Settings, cost};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// What is done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Commit,
    PanicBefore,
    PanicAfter,
}

/// A journal that does with each batch what it is told.
struct Exploding {
    journal: JournalLedger<Evaluated>,
    told: mpsc::Receiver<Does>,
}

impl Ledger<Evaluated> for Exploding {
    fn capacity_left(&self) -> usize {
        self.journal.capacity_left().min(3)
    }
    fn append(&mut self, batch: &mut Vec<Evaluated>) {
        let does = self.told.recv().unwrap();
        assert_ne!(does, Does::PanicBefore, "as the test asked for");
        self.journal.append(batch);
        assert_ne!(does, Does::PanicAfter, "as the test asked for");
    }
    fn completions(&mut self, done: &mut Vec<Completion<Evaluated>>) -> Result<(), LedgerFailed> {
        self.journal.completions(done)
    }
}

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("orders-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens a journal; answers with the ids that are committed, too.
fn open(directory: &Path) -> (journal::Journal<Evaluated>, BTreeSet<String>) {
    let mut committed = BTreeSet::new();
    let options = Options {
        window: 1000,
        segment_bytes: 64 << 10,
        ..Options::default()
    };
    let mut visit = |record: &journal::RecordView<'_>| {
        assert!(
            committed.insert(record.id.to_owned()),
            "{} twice",
            record.id
        );
    };
    let wake = Arc::new(|| ());
    let journal = journal::open(directory, &options, wake, &mut |_| (), &mut visit);
    (journal.unwrap(), committed)
}

fn submit(admission: &Admission, id: &str) -> Ticket {
    let json = format!(r#"{{"id":"{id}","value":1}}"#);
    match admission.submit(json.as_bytes(), Some(Waker::noop())) {
        Ok(Admitted::Waiting(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

fn told_orders_survive(panics: Does) {
    let directory = Directory::new(&format!("{panics:?}"));
    let (opened, committed) = open(&directory.0);
    assert!(committed.is_empty() && opened.pending_orders.is_empty());
    let plan = Plan::unpinned(2);
    let pipeline = Pipeline::new(&Settings {
        queue_orders: 64,
        queue_bytes: 1 << 20,
        window: 1000,
        plan: plan.clone(),
        window_reach: Duration::ZERO,
    });
    pipeline.wake_queues.register(Vec::new());
    let (tell, told) = mpsc::channel();
    let ledger = Box::new(Exploding {
        journal: opened.ledger,
        told,
    });
    let (fault, faults) = mpsc::channel();
    let fault = Mutex::new(fault);
    let on_fault: Arc<dyn Fn(Fault) + Send + Sync> =
        Arc::new(move |what| fault.lock().unwrap().send(what).unwrap());
    let archive = Arc::new(opened.archive);
    let threads = pipeline
        .start(
            &plan,
            Arc::new(Rules::default()),
            ledger,
            archive,
            on_fault.clone(),
        )
        .unwrap();
    let mut keeper = Keeper::start(&pipeline, Some(opened.pending_file), &on_fault).unwrap();
    pipeline.gate.open();

    let admission = Admission::new(pipeline.clone(), HashKey::random());
    let ids: Vec<String> = (0..12).map(|number| format!("o-{number}")).collect();
    for id in &ids {
        assert!(submit(&admission, id).ack_queued());
    }
    pipeline.gate.close(GateState::Draining);
    for does in [Does::Commit, panics] {
        tell.send(does).unwrap();
    }
    assert!(pipeline.gate.wait_empty(Instant::now() + PATIENCE));
    assert_eq!(faults.recv().unwrap(), Fault::Panic("committer".into()));
    let finished = keeper.finish(&pipeline, 0);
    let outcomes = pipeline.metrics.ledger.outcomes() as usize;
    assert!((1..=3).contains(&outcomes), "one batch: {outcomes}");
    assert_eq!((finished.kept, finished.lost), (ids.len() - outcomes, 0));
    pipeline.close();
    threads.join();
    drop((admission, pipeline, keeper));

    let (opened, committed) = open(&directory.0);
    // A batch whose outcomes nobody was told of: found out by the next start.
    assert_eq!(committed.len() > outcomes, panics == Does::PanicAfter);
    let kept: BTreeSet<String> = opened
        .pending_orders
        .iter()
        .map(|kept| kept.id.to_string())
        .collect();
    assert!(kept.is_disjoint(&committed), "{kept:?} and {committed:?}");
    assert!(
        ids.iter()
            .all(|id| kept.contains(id) || committed.contains(id))
    );
}

#[test]
fn a_panic_before_a_commit_loses_nothing() {
    told_orders_survive(Does::PanicBefore);
}

#[test]
fn a_panic_after_a_commit_loses_nothing_and_doubles_nothing() {
    told_orders_survive(Does::PanicAfter);
}

/// A pipeline that only takes orders in, and a keeper.
fn taking(opened: journal::Journal<Evaluated>) -> (Arc<Pipeline>, Keeper) {
    let pipeline = Pipeline::new(&Settings {
        queue_orders: 64,
        queue_bytes: 1 << 20,
        window: 1000,
        plan: Plan::unpinned(1),
        window_reach: Duration::ZERO,
    });
    pipeline.wake_queues.register(Vec::new());
    pipeline.gate.open();
    let on_fault: Arc<dyn Fn(Fault) + Send + Sync> = Arc::new(|fault| panic!("{fault}"));
    let keeper = Keeper::start(&pipeline, Some(opened.pending_file), &on_fault).unwrap();
    (pipeline, keeper)
}

/// Pushes an order past admission, tells of it, and takes it out.
fn promise(pipeline: &Pipeline, id: &str) {
    let json = format!(r#"{{"id":"{id}","value":1}}"#);
    let order = decode(json.as_bytes(), &HashKey::from_bytes([1; 16])).unwrap();
    let Claimed::Mine(claim) = pipeline.claims.claim(order.id_hash(), order.content_hash()) else {
        panic!("{id} is taken");
    };
    pipeline.gate.enter(cost(&order)).unwrap();
    let job = InFlight {
        order,
        claim,
        waiter: Arc::new(Waiter::new(None)),
        accepted_at: 1,
        admitted: Instant::now(),
        kept: false,
    };
    assert!(pipeline.push(Arc::new(job)).is_ok());
    assert!(pipeline.claims.ack_queued(claim));
    assert_eq!(pipeline.fence(Duration::ZERO), 0);
}

fn kept_in(directory: &Directory) -> Vec<String> {
    let (opened, _) = open(&directory.0);
    opened
        .pending_orders
        .iter()
        .map(|kept| kept.id.to_string())
        .collect()
}

/// A start would refuse a file with an id in it twice.
#[test]
fn an_id_is_kept_once() {
    let directory = Directory::new("once");
    let (pipeline, mut keeper) = taking(open(&directory.0).0);
    for id in ["a", "b", "a"] {
        promise(&pipeline, id);
    }
    let finished = keeper.finish(&pipeline, 0);
    assert_eq!((finished.kept, finished.lost), (2, 0));
    drop((pipeline, keeper));
    assert_eq!(kept_in(&directory), ["a", "b"]);
}

/// After a fault, and in the drain behind it.
#[test]
fn what_is_kept_twice_stands_together() {
    let directory = Directory::new("together");
    let (pipeline, mut keeper) = taking(open(&directory.0).0);
    promise(&pipeline, "a");
    assert_eq!(keeper.finish(&pipeline, 0).kept, 1);
    promise(&pipeline, "b");
    assert_eq!(keeper.finish(&pipeline, 0).kept, 1);
    assert_eq!(keeper.finish(&pipeline, 0).kept, 0);
    drop((pipeline, keeper));
    assert_eq!(kept_in(&directory), ["a", "b"]);
}
