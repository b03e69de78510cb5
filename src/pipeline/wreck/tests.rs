//! Threads that panic, and what those inside hear.

use std::{
    sync::{Arc, Mutex, mpsc},
    task::Waker,
    time::{Duration, Instant},
};

use crate::{
    Order, Processor, Verdict,
    admission::{Admission, Admitted, Ticket},
    ledger::{Ledger, LedgerFailed, Receipt, memory},
    order::HashKey,
    pipeline::{
        Fault, Judged, Pipeline, Settings, Threads,
        affinity::Plan,
        gate::State,
        processor::Rules,
        ticket::{Answer, Withdrawal},
    },
};

const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    admission: Admission,
    threads: Threads,
    faults: mpsc::Receiver<Fault>,
}

impl Running {
    fn start(
        workers: usize,
        processor: impl Processor,
        ledger: impl FnOnce(memory::MemoryLedger<Judged>) -> Box<dyn Ledger<Judged>>,
    ) -> Self {
        let plan = Plan {
            workers,
            io_threads: 1,
            worker_cores: vec![None; workers],
            io_cores: vec![None],
            spin: false,
            why: String::new(),
        };
        let pipeline = Pipeline::new(&Settings {
            queue_orders: 64,
            queue_bytes: 1 << 20,
            window: 1000,
            plan: plan.clone(),
            window_reach: Duration::ZERO,
        });
        pipeline.doors.open(Vec::new());
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
        let json = format!(r#"{{"id":"{id}","value":1}}"#);
        let waker = Some(Waker::noop());
        let admitted = self.admission.submit(json.as_bytes(), waker);
        match admitted {
            Ok(Admitted::Waiting(ticket)) => ticket,
            _ => panic!("{id} was not taken"),
        }
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
        assert_eq!(pipeline.gate.state(), State::LedgerDown);
        assert!(pipeline.gate.wait_empty(deadline), "nothing stays inside");
        assert_eq!(pipeline.gate.bytes(), 0);
        assert!(self.faults.try_recv().is_err(), "told once");
        pipeline.close();
        self.threads.join();
        answers
    }
}

/// Panics at the first batch, when it is told that all orders are in.
struct Exploding(memory::MemoryLedger<Judged>, mpsc::Receiver<()>);

impl Ledger<Judged> for Exploding {
    fn room(&self) -> usize {
        self.0.room().min(2)
    }
    fn append(&mut self, batch: &mut Vec<Judged>) {
        let _taken: Vec<Judged> = std::mem::take(batch);
        self.1.recv().unwrap();
        panic!("as the test asked for");
    }
    fn receipts(&mut self, done: &mut Vec<Receipt<Judged>>) -> Result<(), LedgerFailed> {
        self.0.receipts(done)
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
    explode.send(()).unwrap();
    let fault = running.faults.recv_timeout(PATIENCE).unwrap();
    assert_eq!(fault, Fault::Panic("committer".into()));
    let pipeline = running.admission.pipeline().clone();
    let answers = running.ends(&tickets);
    let doubtful = answers.iter().filter(|why| **why == Withdrawal::Ledger);
    let doubtful = doubtful.count();
    assert!(
        (2..=4).contains(&doubtful),
        "one batch and its twins: {doubtful}"
    );
    assert_eq!(pipeline.metrics.admission.accepted.get(), 20);
    let withdrawn = crate::metrics::WithdrawReason::ALL
        .iter()
        .map(|reason| pipeline.metrics.withdrawn.get(*reason));
    assert_eq!(withdrawn.sum::<u64>(), 20);
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
