//! Threads that panic, and what those inside hear.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::admission::{Admission, Admitted, Ticket};
use crate::cpu::plan::Plan;
use crate::ledger::{Completion, Ledger, LedgerFailed, memory};
use crate::metrics::WithdrawReason;
use crate::order::HashKey;
use crate::pipeline::answer::{Answer, Withdrawal};
use crate::pipeline::gate::GateState;
use crate::pipeline::in_hand::InHand;
use crate::pipeline::processor::Rules;
use crate::pipeline::{Evaluated, Fault, InFlight, Pipeline, Settings, Threads};
use crate::{Order, Processor, Verdict};

const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    admission: Admission,
    threads: Threads,
    faults: mpsc::Receiver<Fault>,
}

fn pipeline(plan: &Plan) -> Arc<Pipeline> {
    let pipeline = Pipeline::new(&Settings {
        queue_orders: 64,
        queue_bytes: 1 << 20,
        window: 1000,
        plan: plan.clone(),
        window_reach: Duration::ZERO,
    });
    pipeline.wake_queues.register(Vec::new());
    pipeline
}

fn submit(admission: &Admission, id: &str, waker: &Waker) -> Ticket {
    let json = format!(r#"{{"id":"{id}","value":1}}"#);
    match admission.submit(json.as_bytes(), Some(waker)) {
        Ok(Admitted::Waiting(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

impl Running {
    fn start(
        workers: usize,
        processor: impl Processor,
        ledger: impl FnOnce(memory::MemoryLedger<Evaluated>) -> Box<dyn Ledger<Evaluated>>,
    ) -> Self {
        let plan = Plan::unpinned(workers);
        let pipeline = pipeline(&plan);
        let (memory, archive) = memory::open(1000);
        let (fault, faults) = mpsc::channel();
        let fault = Mutex::new(fault);
        let on_fault = move |what| fault.lock().unwrap().send(what).unwrap();
        let threads = pipeline
            .start(
                &plan,
                Arc::new(processor),
                ledger(memory),
                Arc::new(archive),
                Arc::new(on_fault),
            )
            .unwrap();
        pipeline.gate.open();
        Self {
            admission: Admission::new(pipeline, HashKey::random()),
            threads,
            faults,
        }
    }

    fn submit(&self, id: &str) -> Ticket {
        submit(&self.admission, id, Waker::noop())
    }

    /// All are answered, nothing stays inside, and the threads end.
    fn ends(self, tickets: &[Ticket]) -> Vec<Withdrawal> {
        let deadline = Instant::now() + PATIENCE;
        let answers = tickets.iter().map(|ticket| {
            loop {
                match ticket.answer() {
                    Some(Answer::Withdrawn(why)) => return why,
                    Some(other) => panic!("{other:?}"),
                    None => assert!(Instant::now() < deadline, "nobody answers"),
                }
                std::thread::yield_now();
            }
        });
        let answers = answers.collect();
        let pipeline = self.admission.pipeline();
        assert_eq!(pipeline.gate.state(), GateState::LedgerDown);
        assert!(pipeline.gate.wait_empty(deadline), "nothing stays inside");
        assert_eq!(pipeline.gate.bytes(), 0);
        assert!(self.faults.try_recv().is_err(), "told once");
        pipeline.close();
        self.threads.join();
        answers
    }
}

/// The ids, in no order: two may have been admitted in the same nanosecond, or
/// the clock have been set back.
fn ids(promises: &[Arc<InFlight>]) -> BTreeSet<String> {
    let ids: BTreeSet<String> = promises
        .iter()
        .map(|job| job.order.id().to_string())
        .collect();
    assert_eq!(ids.len(), promises.len(), "each once");
    ids
}

fn set<S: Into<String>>(ids: impl IntoIterator<Item = S>) -> BTreeSet<String> {
    ids.into_iter().map(Into::into).collect()
}

/// Panics at the first batch, when it is told that all orders are in.
struct Exploding(memory::MemoryLedger<Evaluated>, mpsc::Receiver<()>);

impl Ledger<Evaluated> for Exploding {
    fn capacity_left(&self) -> usize {
        self.0.capacity_left().min(2)
    }
    fn append(&mut self, batch: &mut Vec<Evaluated>) {
        let _taken: Vec<Evaluated> = std::mem::take(batch);
        self.1.recv().unwrap();
        panic!("as the test asked for");
    }
    fn completions(&mut self, done: &mut Vec<Completion<Evaluated>>) -> Result<(), LedgerFailed> {
        self.0.completions(done)
    }
}

#[test]
fn a_ledger_that_panics_leaves_nobody_waiting() {
    let (explode, told) = mpsc::channel();
    let running = Running::start(2, Rules::default(), |memory| {
        Box::new(Exploding(memory, told))
    });
    // In the ledger's hands, in the commit queue, and a duplicate of each.
    let tickets: Vec<Ticket> = (0..20)
        .flat_map(|number| {
            let id = format!("o-{number}");
            [running.submit(&id), running.submit(&id)]
        })
        .collect();
    // Some are told that they are queued, by either of the two.
    for number in 0..20 {
        assert!(number % 3 == 2 || tickets[2 * number + number % 2].ack_queued());
    }
    explode.send(()).unwrap();
    let fault = running.faults.recv_timeout(PATIENCE).unwrap();
    assert_eq!(fault, Fault::Panic("committer".into()));
    let pipeline = running.admission.pipeline().clone();
    let answers = running.ends(&tickets);
    let told = (0..20).filter(|number| number % 3 != 2);
    let told = set(told.map(|number| format!("o-{number}")));
    assert_eq!(ids(&pipeline.promises().0), told, "none is lost");
    let doubtful = answers.iter().filter(|why| **why == Withdrawal::Ledger);
    let doubtful = doubtful.count();
    assert!(
        (2..=4).contains(&doubtful),
        "one batch and its twins: {doubtful}"
    );
    assert_eq!(pipeline.metrics.admission.accepted.get(), 20);
    let withdrawn = WithdrawReason::ALL
        .iter()
        .map(|reason| pipeline.metrics.withdrawn.get(*reason));
    assert_eq!(withdrawn.sum::<u64>(), 20);
}

/// Waits with each order until it is let go.
struct Waiting(Mutex<mpsc::Receiver<()>>);

impl Processor for Waiting {
    fn process(&self, _: &Order) -> Verdict {
        let told = self.0.lock().unwrap().recv();
        assert!(told.is_err(), "let go by dropping");
        Verdict::Processed
    }
}

/// Panics outside of the work for an order.
struct Quick(Mutex<mpsc::Receiver<()>>);

impl Processor for Quick {
    fn process(&self, _: &Order) -> Verdict {
        unreachable!("no worker gets that far")
    }
    fn is_quick(&self) -> bool {
        let told = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        told.recv().unwrap();
        drop(told);
        panic!("as the test asked for")
    }
}

#[test]
fn workers_that_panic_leave_nobody_waiting() {
    let (explode, told) = mpsc::channel();
    let running = Running::start(2, Quick(Mutex::new(told)), |memory| Box::new(memory));
    let tickets: Vec<Ticket> = (0..20)
        .map(|number| running.submit(&format!("o-{number}")))
        .collect();
    for _ in 0..2 {
        explode.send(()).unwrap();
    }
    let mut faults = [(); 2].map(|()| running.faults.recv_timeout(PATIENCE).unwrap());
    faults.sort_by_key(ToString::to_string);
    assert_eq!(
        faults,
        ["worker-0", "worker-1"].map(|name| Fault::Panic(name.into()))
    );
    let answers = running.ends(&tickets);
    assert!(answers.iter().all(|why| *why == Withdrawal::Drain));
}

/// Wherever a thread is when it panics.
#[test]
fn what_a_thread_had_in_hand_is_told_and_kept() {
    let pipeline = pipeline(&Plan::unpinned(1));
    pipeline.gate.open();
    let admission = Admission::new(pipeline.clone(), HashKey::random());
    let tickets = ["a", "b", "c"].map(|id| submit(&admission, id, Waker::noop()));
    assert!(tickets[0].ack_queued() && tickets[1].ack_queued());
    let wrecked = pipeline.clone();
    let thread = std::thread::spawn(move || {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let jobs = std::iter::from_fn(|| wrecked.intake.pop().map(InHand::new));
            let _in_hand: Vec<InHand> = jobs.collect();
            panic!("as the test asked for");
        }));
        assert!(panicked.is_err());
        wrecked.end_dropped();
        wrecked.end_dropped(); // each once
    });
    thread.join().unwrap();
    for ticket in &tickets {
        let drained = Answer::Withdrawn(Withdrawal::Drain);
        assert_eq!(ticket.answer(), Some(drained));
    }
    assert_eq!((pipeline.gate.orders(), pipeline.gate.bytes()), (0, 0));
    assert_eq!(ids(&pipeline.promises().0), set(["a", "b"]));
    assert_eq!(pipeline.metrics.withdrawn.get(WithdrawReason::Drain), 3);
}

/// Panics when it hands its receipts out: two are with the committer then, and
/// as many as there were in its own.
struct Forgetful {
    memory: memory::MemoryLedger<Evaluated>,
    told: mpsc::Receiver<()>,
}

impl Ledger<Evaluated> for Forgetful {
    fn capacity_left(&self) -> usize {
        self.memory.capacity_left()
    }
    fn append(&mut self, batch: &mut Vec<Evaluated>) {
        self.told.recv().unwrap();
        self.memory.append(batch);
    }
    fn completions(&mut self, done: &mut Vec<Completion<Evaluated>>) -> Result<(), LedgerFailed> {
        self.memory.completions(done)?;
        assert!(done.is_empty(), "as the test asked for");
        Ok(())
    }
}

/// What was committed and not yet made known isn't told as an outcome, and is
/// kept with a sequence that lies before it.
#[test]
fn what_was_committed_and_not_made_known_is_in_doubt() {
    let (explode, told) = mpsc::channel();
    let running = Running::start(2, Rules::default(), |memory| {
        Box::new(Forgetful { memory, told })
    });
    let tickets = ["a", "b"].map(|id| running.submit(id));
    assert!(tickets.iter().all(Ticket::ack_queued));
    explode.send(()).unwrap();
    running.faults.recv_timeout(PATIENCE).unwrap();
    let pipeline = running.admission.pipeline().clone();
    let answers = running.ends(&tickets);
    assert!(answers.contains(&Withdrawal::Ledger), "{answers:?}");
    assert_eq!(ids(&pipeline.promises().0), set(["a", "b"]));
    let archive = pipeline.archive().expect("it was started");
    assert_ne!(archive.last_seq(), 0);
    assert_eq!(pipeline.settled_seq(), 0);
}

/// A waker that panics.
struct Rude;

impl Wake for Rude {
    fn wake(self: Arc<Self>) {
        panic!("as the test asked for");
    }
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    let (let_go, told) = mpsc::channel();
    let running = Running::start(1, Waiting(Mutex::new(told)), |memory| Box::new(memory));
    let rude = Waker::from(Arc::new(Rude));
    let watch = running.admission.pipeline().watch(&rude);
    let tickets = ["a", "b"]
        .map(|id| [&rude, Waker::noop()].map(|waker| submit(&running.admission, id, waker)));
    drop(let_go);
    let deadline = Instant::now() + PATIENCE;
    for ticket in tickets.iter().flatten() {
        while ticket.answer().is_none() {
            assert!(Instant::now() < deadline, "nobody answers");
            std::thread::yield_now();
        }
        let answer = ticket.answer();
        assert!(matches!(answer, Some(Answer::Committed(_))), "{answer:?}");
    }
    let pipeline = running.admission.pipeline();
    pipeline.gate.close(GateState::Draining);
    assert!(pipeline.gate.wait_empty(deadline), "nothing stays inside");
    assert_eq!(pipeline.gate.bytes(), 0);
    assert_eq!(pipeline.settled_seq(), 2);
    drop(watch);
    pipeline.close();
    running.threads.join();
    assert!(running.faults.try_recv().is_err(), "no thread has panicked");
}
